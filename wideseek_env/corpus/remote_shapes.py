"""Reads the answers of retrieval servers in many forms: those of Search-R1, ASearcher, RLinf and similar servers.

`/retrieve` answers with one list per query. The lists are under `result`, `results` or `data`, or are the whole answer.
An item of a list is a document (`{"contents": …, "url": …}`), a document with its score (`{"document": …, "score":
…}`), a pair of both, or a string. Instead of a list of documents, a query may have an object of parallel lists
(`{"documents": […], "urls": […], "scores": […]}`). `/access` answers in the same way, with one page per URL: an object,
a string, or null for a page that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from wideseek_env.corpus.base import Page
from wideseek_env.pages.from_markdown import markdown_to_html

NAMELESS = "https://passage.example/"
"""The beginning of the URLs that documents without a URL get. The domain is reserved and does not exist."""

_LARGEST = 1e300
_OUTER = ("result", "results", "data", "pages", "documents")
_COLUMNS = ("documents", "contents", "docs", "result", "results")
_TEXT = ("contents", "content", "text", "passage", "body", "snippet")
_PAGE = ("contents", "content", "page", "markdown", "text", "body")
_HTML = re.compile(
    r"\s*+(?:<!--.*?-->\s*+)?<(?:!doctype|html|head|body|div|p|table|h[1-6]|ul|section|article)\b",
    re.I | re.S,
)
_TITLED = re.compile(r"\(Title:\s*+(.*?)\)\s*+(.*)", re.S)


class Found(NamedTuple):
    """One document of an answer. `snippet` is the text of the document as sent by the server. `score` is None when the
    server sent no score."""

    url: str
    title: str
    snippet: str
    score: float | None


class UnreadableAnswer(ValueError):
    """The answer has an unknown form."""


def read_retrieved(answer: Any, queries: int) -> list[list[Found]]:
    """One list of documents per query, in the server's order. Raises `UnreadableAnswer` for another number of lists."""
    lists = _unwrapped(answer)
    if queries == 1 and lists and not any(isinstance(item, list) or _is_columns(item) for item in lists):
        lists = [lists]  # some servers omit the outer list for a single query
    if len(lists) != queries:
        raise UnreadableAnswer(f"{queries} queries got {len(lists)} lists of documents")
    beside = {}
    if isinstance(answer, Mapping):
        columns = {name: answer.get(name) for name in ("urls", "titles", "scores")}
        beside = {name: c for name, c in columns.items() if isinstance(c, list) and len(c) == queries}
    if beside:
        lists = [
            {"documents": items, **{name: column[number] for name, column in beside.items()}}
            if isinstance(items, list)
            else items
            for number, items in enumerate(lists)
        ]
    return [_documents(items) for items in lists]


def read_accessed(answer: Any, urls: Sequence[str]) -> list[Page | None]:
    """One entry per URL: the page, or None when the server has no page at this URL. Raises `UnreadableAnswer` for
    another number of pages."""
    pages = _unwrapped(answer)
    if len(pages) != len(urls):
        raise UnreadableAnswer(f"{len(urls)} URLs got {len(pages)} pages")
    return [_page(item, url) for item, url in zip(pages, urls, strict=True)]


def page_of(text: str, url: str, title: str) -> Page:
    """A page of Markdown or plain text, or of HTML when the text looks like HTML."""
    return Page(url, title, text if _HTML.match(text) else markdown_to_html(text, title))


def _unwrapped(answer: Any) -> list[Any]:
    if isinstance(answer, Mapping):
        for name in _OUTER:
            if isinstance(answer.get(name), list):
                return list(answer[name])
        if isinstance(answer.get("error"), str):
            raise UnreadableAnswer(f"the server says: {answer['error'][:200]}")
    if isinstance(answer, list):
        return answer
    raise UnreadableAnswer(f"expected a list under 'result', not {type(answer).__name__}")


def _documents(items: Any) -> list[Found]:
    """The documents of one query, from a list of documents or from parallel lists."""
    if items is None:
        return []
    scores = None
    if isinstance(items, Mapping):
        items, scores = _joined(items)
    if not isinstance(items, list):
        raise UnreadableAnswer(f"expected a list of documents, not {type(items).__name__}")
    beside = scores if isinstance(scores, list) and len(scores) == len(items) else [None] * len(items)
    return [_document(item, score) for item, score in zip(items, beside, strict=True) if item is not None]


