"""`SearchIndex`: full-text search over documents, on disk or in memory. The same query always gets the same answer.

Ranking is BM25 (tantivy) over the title and the text, plus a bonus for pages whose whole title is in the query
(`wideseek_env.corpus.queries`). `wideseek_env.corpus.indexing` writes the index that this module reads. Rows are
numbered in the order of their URLs, so the order of arrival does not matter. Among documents with equal scores, those
whose title the query spells exactly are first. The others are in the order of their rows. So the same documents give
the same results in any process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_env.corpus.base import SearchHit, check_chars
from wideseek_env.corpus.folders import building, read_manifest
from wideseek_env.corpus.indexing import (
    FORMAT,
    KIND,
    Document,
    Progress,
    build_folder,
    clean,
    fill,
    in_order,
    schema,
    tantivy_series,
    unpack,
)
from wideseek_env.corpus.indexing import check_urls as check_urls
from wideseek_env.corpus.queries import Built, QueryBuilder
from wideseek_env.corpus.records import RecordReader
from wideseek_env.corpus.snippets import LONGEST, snippet
from wideseek_env.corpus.words import register
from wideseek_env.errors import ConfigError, IndexDamagedError
from wideseek_env.files import still_there
from wideseek_env.reprs import short

if TYPE_CHECKING:
    import tantivy

_TIE_MARGIN = 5  # further hits to request, so that equal scores around the k-th are ordered by row
_CHUNK = 16  # queries that one thread answers at a time; smaller batches stay on the caller's thread
_BLOCK = 4_096  # queries whose intermediate results are held together
_MAX_THREADS = 8


_Rows = list[tuple[float, int]]


class SearchIndex:
    """A full-text index, made by `build` or `open`.

    It is safe to use from several threads. An index on disk is also safe across fork and pickle. A pickle of an index
    in memory has only its documents. The index is built again when the pickle is loaded.
    """

    def __init__(
        self, index: tantivy.Index, documents: _Documents, path: Path | None, in_order: bool
    ) -> None:
        register(index)
        # The default policy starts a thread that watches the folder for changes. An index never changes.
        index.config_reader("manual")
        self.path = path
        self._documents = documents
        self._in_order = in_order
        self._searcher = index.searcher()
        self._queries = QueryBuilder(index.schema, self._searcher)

    @classmethod
    def build(
        cls,
        documents: Iterable[tuple[str, str, str]],
        path: Path | str | None = None,
        *,
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> SearchIndex:
        """Index `(url, title, text)` triples with unique URLs. With `path` None, everything stays in memory.

        On disk the index appears at `path` only when it is complete. `progress` is called with the number of documents
        done. This number never decreases.

        Raises:
            CorpusError: A URL is empty or occurs twice, or `path` has an index and `overwrite` is False.
        """
        if path is None:
            return cls._build_in_memory(documents, progress)
        path = Path(path)
        with building(path, overwrite=overwrite) as folder:
            build_folder(folder, documents, progress)
        return cls.open(path)

    @classmethod
    def _build_in_memory(
        cls, documents: Iterable[tuple[str, str, str]], progress: Callable[[int], None] | None
    ) -> SearchIndex:
        report = Progress(progress)
        held = []
        for document in documents:
            held.append(clean(document))
            report.read()
        check_urls([document.url for document in held])
        held.sort(key=lambda document: document.url)
        import tantivy

        index = tantivy.Index(schema())
        fill(index, held, report)
        return cls(index, _InMemory(held), None, in_order(index))

    @classmethod
    def open(cls, path: Path | str) -> SearchIndex:
        """Open the index at `path`.

        Raises `IndexDamagedError` when it is missing, incomplete, damaged or from another version.
        """
        import tantivy

        path = Path(path).absolute()  # it may be pickled for a process in another folder
        manifest = read_manifest(path, KIND, FORMAT)
        if manifest.get("tantivy") != tantivy_series():
            raise IndexDamagedError(
                f"{path} was built with tantivy {manifest.get('tantivy')}, installed is {tantivy_series()}; "
                "build it again"
            )
        documents = _OnDisk(path)
        try:
            index = tantivy.Index.open(str(path / "postings"))
            opened = cls(index, documents, path, manifest.get("in_order") is True)
        except (ValueError, OSError) as error:
            documents.close()
            raise IndexDamagedError(f"{path}: {error}; build it again") from None
        if not len(opened) == len(documents) == manifest.get("documents"):
            opened.close()
            raise IndexDamagedError(f"{path}: its files hold different numbers of documents; build it again")
        return opened

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` documents for each query, best first: one list per query.

        Every string is a legal query. A query without words gives an empty list. Scores can be compared within one
        query only. Raises `ConfigError` when k is less than 1.
        """
        return self.search_passages(queries, k, LONGEST)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with snippets of up to `chars` characters. The "…" for omissions is not counted."""
        check_chars(chars)
        if isinstance(queries, str):
            raise ConfigError("queries must be a sequence of strings; put a single query into a list")
        if k < 1:
            raise ConfigError(f"k must be at least 1, not {k}")
        distinct = list(dict.fromkeys(queries))
        threads = min(_MAX_THREADS, _cpus()) if len(distinct) > _CHUNK else 1
        if threads == 1:
            found = self._answers(distinct, k, chars, map)
        else:
            # tantivy searches without the interpreter lock. Queries are built before the search and snippets cut after
            # it, not at the same time: a thread that returns from a search would wait milliseconds for one that runs
            # Python. The pool is made for each call, because threads kept between calls would be missing after a fork.
            with ThreadPoolExecutor(threads) as pool:
                found = self._answers(distinct, k, chars, pool.map)
        if len(distinct) == len(queries):
            return found
        by_query = dict(zip(distinct, found, strict=True))
        return [list(by_query[query]) for query in queries]

    def _answers(
        self, queries: list[str], k: int, chars: int, over: Callable[..., Iterator[Any]]
    ) -> list[list[SearchHit]]:
        """One list per query. `over` is `map`, or a function like it that uses threads."""
        found = []
        for at in range(0, len(queries), _BLOCK):
            built = [(query, self._queries.build(query)) for query in queries[at : at + _BLOCK]]
            chunks = [built[at : at + _CHUNK] for at in range(0, len(built), _CHUNK)]
            ranked = list(chain.from_iterable(over(lambda chunk: self._best(chunk, k), chunks)))
            documents = self._documents.many([row for best in ranked for _, row in best])
            for (asked, query), best in zip(built, ranked, strict=True):
                scored = [(score, row, next(documents)) for score, row in best]
                if len({score for score, _ in best}) < len(best):
                    scored.sort(key=lambda hit: (-hit[0], not _spelt(hit[2].title, asked), hit[1]))
                hits = [
                    SearchHit(url, title, snippet(text, query.terms, chars), score)
                    for score, _, (url, title, text) in scored[:k]
                ]
                found.append(hits)
        return found

    def _best(self, queries: list[tuple[str, Built]], k: int) -> list[_Rows]:
        """For each query, the scores and rows of its best k documents and of all documents with the same score as the
        k-th."""
        limit = min(k, len(self)) + _TIE_MARGIN
        found = []
        for text, (query, narrow, _) in queries:
            hits = self._hits(query, limit)
            if narrow and len(hits) < k:
                hits = self._hits(self._queries.build(text, wide=True).query, limit)
            found.append(hits)
        rows: Iterator[Any]
        if self._in_order:
            rows = iter([address.doc for hits in found for _, address in hits])
        else:  # one read for the documents of all queries: a read takes as long as the search for a rare word
            addresses = [address for hits in found for _, address in hits]
            rows = iter(self._searcher.fast_field_values("row", addresses) if addresses else ())
        # Sums of the same numbers in another order differ in their last digits. Rounding makes them equal.
        ranked = [sorted([(-int(score * 1000 + 0.5), next(rows)) for score, _ in hits]) for hits in found]
        return [[(score / -1000, row) for score, row in best[: _end(best, k)]] for best in ranked]

    def _hits(self, query: tantivy.Query | None, limit: int) -> list[tuple[Any, Any]]:
        """Scores and the engine's addresses of the documents."""
        return self._searcher.search(query, limit, count=False).hits if query is not None else []

    def document(self, row: int) -> Document:
        """The document with this number, 0 ≤ row < len(self), in the order of URLs."""
        return self._documents[row]

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else f"in {short(str(self.path))}"
        return f"<SearchIndex of {len(self)} documents {where}>"

    def close(self) -> None:
        """Release the files. A second call does no harm."""
        self._documents.close()

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None:
            return SearchIndex.open, (still_there(self.path),)
        return SearchIndex.build, ([tuple(self._documents[row]) for row in range(len(self))],)

    def __copy__(self) -> SearchIndex:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SearchIndex:
        return self  # it cannot change


class _InMemory:
    def __init__(self, documents: list[Document]) -> None:
        self._held = documents

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, row: int) -> Document:
        return self._held[row]

    def many(self, rows: Sequence[int]) -> Iterator[Document]:
        return map(self._held.__getitem__, rows)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class _OnDisk:
    def __init__(self, folder: Path) -> None:
        self._records = RecordReader(folder / "documents")

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, row: int) -> Document:
        return unpack(self._records.read(row))

    def many(self, rows: Sequence[int]) -> Iterator[Document]:
        return map(unpack, self._records.read_many(rows))

    def close(self) -> None:
        self._records.close()


_Documents = _InMemory | _OnDisk


def _end(best: list[tuple[int, int]], k: int) -> int:
    """How many of the first items of `best` are needed. The number is more than k if further items have the same score
    as the k-th."""
    end = min(k, len(best))
    while end < len(best) and best[end][0] == best[end - 1][0]:
        end += 1
    return end


def _spelt(title: str, query: str) -> bool:
    """Whether the query contains this title with the same letter case and punctuation."""
    return bool(title) and title in query


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
