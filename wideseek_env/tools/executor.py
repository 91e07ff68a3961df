"""Runs tool requests. `CorpusTools` answers searches and browses from a corpus, in one batch per step.

All searches of a step are sent to the corpus as one batch, across agents and episodes. A corpus that waits for a
network or a server (``blocking``) is called on threads with a timeout. Other corpora are called directly. Every failure
becomes a `ToolResult` with a sentence about the failure. `run` does not raise an error in this case.

With a summariser, the pages that agents open with a question are summarised, in one batch per step. Without one, or if
it fails, an agent gets the parts of the page whose words fit the question.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

from wideseek_env.byte_cache import ByteCache, size_of_texts
from wideseek_env.copying import Independent, LivePart, independent_copy
from wideseek_env.corpus.base import Corpus, FailedSearch, SearchHit, search_passages
from wideseek_env.errors import ConfigError, TimeLimitError, ToolWarning, WideSeekError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.pages import Document, to_document
from wideseek_env.plugins import make_part
from wideseek_env.prompts import RESULTS, ResultTexts
from wideseek_env.reprs import short
from wideseek_env.summaries.base import PAGE_CHARS, Summariser
from wideseek_env.timeouts import run_with_timeout, time_limit
from wideseek_env.tools.results import PageQuestion, format_hits, format_page, summarised_pages
from wideseek_env.tools.spec import Arguments

CACHED_BYTES = 128 << 20
"""The most memory for the Markdown of pages that were opened before, in bytes, unless another limit is given."""

CustomTool: TypeAlias = Callable[[Arguments], str]
"""The function of a custom tool. Its argument is the mapping of checked arguments that `ToolSpec.read` made. Its result
is text."""


_Answer: TypeAlias = ToolResult | PageQuestion
_Job: TypeAlias = Callable[[], Sequence[_Answer]]


@runtime_checkable
class Executor(Protocol):
    """Runs tool requests."""

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One result for each call, in the order given. A tool that fails does not raise an error.

        If it raises one nevertheless, all its calls have failed and their agents are told (`run_calls`).
        """
        ...

    def close(self) -> None:
        """Release everything that the executor itself opened."""
        ...


def executor_named(executor: str | Executor) -> Executor:
    """The executor called ``module:name``. If `executor` is an object with `run` and `close`, it is returned unchanged.

    Raises:
        ConfigError: There is no such executor, or the object is not an executor.
    """
    if isinstance(executor, str):
        made: Executor = make_part("executor", executor, _is_executor, "run(calls) and close()")
        return made
    if not _is_executor(executor):
        raise ConfigError(f"an executor must have run(calls) and close(), not {executor!r:.80}")
    return executor


