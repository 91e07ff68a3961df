"""Requests and answers of the retrieval service, in the forms that its clients use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from wideseek_env.clean import clean_text
from wideseek_env.corpus.base import Corpus, SearchHit, search_passages
from wideseek_env.pages import plain_text, to_document
from wideseek_env.pages.visible import MAX_CHARS
from wideseek_env.timeouts import check_time

_MOST_HTML = 4 * MAX_CHARS
_FULL = "the answer would be too large; ask for this page alone"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Strings = Annotated[list[str], BeforeValidator(_listed)]


class RetrieveRequest(BaseModel):
    """The body of `POST /retrieve`. Unknown fields are ignored."""

    queries: Strings = Field(validation_alias=AliasChoices("queries", "query"))
    topk: int | None = Field(default=None, validation_alias=AliasChoices("topk", "top_k", "k"))
    return_scores: bool = False


class AccessRequest(BaseModel):
    """The body of `POST /access`."""

    urls: Strings = Field(validation_alias=AliasChoices("urls", "url"))


def retrieved(
    corpus: Corpus,
    queries: Sequence[str],
    k: int,
    *,
    scores: bool,
    ours: bool,
    passage_chars: int,
    snippet_chars: int | None = None,
) -> list[list[dict[str, Any]]]:
    """Search, and return the documents of each query.

    If `scores` is True, an item is `{"document": …, "score": …}`. Otherwise it is the document itself. A document has
    `id`, `url`, `title` and `contents` (title, line break, text). If `ours` is True (the client is a `RemoteCorpus`), a
    document has `snippet` instead of `contents`, with up to `snippet_chars` characters if this number is given.
    """
    found = search_passages(corpus, [clean_text(query) for query in queries], k, snippet_chars)
    texts: dict[str, str] = {}

    def document(hit: SearchHit) -> dict[str, Any]:
        check_time()
        title = " ".join(hit.title.split())
        if ours:
            return {"url": hit.url, "title": title, "snippet": hit.snippet}
        text = hit.snippet
        if passage_chars:
            if hit.url not in texts:
                texts[hit.url] = _text(corpus, hit, passage_chars)
            text = texts[hit.url]
        return {"id": hit.url, "url": hit.url, "title": title, "contents": f"{title}\n{text}"}

    return [
        [{"document": document(hit), "score": hit.score} if scores else document(hit) for hit in hits]
        for hits in found
    ]


def _text(corpus: Corpus, hit: SearchHit, longest: int) -> str:
    # Clients such as Search-R1 expect the passage that was found, and not the beginning of its page.
    passage = getattr(corpus, "passage", None)
    if passage is not None and (text := passage(hit.url)) is not None:
        return str(text)[:longest]
    page = corpus.fetch(hit.url)
    text = plain_text(page.html)[1] if page is not None and page.status == 200 else hit.snippet
    return text[:longest]


def accessed(
    corpus: Corpus, urls: Sequence[str], *, ours: bool, page_chars: int
) -> list[dict[str, Any] | None]:
    """The page at each URL. None if there is no page.

    A page has `url`, `title` and `contents` (Markdown). If `ours` is True (the client is a `RemoteCorpus`), a page has
    `html`, `status` and `error` instead of `contents`. Then pages that are gone are returned too. `html` is cut after
    `MAX_CHARS` characters and one more. Pages for which the answer has no room have the status 413. Raises
    `TimeLimitError` when the time limit of the thread has passed.
    """
    pages: list[dict[str, Any] | None] = []
    room = _MOST_HTML
    for url in urls:
        check_time()
        page = corpus.fetch(clean_text(url))
        if page is None:
            pages.append(None)
        elif ours:
            html, status, error = page.html[: MAX_CHARS + 1], page.status, page.error
            if len(html) > room:
                html, status, error = "", 413, _FULL
            room -= len(html)
            pages.append(
                {"url": page.url, "title": page.title, "html": html, "status": status, "error": error}
            )
        elif page.status >= 400:
            pages.append(None)
        else:
            document = to_document(page.html, page.url)
            title = page.title or document.title
            pages.append({"url": page.url, "title": title, "contents": document.markdown[:page_chars]})
    return pages
