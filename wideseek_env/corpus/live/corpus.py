"""`LiveCorpus`: a search engine and a page reader as a corpus, with a cache for their answers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from wideseek_env.corpus.base import Corpus, FailedSearch, Page, SearchHit, check_chars
from wideseek_env.corpus.live.engines import PAGE, SearchEngine, shortened
from wideseek_env.corpus.live.readers import PageReader
from wideseek_env.errors import ConfigError, CopyError, CorpusError
from wideseek_env.net.errors import FetchError
from wideseek_env.net.store import Store
from wideseek_env.net.urls import parse_url
from wideseek_env.pages.text import READING
from wideseek_env.reprs import short

_log = logging.getLogger(__name__)

_WORD = re.compile(r"\w")
_LASTING = frozenset((404, 410, 413, 415, 451))  # error statuses that a page probably still has an hour later
_FAILED_SECONDS = 3600.0
_SNIPPET = 1000  # the most characters of a snippet unless another length is asked for


class SearchError(CorpusError):
    """Every search of a batch failed. `errors` has one sentence per query with the reason."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(list(errors))
        self.errors = list(errors)

    def __str__(self) -> str:
        return self.errors[0]


Found: TypeAlias = list[SearchHit] | FailedSearch


def settle(found: Sequence[Found]) -> list[list[SearchHit]]:
    """The results of a batch. A failed query gives a `FailedSearch`. Raises `SearchError` when all queries failed."""
    failed = [result.error for result in found if isinstance(result, FailedSearch)]
    if failed and len(failed) == len(found):
        raise SearchError(failed)
    return list(found)


class LiveCorpus:
    """The live web: a `Corpus` that waits for the network.

    Args:
        search: The engine that answers searches. None if agents cannot search and only open URLs that they know.
        browse: The reader that opens pages. None if agents can open no pages.
        cache: The store for answers. Closing the corpus closes the store.
        keep: The number of seconds after which an answer in the cache is no longer used.
        workers: The most searches of a batch at the same time.
        name: The name of the corpus in recorded runs. By default it is made from engine and reader.
    """

    blocking = True

    def __init__(
        self,
        *,
        search: SearchEngine | None = None,
        browse: PageReader | None = None,
        cache: Store | None = None,
        keep: float = 7 * 86_400.0,
        workers: int = 8,
        name: str = "",
    ) -> None:
        if search is None and browse is None:
            raise ConfigError("a live corpus needs a search engine, a page reader, or both")
        if workers < 1 or not keep > 0:
            raise ConfigError(
                "a live corpus needs at least 1 worker, and must keep answers for more than 0 s"
            )
        self._engine = search
        self._reader = browse
        self._cache = cache
        self._keep = keep
        self._workers = workers
        parts = [part.name for part in (search, browse) if part is not None]
        self.name = name or f"live:{','.join(parts)}"
        self.reopen: Callable[[], Corpus] | None = None
        """Opens the same corpus again, for a pickle. None if the corpus was made from live objects."""

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` hits for each query. The queries are searched at the same time.

        A query without words gives an empty list. A query whose search failed gives a `FailedSearch`, which is an empty
        list with an `error`, and a line in the log. Raises `SearchError` when all searches failed.
        """
        return self.search_passages(queries, k, _SNIPPET)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with up to `chars` characters of the engine's snippets, at most `LONGEST_SNIPPET`."""
        check_chars(chars)
        distinct = list(dict.fromkeys(queries))
        if len(distinct) < 2:
            found = [self._one(query, k, chars) for query in distinct]
        else:
            with ThreadPoolExecutor(min(self._workers, len(distinct)), "wideseek-search") as pool:
                found = list(pool.map(lambda query: self._one(query, k, chars), distinct))
        by_query = dict(zip(distinct, found, strict=True))
        return settle([by_query[query] for query in queries])

    def fetch(self, url: str) -> Page:
        """The page at `url`. If the page cannot be opened, the result has an `error` and a matching status."""
        if self._reader is None:
            return Page(url, "", "", 501, "Pages cannot be opened here.")
        try:
            address = parse_url(url).text
        except FetchError as error:
            return failed_page(url, error)
        key = (
            f"page\n{self._reader.name}\n{READING}\n{address}"  # a reader stores pages that it has converted
        )
        reader = self._reader

        def read() -> tuple[str, float]:
            try:
                return page_to_text(reader.read(url)), self._keep
            except FetchError as error:
                _log.info("no page at %s: %s", address, error)
                lasting = error.kind in ("http", "content", "too_large") and error.status in _LASTING
                return page_to_text(failed_page(address, error)), _FAILED_SECONDS if lasting else 0.0

        return page_from_text(self._cached(key, read))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.reopen is None:
            raise CopyError(
                f"the corpus {short(self.name)} cannot be pickled, because it was made from a live search engine or "
                "reader: open it by its name live:… or from a LiveConfig"
            )
        return self.reopen, ()

    def __copy__(self) -> LiveCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LiveCorpus:
        return self

    def __repr__(self) -> str:
        return f"<LiveCorpus {short(self.name)}>"

    def close(self) -> None:
        """Release the cache. A second call does no harm."""
        if self._cache is not None:
            self._cache.close()

    def _one(self, query: str, k: int, chars: int) -> Found:
        engine = self._engine
        if engine is None:
            return FailedSearch("There is no search engine here.")
        if not _WORD.search(query):
            return []
        count = max(k, PAGE)

        def look() -> tuple[str, float]:
            return hits_to_text(engine.search(query, count)), self._keep

        try:
            found = hits_from_text(self._cached(f"search\n{engine.name}\n{count}\n{json.dumps(query)}", look))
        except FetchError as error:
            _log.warning("a search failed: %s", error)
            return FailedSearch(str(error))
        if isinstance(found, FailedSearch):
            return found
        return [hit._replace(snippet=shortened(hit.snippet, chars)) for hit in found[:k]]

    def _cached(self, key: str, make: Callable[[], tuple[str, float]]) -> str:
        """The text of `key` in the cache. If the cache has no such text, `make` returns the text and the number of
        seconds to keep it."""
        if self._cache is not None:
            try:
                if (known := self._cache.get(key)) is not None:
                    return known
            except CorpusError as error:
                _log.warning("%s", error)  # without a working cache the run is slower, but it continues
        text, lifetime = make()
        if self._cache is not None and lifetime > 0:
            try:
                self._cache.put(key, text, lifetime)
            except CorpusError as error:
                _log.warning("%s", error)
        return text


def failed_page(url: str, error: FetchError) -> Page:
    """The answer of a corpus for a page that cannot be opened."""
    return Page(url, "", "", error.status, str(error))


def page_to_text(page: Page) -> str:
    """A page as JSON."""
    return json.dumps([page.url, page.title, page.html, page.status, page.error], ensure_ascii=True)


def page_from_text(text: str) -> Page:
    """The page that `page_to_text` wrote."""
    return Page(*json.loads(text))


def hits_to_text(found: Found) -> str:
    """The result of a search as JSON."""
    if isinstance(found, FailedSearch):
        return json.dumps({"error": found.error})
    return json.dumps([list(hit) for hit in found], ensure_ascii=True)


def hits_from_text(text: str) -> Found:
    """The result that `hits_to_text` wrote."""
    value = json.loads(text)
    return FailedSearch(value["error"]) if isinstance(value, dict) else [SearchHit(*hit) for hit in value]
