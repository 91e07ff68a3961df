"""Time to convert a page to Markdown, to plain text, and to text that is focused on a question.

    pytest benchmarks/test_pages_speed.py --benchmark-enable --benchmark-only -o addopts=""

The pages are those of `wikipages` (raw Wikipedia articles, 100 kB on average), from `WIDESEEK_DATA` or
`../shared/data`. One round reads 40 pages, so divide the time by 40.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.pages import focus, neutralise, plain_text, to_document

PAGES = 40


@pytest.fixture(scope="module")
def pages() -> list[dict[str, Any]]:
    folder = Path(os.environ.get("WIDESEEK_DATA") or Path(__file__).parents[2] / "shared" / "data")
    file = folder / "wikipages" / "pages.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no pages at {file}: set WIDESEEK_DATA")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in itertools.islice(lines, PAGES)]


def test_to_document(benchmark: Any, pages: list[dict[str, Any]]) -> None:
    documents = benchmark(lambda: [to_document(page["html"], page["url"]) for page in pages])
    assert all(document.chunks for document in documents)


def test_plain_text(benchmark: Any, pages: list[dict[str, Any]]) -> None:
    assert all(text for _, text in benchmark(lambda: [plain_text(page["html"]) for page in pages]))


def test_focus(benchmark: Any, pages: list[dict[str, Any]]) -> None:
    documents = [to_document(page["html"], page["url"]) for page in pages]
    focused = benchmark(
        lambda: [focus(document, f"year of {document.title}", 2_000) for document in documents]
    )
    assert all(len(text) <= 2_000 for text in focused)


def test_neutralise(benchmark: Any, pages: list[dict[str, Any]]) -> None:
    """The Markdown of the pages, which has no chat markup: the usual case."""
    texts = [to_document(page["html"], page["url"]).markdown for page in pages]
    assert benchmark(lambda: [neutralise(text) for text in texts]) == texts


def test_neutralise_markup(benchmark: Any, pages: list[dict[str, Any]]) -> None:
    """The HTML source of the pages: text with many angle brackets."""
    assert all(benchmark(lambda: [neutralise(page["html"]) for page in pages]))
