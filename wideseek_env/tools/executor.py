"""Runs tool requests. `CorpusTools` answers searches and browses from a corpus, in one batch per step.

All searches of a step are sent to the corpus as one batch, across agents and episodes. A corpus that waits for a
network or a server (``blocking``) is called on threads with a timeout. Other corpora are called directly. Every failure
becomes a `ToolResult` with a sentence about the failure. `run` does not raise an error in this case.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from wideseek_env.copying import Independent, LivePart, independent_copy
from wideseek_env.corpus.base import Corpus, FailedSearch, SearchHit
from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.pages import Document, focus, neutralise, to_document
from wideseek_env.plugins import make_part
from wideseek_env.prompts import RESULTS, ResultTexts
from wideseek_env.reprs import short
from wideseek_env.tools.spec import Arguments

CustomTool: TypeAlias = Callable[[Arguments], str]
"""The function of a custom tool. Its argument is the mapping of checked arguments that `ToolSpec.read` made. Its result
is text."""

_Job: TypeAlias = Callable[[], list[ToolResult]]


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

    A copy uses the same corpus and the same custom tools, and has a separate cache. A pickle has no cached pages.

    Args:
        corpus: Answers searches and browses. The executor does not close the corpus. The code that opened it must do
            this.
        custom: Further tools by kind (`ToolSpec.kind`).
        texts: The texts of search results, pages and errors.
        chunk_chars: The approximate length of a chunk of a page, in characters.
        timeout: The seconds that one request to a blocking corpus or a custom tool may take.
        workers: The most requests to a blocking corpus at the same time.
        cached_pages: The number of pages whose Markdown is cached.
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
    ) -> None:
        if chunk_chars < 200 or timeout <= 0 or workers < 1 or cached_pages < 0:
            raise ConfigError(
                "CorpusTools needs chunk_chars of at least 200, a timeout above 0, at least 1 worker and "
                "cached_pages of 0 or more"
            )
        self.corpus = corpus
        self._custom = dict(custom or {})
        self._texts = texts
        self._chunk_chars = chunk_chars
        self._timeout = timeout
        self._workers = workers
        self._capacity = cached_pages
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        custom = f", custom tools {short(', '.join(self._custom))}" if self._custom else ""
        return f"<CorpusTools on {short(self.corpus)}{custom}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> CorpusTools:
        with self._lock:  # a call that took too long may still be running
            documents = self._documents.copy()
        shared = (self.corpus, self._texts, *self._custom.values())
        return independent_copy(self, memo, *shared, _documents=documents, _lock=threading.Lock())

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in ("_documents", "_lock")}
        custom = {kind: LivePart("tool", run) for kind, run in self._custom.items()}
        return state | {"corpus": LivePart("corpus", self.corpus), "_custom": custom}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _documents=OrderedDict(), _lock=threading.Lock())

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
        results: list[ToolResult] = [ToolResult("")] * len(calls)
        direct = not self.corpus.blocking and not any(call.name in self._custom for call in calls)
        answers = (
            [_guarded(job, len(indices), self._texts) for indices, job in jobs]
            if direct
            else run_with_timeout(
                [(len(indices), job) for indices, job in jobs],
                timeout=self._timeout,
                workers=self._workers,
                texts=self._texts,
            )
        )
        for (indices, _), answer in zip(jobs, answers, strict=True):
            for index, result in zip(indices, answer, strict=True):
                results[index] = result
        return results

    def close(self) -> None:
        """Discard the cached pages."""
        self._documents.clear()

    def _one(self, call: ToolCall) -> ToolResult:
        if call.name == "browse":
            return self._browse(**call.arguments)
        tool = self._custom.get(call.name)
        if tool is None:
            return ToolResult(self._texts.no_tool.format(name=call.name), ok=False)
        return ToolResult(tool(call.arguments))

    def _search(self, queries: list[str], k: int) -> list[ToolResult]:
        return [
            ToolResult(self._texts.search_failed.format(error=hits.error), ok=False)
            if isinstance(hits, FailedSearch)
            else ToolResult(format_hits(hits, self._texts))
            for hits in self.corpus.search(queries, k)
        ]

    def _browse(self, url: str, chunk: int, focus: str) -> ToolResult:
        document = self._document(url)
        if isinstance(document, ToolResult):
            return document
        return format_page(document, chunk, focus, self._chunk_chars, self._texts)

    def _document(self, url: str) -> Document | ToolResult:
        with self._lock:
            document = self._documents.get(url)
            if document is not None:
                self._documents.move_to_end(url)
                return document
        page = self.corpus.fetch(url)
        if page is None:
            return ToolResult(self._texts.no_page.format(), ok=False)
        if page.status == 410:
            return ToolResult(self._texts.page_gone.format(error=page.error).rstrip(), ok=False)
        if page.status >= 400 or page.error:
            error = page.error or self._texts.no_reason.format()
            return ToolResult(self._texts.page_failed.format(status=page.status, error=error), ok=False)
        document = to_document(page.html, page.url, chunk_chars=self._chunk_chars)
        with self._lock:
            self._documents[url] = document
            while len(self._documents) > self._capacity:
                self._documents.popitem(last=False)
        return document


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
        asked = " ".join(question.split())[:300]
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


def _guarded(job: _Job, size: int, texts: ResultTexts) -> list[ToolResult]:
    try:
        return job()
    except Exception as error:
        return [_failure(error, texts)] * size


def _failure(error: Exception, texts: ResultTexts) -> ToolResult:
    told = f"{type(error).__name__}: {error}"[:500]
    return ToolResult(texts.tool_failed.format(error=told)[:500], ok=False)


def run_with_timeout(
    jobs: Sequence[tuple[int, _Job]], *, timeout: float, workers: int, texts: ResultTexts = RESULTS
) -> list[list[ToolResult]]:
    """Run jobs on at most `workers` threads. A job that takes longer than `timeout` seconds is abandoned.

    Each job has a number of results to return. A job that fails or is abandoned gives this number of error results.
    Threads are daemons, so a call that never returns cannot keep the process alive.
    """
    answers: list[list[ToolResult] | None] = [None] * len(jobs)
    started: dict[int, float] = {}
    queue = deque(range(len(jobs)))
    changed = threading.Condition()

    def work() -> None:
        while True:
            with changed:
                if not queue:
                    return
                index = queue.popleft()
                started[index] = time.monotonic()
            size, job = jobs[index]
            answer = _guarded(job, size, texts)
            with changed:
                if answers[index] is not None:
                    return  # the job was abandoned, and another thread has replaced this one
                answers[index] = answer
                changed.notify()

    def start() -> None:
        threading.Thread(target=work, name="wideseek-tool", daemon=True).start()

    for _ in range(min(workers, len(jobs))):
        start()
    with changed:
        while any(answer is None for answer in answers):
            now = time.monotonic()
            waits = [timeout]
            for index, since in started.items():
                if answers[index] is None:
                    left = since + timeout - now
                    if left > 0:
                        waits.append(left)
                        continue
                    late = ToolResult(texts.no_time.format(seconds=f"{timeout:g}"), ok=False)
                    answers[index] = [late] * jobs[index][0]
                    if queue:
                        start()
            if any(answer is None for answer in answers):
                changed.wait(min(waits))
    return [answer if answer is not None else [] for answer in answers]