def run_calls(executor: Executor, calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Run tool calls and check what the executor returns.

    An exception becomes a failed result of every call. An error of this package is raised, because it means that the
    executor can run no more calls.

    Raises:
        ConfigError: The executor does not return one `ToolResult` for each call.
    """
    try:
        results = executor.run(calls)
    except WideSeekError:
        raise
    except Exception as error:
        return [_failure(error, RESULTS)] * len(calls)
    return checked_results(executor, calls, results)


def checked_results(executor: Executor, calls: Sequence[ToolCall], results: object) -> list[ToolResult]:
    """What an executor returned for `calls`, as a list. Text counts as a result.

    Raises:
        ConfigError: It is not one `ToolResult` for each call.
    """
    name = type(executor).__name__
    if not isinstance(results, Sequence) or isinstance(results, str):
        raise ConfigError(
            f"the executor {name} returned {short(results)}; run(calls) must return a list with a ToolResult for each "
            "call"
        )
    if len(results) != len(calls):
        raise ConfigError(
            f"the executor {name} gave {len(results)} results for {len(calls)} calls; run(calls) must return one for "
            "each, in their order"
        )
    checked = [ToolResult(each) if isinstance(each, str) else each for each in results]
    for call, result in zip(calls, checked, strict=True):
        if not isinstance(result, ToolResult) or not isinstance(result.text, str):
            raise ConfigError(
                f"the executor {name} gave {short(result)} for a call of {call.name}; a result is a ToolResult with "
                "text"
            )
    return checked


def _is_executor(part: object) -> bool:
    return isinstance(part, Executor)


class CorpusTools(Independent):
    """The executor over a `Corpus`.

    A copy uses the same corpus, summariser and custom tools, and has a separate cache. A pickle has no cached pages.

    Args:
        corpus: Answers searches and browses. The executor does not close the corpus. The code that opened it must do
            this.
        custom: Further tools by kind (`ToolSpec.kind`).
        texts: The texts of search results, pages and errors.
        chunk_chars: The approximate length of a chunk of a page, in characters.
        timeout: The seconds that one request to a corpus or a custom tool may take. The reading of a page ends soon
            after this time.
        workers: The most requests to a blocking corpus at the same time.
        cached_pages: The most pages whose Markdown is cached.
        cached_bytes: The most memory of these pages, in bytes. A page that needs more is not cached.
        passage_chars: The longest passage of a search result. None means the length that the corpus shows by itself.
        summariser: Summarises pages that agents open with a question. The executor does not close it.
        page_chars: The number of characters of a page that the summariser gets.
        summary_timeout: The seconds that the summariser may take for 16 pages. This is a second limit, for a summariser
            that does not keep its own.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        custom: Mapping[str, CustomTool] | None = None,
        texts: ResultTexts = RESULTS,
        chunk_chars: int = 3000,
        timeout: float = 30.0,
        workers: int = 16,
        cached_pages: int = 512,
        cached_bytes: int = CACHED_BYTES,
        passage_chars: int | None = None,
        summariser: Summariser | None = None,
        page_chars: int = PAGE_CHARS,
        summary_timeout: float = 300.0,
    ) -> None:
        if chunk_chars < 200 or timeout <= 0 or workers < 1 or min(cached_pages, cached_bytes) < 0:
            raise ConfigError(
                "CorpusTools needs chunk_chars of at least 200, a timeout above 0, at least 1 worker, and "
                "cached_pages and cached_bytes of 0 or more"
            )
        if page_chars < 1 or summary_timeout <= 0 or (passage_chars is not None and passage_chars < 1):
            raise ConfigError(
                "CorpusTools needs page_chars and passage_chars of at least 1 and a summary_timeout above 0"
            )
        self.corpus = corpus
        self._custom = dict(custom or {})
        self._texts = texts
        self._chunk_chars = chunk_chars
        self._timeout = timeout
        self._workers = workers
        self._passage_chars = passage_chars
        self.summariser = summariser
        self._page_chars = page_chars
        self._summary_timeout = summary_timeout
        self._documents: ByteCache[Document] = ByteCache(cached_bytes, _document_size, cached_pages)
        self._corpus_lock = threading.Lock()

    def __repr__(self) -> str:
        custom = f", custom tools {short(', '.join(self._custom))}" if self._custom else ""
        return f"<CorpusTools on {short(self.corpus)}{custom}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> CorpusTools:
        shared = (self.corpus, self._texts, self.summariser, *self._custom.values())
        own = {"_documents": self._documents.copy(), "_corpus_lock": threading.Lock()}
        return independent_copy(self, memo, *shared, **own)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_corpus_lock"}
        custom = {kind: LivePart("tool", run) for kind, run in self._custom.items()}
        if self.summariser is not None:
            state["summariser"] = LivePart("summariser", self.summariser)
        return state | {"corpus": LivePart("corpus", self.corpus), "_custom": custom}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _corpus_lock=threading.Lock())

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Run the calls of one step. Returns one result for each call, in the order given."""
        jobs: list[tuple[list[int], _Job]] = []
        searches: dict[int, list[int]] = {}
        for index, call in enumerate(calls):
            if call.name == "search":
                searches.setdefault(call.arguments["count"], []).append(index)
            else:
                jobs.append(([index], lambda call=call: [self._one(call)]))  # type: ignore[misc]
        for count, indices in searches.items():
            queries = [calls[index].arguments["query"] for index in indices]
            jobs.append((indices, lambda q=queries, k=count: self._search(q, k)))  # type: ignore[misc]
        direct = not self.corpus.blocking and not any(call.name in self._custom for call in calls)
        sizes = [len(indices) for indices, _ in jobs]
        late = ToolResult(self._texts.no_time.format(seconds=f"{self._timeout:g}"), ok=False)
        guarded = [
            partial(_guarded, job, size, self._texts, self._timeout, late)
            for (_, job), size in zip(jobs, sizes, strict=True)
        ]
        answers = (
            [job() for job in guarded]
            if direct
            else run_with_timeout(
                guarded,
                late=lambda number: [late] * sizes[number],
                timeout=self._timeout,
                workers=self._workers,
            )
        )
        results: list[ToolResult] = [ToolResult("")] * len(calls)
        questions: dict[int, PageQuestion] = {}
        for (indices, _), answer in zip(jobs, answers, strict=True):
            for index, result in zip(indices, answer, strict=True):
                if isinstance(result, PageQuestion):
                    questions[index] = result
                else:
                    results[index] = result
        if questions:
            for index, result in zip(questions, self._summarised(list(questions.values())), strict=True):
                results[index] = result
        return results

    def close(self) -> None:
        """Discard the cached pages."""
        self._documents.clear()

    def _one(self, call: ToolCall) -> _Answer:
        if call.name == "browse":
            return self._browse(**call.arguments)
        tool = self._custom.get(call.name)
        if tool is None:
            return ToolResult(self._texts.no_tool.format(name=call.name), ok=False)
        return ToolResult(_text_of(call.name, tool(call.arguments)))

    def _search(self, queries: list[str], k: int) -> list[ToolResult]:
        return [
            ToolResult(self._texts.search_failed.format(error=hits.error), ok=False)
            if isinstance(hits, FailedSearch)
            else ToolResult(format_hits(hits, self._texts))
            for hits in self._found(queries, k)
        ]

    def _found(self, queries: list[str], k: int) -> list[list[SearchHit]]:
        with self._turn():
            return search_passages(self.corpus, queries, k, self._passage_chars)

    def _turn(self) -> AbstractContextManager[object]:
        """A corpus that does not wait is used by one thread at a time, also if several threads wait for summaries."""
        return nullcontext() if self.corpus.blocking else self._corpus_lock

    def _browse(self, url: str, chunk: int, focus: str) -> _Answer:
        document = self._document(url)
        if isinstance(document, ToolResult):
            return document
        if self.summariser is not None and focus.strip() and chunk == 1 and document.chunks:
            return PageQuestion(document, focus)
        return format_page(document, chunk, focus, self._chunk_chars, self._texts)

    def _summarised(self, questions: list[PageQuestion]) -> list[ToolResult]:
        assert self.summariser is not None
        return summarised_pages(
            questions,
            self.summariser,
            self._texts,
            page_chars=self._page_chars,
            chunk_chars=self._chunk_chars,
            timeout=self._summary_timeout,
        )

    def _document(self, url: str) -> Document | ToolResult:
        document = self._documents.get(url)
        if document is not None:
            return document
        with self._turn():
            page = self.corpus.fetch(url)
        if page is None:
            return ToolResult(self._texts.no_page.format(), ok=False)
        if page.status == 410:
            return ToolResult(self._texts.page_gone.format(error=page.error).rstrip(), ok=False)
        if page.status >= 400 or page.error:
            error = page.error or self._texts.no_reason.format()
            return ToolResult(self._texts.page_failed.format(status=page.status, error=error), ok=False)
        document = to_document(page.html, page.url, chunk_chars=self._chunk_chars)
        self._documents.put(url, document)
        return document


def _text_of(name: str, result: object) -> str:
    """The result of a custom tool. If it is not text, the user gets a warning and the agent an error."""
    if isinstance(result, str):
        return result
    advice = "a sentence if there is no result" if result is None else "str(result), or json.dumps for a list"
    warnings.warn(
        f"the tool {name!r} returned {short(result)}, so the agent got an error: a tool must return text, such as "
        f"{advice}",
        ToolWarning,
        stacklevel=2,
    )
    raise TypeError(f"{name} must return text, not {type(result).__name__}")


def _document_size(document: Document) -> int:
    return size_of_texts((document.url, document.title, document.markdown, *document.chunks))


def _guarded(job: _Job, size: int, texts: ResultTexts, seconds: float, late: ToolResult) -> Sequence[_Answer]:
    try:
        with time_limit(seconds):
            return job()
    except TimeLimitError:
        return [late] * size
    except Exception as error:
        return [_failure(error, texts)] * size


def _failure(error: Exception, texts: ResultTexts) -> ToolResult:
    told = f"{type(error).__name__}: {error}"[:500]
    return ToolResult(texts.tool_failed.format(error=told)[:500], ok=False)