def _is_columns(item: Any) -> bool:
    return isinstance(item, Mapping) and any(isinstance(item.get(name), list) for name in _COLUMNS)


def _joined(columns: Mapping[str, Any]) -> tuple[Any, Any]:
    """The documents and scores in parallel lists."""
    documents = next((columns[name] for name in _COLUMNS if isinstance(columns.get(name), list)), None)
    if documents is None:
        return None, None
    joined = []
    for number, document in enumerate(documents):
        record = {"contents": document} if isinstance(document, str) else document
        if isinstance(record, Mapping):
            record = dict(record)
            for name, field in (("urls", "url"), ("titles", "title")):
                values = columns.get(name)
                if isinstance(values, list) and number < len(values):
                    record.setdefault(field, values[number])
        joined.append(record)
    return joined, columns.get("scores")


def _document(item: Any, score: Any) -> Found:
    if isinstance(item, list) and len(item) == 2 and isinstance(item[1], (int, float)):
        item, score = item
    if isinstance(item, Mapping) and "document" in item:
        outer, item = item, item["document"]
        score = outer.get("score", score)
        if isinstance(item, str):
            item = {"contents": item}
        if isinstance(item, Mapping):
            beside = {name: outer[name] for name in ("url", "title", "id", "doc_id") if name in outer}
            item = {**beside, **item}
    if isinstance(item, str):
        item = {"contents": item}
    if not isinstance(item, Mapping):
        raise UnreadableAnswer(f"expected a document, not {type(item).__name__}")
    score = item.get("score", score) if score is None else score
    text = _first(item, ("snippet", *_TEXT))
    given = _first(item, ("title", "name"))
    title, rest = split_title(_first(item, _TEXT), given)
    url = _first(item, ("url", "link", "source")) or _nameless(item, title, rest)
    return Found(url, title, text if "snippet" in item else rest, _number(score))


def split_title(contents: str, given: str = "") -> tuple[str, str]:
    """The title and text of a document that begins with a title line (quoted or not) or "(Title: …)"."""
    if given:
        first, _, rest = contents.partition("\n")
        return given, rest.strip() if first.strip().strip('"') == given and rest.strip() else contents
    if match := _TITLED.match(contents):
        return match.group(1).strip().strip('"'), match.group(2).strip()
    first, line_break, rest = contents.partition("\n")
    if line_break and len(first) <= 200:
        return first.strip().strip('"'), rest.strip()
    return "", contents


def _nameless(item: Mapping[str, Any], title: str, text: str) -> str:
    number = item.get("id", item.get("doc_id"))
    if isinstance(number, (int, str)) and not isinstance(number, bool) and str(number).isalnum():
        return f"{NAMELESS}{number}"
    mark = blake2b(f"{title}\n{text}".encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"{NAMELESS}{mark}"


def _page(item: Any, url: str) -> Page | None:
    if isinstance(item, list) and len(item) == 1:
        item = item[0]
    if isinstance(item, str):
        item = {"contents": item}
    if item is None:
        return None
    if not isinstance(item, Mapping):
        raise UnreadableAnswer(f"expected a page, not {type(item).__name__}")
    address = _first(item, ("url",)) or url
    title = _first(item, ("title", "name"))
    status = item.get("status")
    error = _first(item, ("error",))
    html = item.get("html")
    text = _first(item, _PAGE)
    if isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 999:
        return Page(address, title, "", status, error)
    if isinstance(html, str) and html.strip():
        return Page(address, title, html)
    if not text.strip():  # many servers send no text for a page that they do not have
        return None
    return page_of(text, address, title or _heading(text))


def _heading(text: str) -> str:
    first, line_break, _ = text.lstrip().partition("\n")
    return (
        first.lstrip("# ").strip().strip('"') if line_break and len(first) <= 200 and "<" not in first else ""
    )


def _first(item: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((item[name] for name in names if isinstance(item.get(name), str) and item[name]), "")


def _number(score: Any) -> float | None:
    usable = isinstance(score, (int, float)) and not isinstance(score, bool)
    return float(score) if usable and abs(score) < _LARGEST else None
