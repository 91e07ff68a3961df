"""The answers of the retrieval servers that people run, read into one form."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wideseek_env.corpus.remote_shapes import NAMELESS, UnreadableAnswer, read_accessed, read_retrieved

URL = "https://w.example/Oslo"
TEXT = "Oslo is the capital."
DOCUMENT = {"id": "7", "url": URL, "contents": f"Oslo\n{TEXT}"}


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ({"result": [[{"document": DOCUMENT, "score": 0.5}]]}, 0.5),
        ({"result": [[DOCUMENT]]}, None),
        ({"result": [[{**DOCUMENT, "score": 2}]]}, 2.0),
        ({"result": [[{"document": f"Oslo\n{TEXT}", "url": URL, "score": 0.5}]]}, 0.5),
        ({"result": [[{"document": f'(Title: "Oslo") {TEXT}', "url": URL, "score": 0.5}]]}, 0.5),
        ({"result": [[[DOCUMENT, 0.25]]]}, 0.25),
        ({"result": [[DOCUMENT]], "scores": [[0.75]]}, 0.75),
        ({"results": [[{"url": URL, "title": "Oslo", "text": TEXT}]]}, None),
        ({"data": [[{"link": URL, "title": "Oslo", "snippet": TEXT}]]}, None),
        ([[DOCUMENT]], None),
        ({"result": [DOCUMENT]}, None),  # one query, no outer list
        ({"result": [{"documents": [f"Oslo\n{TEXT}"], "urls": [URL], "scores": [1.5]}]}, 1.5),
        ({"documents": [[f"Oslo\n{TEXT}"]], "urls": [[URL]], "scores": [[1.5]]}, 1.5),
        ({"result": [{"documents": [TEXT], "urls": [URL], "titles": ["Oslo"]}]}, None),
        ({"result": [[{"url": URL, "contents": f'"Oslo"\n{TEXT}'}]]}, None),
        ({"result": [[{"url": URL, "title": "Oslo", "contents": f'"Oslo"\n{TEXT}'}]]}, None),
    ],
)
def test_documents_of_every_shape(answer: Any, score: float | None) -> None:
    assert read_retrieved(answer, 1) == [[(URL, "Oslo", TEXT, score)]]


def test_a_document_without_url_gets_one_of_its_own() -> None:
    numbered, worded, again = read_retrieved(
        {"result": [[{"id": 12, "contents": "A\nx"}, {"contents": "A\ny"}, {"contents": "A\ny"}]]}, 1
    )[0]
    assert numbered.url == f"{NAMELESS}12"
    assert worded.url.startswith(NAMELESS)
    assert worded.url == again.url != numbered.url


def test_queries_without_documents() -> None:
    assert read_retrieved({"result": [[], None, [DOCUMENT]]}, 3)[:2] == [[], []]


@pytest.mark.parametrize(
    "answer",
    [
        {"result": [[], []]},
        {"result": "x"},
        "x",
        None,
        {"result": [[7]]},
        {"result": ["x", "y", "z"]},
        {"error": "no"},
    ],
)
def test_what_no_server_means(answer: Any) -> None:
    with pytest.raises(UnreadableAnswer):
        read_retrieved(answer, 3)


@pytest.mark.parametrize(
    "answer",
    [
        {"result": [{"url": URL, "title": "Oslo", "contents": TEXT}]},
        {"result": [{"url": URL, "title": "Oslo", "page": TEXT, "type": "access"}]},
        {"pages": [{"title": "Oslo", "markdown": TEXT}]},
        {"result": [[{"title": "Oslo", "text": TEXT}]]},
        {"result": [f"Oslo\n{TEXT}"]},
        {"result": [f"# Oslo\n\n{TEXT}"]},
        {"result": [{"title": "Oslo", "html": f"<p>{TEXT}</p>"}]},
        {"result": [{"title": "Oslo", "contents": f"<!DOCTYPE html><p>{TEXT}</p>"}]},
    ],
)
def test_pages_of_every_shape(answer: Any) -> None:
    (page,) = read_accessed(answer, [URL])
    assert page is not None
    assert (page.url, page.title, page.status) == (URL, "Oslo", 200)
    assert f"{TEXT}</p>" in page.html


@pytest.mark.parametrize(
    "missing", [None, "", {"contents": ""}, {"url": URL, "contents": "", "error": "Page not found"}]
)
def test_a_page_that_is_not_there(missing: Any) -> None:
    assert read_accessed({"result": [missing]}, [URL]) == [None]


def test_a_page_that_is_gone_keeps_its_status() -> None:
    (page,) = read_accessed({"result": [{"url": URL, "html": "", "status": 410, "error": "Gone."}]}, [URL])
    assert page is not None
    assert (page.status, page.error) == (410, "Gone.")


def test_markup_in_plain_text_stays_text() -> None:
    (page,) = read_accessed({"result": ["Note\na <script>alert(1)</script> b"]}, [URL])
    assert page is not None
    assert "<script>" not in page.html


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["result", "document", "documents", "urls", "contents", "score", "url", "html", "status"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_answer_is_read_or_refused(answer: Any) -> None:
    for read in (lambda: read_retrieved(answer, 1), lambda: read_accessed(answer, [URL])):
        with contextlib.suppress(UnreadableAnswer):
            read()
