"""What `search` and `browse` return: search results, chunks of pages and summaries of pages, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wideseek_env.corpus.base import SearchHit
from wideseek_env.messages import ToolResult
from wideseek_env.pages import Document, focus, neutralise
from wideseek_env.prompts import RESULTS, ResultTexts
from wideseek_env.summaries.base import Summariser, Summary, SummaryRequest
from wideseek_env.summaries.within import summaries_within


class PageQuestion(NamedTuple):
    """A page to be summarised, and the question that an agent asks about it."""

    document: Document
    question: str


def format_hits(hits: Sequence[SearchHit], texts: ResultTexts = RESULTS) -> str:
    """Search results as text: title and URL, then the passage that matched."""
    if not hits:
        return texts.no_hits.format()
    found = []
    for number, hit in enumerate(hits, 1):
        title = " ".join(hit.title.replace("[", "(").replace("]", ")").split()) or hit.url
        values = {"number": number, "title": neutralise(title), "url": hit.url}
        if hit.snippet:
            passage = neutralise(" ".join(hit.snippet.split()))
            found.append(texts.hit.format(**values, passage=passage))
        else:
            found.append(texts.hit_without_passage.format(**values))
    return texts.between_hits.format().join(found)


def format_page(
    document: Document, chunk: int, question: str, chunk_chars: int, texts: ResultTexts = RESULTS
) -> ToolResult:
    """One chunk of a page under its title, or the parts of the whole page that answer `question`."""
    chunks = document.chunks
    count = max(1, len(chunks))
    title = document.title or texts.no_title.format()
    if not chunks:
        return ToolResult(texts.empty_page.format(title=title))
    if question and chunk == 1 and count > 1:
        asked = _short_question(question)
        found = focus(document, question, chunk_chars)
        return ToolResult(texts.focus.format(title=title, focus=asked, chunks=count, text=found))
    if chunk > count:
        few = texts.no_second_chunk.format() if count == 1 else texts.no_chunk.format(chunks=count)
        return ToolResult(few, ok=False)
    values = {"title": title, "text": chunks[chunk - 1]}
    if count == 1:
        return ToolResult(texts.page.format(**values))
    values |= {"chunk": str(chunk), "chunks": str(count)}
    if chunk == count:
        return ToolResult(texts.last_chunk.format(**values))
    return ToolResult(texts.chunk.format(**values, next=chunk + 1))


def summarised_pages(
    questions: Sequence[PageQuestion],
    summariser: Summariser,
    texts: ResultTexts,
    *,
    page_chars: int,
    chunk_chars: int,
    timeout: float,
) -> list[ToolResult]:
    """The summary of each page, or the parts of the page that fit the question if there is no summary.

    The summariser gets the first `page_chars` characters of a page, and has `timeout` seconds for 16 pages.
    """
    requests = [
        SummaryRequest(
            each.document.url, each.document.title, each.document.markdown[:page_chars], each.question
        )
        for each in questions
    ]
    summaries = summaries_within(summariser, requests, timeout)
    return [
        _summarised(each, summary, texts, page_chars, chunk_chars)
        for each, summary in zip(questions, summaries, strict=True)
    ]


def _summarised(
    asked: PageQuestion, summary: Summary, texts: ResultTexts, page_chars: int, chunk_chars: int
) -> ToolResult:
    document, question = asked
    if summary.error:
        page = format_page(document, 1, question, chunk_chars, texts)
        return ToolResult(texts.summary_failed.format(text=page.text), page.ok, summary.usage())
    values = {
        "title": document.title or texts.no_title.format(),
        "focus": _short_question(question),
        "text": neutralise(summary.text),
    }
    if len(document.markdown) <= page_chars:
        return ToolResult(texts.summary.format(**values), usage=summary.usage())
    told = texts.summary_of_beginning.format(**values, chars=f"{page_chars:,}")
    return ToolResult(told, usage=summary.usage())


def _short_question(question: str) -> str:
    return " ".join(question.split())[:300]
