"""Records and replays a corpus. A replay answers all requests of the recorded run without a network.

`Recorder` wraps any corpus and stores each answer, failures included. `Replay` gives the same answers from the file. If
a request occurs twice, `Recorder` sends only the first. The second gets the first answer again, even if that was a
failure. Otherwise a replay could not know which of two different answers to give.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from wideseek_env.corpus.base import Corpus, FailedSearch, Page, SearchHit, search_passages
from wideseek_env.corpus.live.corpus import (
    Found,
    SearchError,
    failed_page,
    hits_from_text,
    hits_to_text,
    page_from_text,
    page_to_text,
    settle,
)
from wideseek_env.errors import CorpusError
from wideseek_env.net.errors import FetchError
from wideseek_env.net.store import Store
from wideseek_env.reprs import short

_PURPOSE = "recording"
_NAME = "name"
_NONE = "null"


class Recorder:
    """A corpus that answers as `corpus` does and writes every answer to the file at `path`.

    If the file is a recording of the same corpus, new answers are added to it. Several processes may write to the same
    recording at the same time. Raises `CorpusError` when the file is not a recording, or is a recording of another
    corpus.
    """

    def __init__(self, path: Path | str, corpus: Corpus) -> None:
        self.corpus = corpus
        self.blocking = corpus.blocking
        self.name = corpus.name
        self._store = Store(path, _PURPOSE)
        recorded = self._store.add(_NAME, corpus.name)
        if recorded != corpus.name:
            self._store.close()
            raise CorpusError(
                f"{path} is a recording of {recorded}, not of {corpus.name}; choose another file"
            )

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The corpus's answers. Answers that are already in the recording are repeated. Raises `SearchError` when all
        searches failed."""
        return self._search(queries, k, None)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with passages of up to `chars` characters. Each length is recorded separately."""
        return self._search(queries, k, chars)

    def _search(self, queries: Sequence[str], k: int, chars: int | None) -> list[list[SearchHit]]:
        known = {query: self._store.get(_search_key(query, k, chars)) for query in dict.fromkeys(queries)}
        missing = [query for query, text in known.items() if text is None]
        if missing:
            answers: Sequence[Found]
            try:
                answers = search_passages(self.corpus, missing, k, chars)
            except SearchError as error:
                answers = [FailedSearch(sentence) for sentence in error.errors]
            except CorpusError as error:
                answers = [FailedSearch(str(error))] * len(missing)
            for query, found in zip(missing, answers, strict=True):
                known[query] = self._store.add(_search_key(query, k, chars), hits_to_text(found))
        return settle([hits_from_text(known[query] or "[]") for query in queries])

    def fetch(self, url: str) -> Page | None:
        """The corpus's answer. An answer that is already in the recording is repeated."""
        key = _page_key(url)
        text = self._store.get(key)
        if text is None:
            try:
                page = self.corpus.fetch(url)
            except CorpusError as error:
                page = Page(url, "", "", 502, str(error))
            text = self._store.add(key, _NONE if page is None else page_to_text(page))
        return None if text == _NONE else page_from_text(text)

    def __repr__(self) -> str:
        return f"<Recorder of {short(self.name)}>"

    def close(self) -> None:
        """Release the file and close the corpus. A second call does no harm."""
        self._store.close()
        self.corpus.close()


class Replay:
    """A corpus that gives the answers of a recording and no others.

    Its name is that of the recorded corpus, so that a replayed run equals the recorded run. For a page or search that
    was not recorded, the answer is an error with this reason.
    """

    blocking = False

    def __init__(self, path: Path | str) -> None:
        self._store = Store(path, _PURPOSE, read_only=True)
        name = self._store.get(_NAME)
        if name is None:
            self._store.close()
            raise CorpusError(f"{path} is an empty recording; record a run first")
        self.name = name

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The recorded results. A search that was not recorded counts as failed."""
        return self._search(queries, k, None)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """The recorded results of searches with passages of this length."""
        return self._search(queries, k, chars)

    def _search(self, queries: Sequence[str], k: int, chars: int | None) -> list[list[SearchHit]]:
        found: list[Found] = []
        for query in queries:
            text = self._store.get(_search_key(query, k, chars))
            found.append(
                FailedSearch(_unrecorded("search").message) if text is None else hits_from_text(text)
            )
        return settle(found)

    def fetch(self, url: str) -> Page | None:
        """The recorded page, or a page with an error when it was not recorded."""
        text = self._store.get(_page_key(url))
        if text is None:
            return failed_page(url, _unrecorded("page"))
        return None if text == _NONE else page_from_text(text)

    def __repr__(self) -> str:
        return f"<Replay of {short(self.name)}>"

    def close(self) -> None:
        """Release the file. A second call does no harm."""
        self._store.close()

    def __len__(self) -> int:
        return len(self._store) - 1  # one entry is the name


def _search_key(query: str, k: int, chars: int | None) -> str:
    length = "" if chars is None else f"\n{chars}"
    return f"search\n{k}{length}\n{json.dumps(query)}"


def _page_key(url: str) -> str:
    return f"page\n{json.dumps(url)}"


def _unrecorded(what: str) -> FetchError:
    return FetchError("unrecorded", f"This {what} is not in the recording that is being replayed.")
