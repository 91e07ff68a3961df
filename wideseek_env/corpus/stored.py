"""Corpora that store their pages: `StoredCorpus` in a folder on disk, `MemoryCorpus` in memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wideseek_env.clean import clean_text
from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.corpus.folders import building, check_reading, read_manifest, write_manifest
from wideseek_env.corpus.index import SearchIndex
from wideseek_env.corpus.indexing import build_folder
from wideseek_env.corpus.records import RecordReader, RecordWriter
from wideseek_env.corpus.urls import lookup_keys, url_hash, url_key
from wideseek_env.errors import IndexDamagedError
from wideseek_env.files import still_there
from wideseek_env.pages.text import READING
from wideseek_env.reprs import short

FORMAT = 1
"""The version of the layout on disk."""

KIND = "page corpus"

GONE_FILE = "gone.json"

GONE = "This page is gone."
"""The `Page.error` of a page that is listed but no longer exists."""

_COMPRESSION = 1  # zlib level: takes a third of the default's time and gives a few per cent more bytes


class SourcePage(NamedTuple):
    """A page to be added to a corpus.

    The index searches `text`. If `text` is None, the text is extracted from the HTML.
    """

    url: str
    title: str
    html: str
    text: str | None = None


def _documents(
    pages: Iterable[SourcePage], keep: Callable[[str, str], None]
) -> Iterator[tuple[str, str, str]]:
    """The URL, title and text of each page, for the index. `keep` is called with the URL and HTML of each page."""
    from wideseek_env.pages.text import plain_text

    for url, title, html, text in pages:
        if text is None:
            found, text = plain_text(html)
            title = title or found
        clean = clean_text(url)
        keep(clean, html)
        yield clean, title, text


class StoredCorpus:
    """Pages and their index in one folder. It is a `Corpus`.

    Opening a corpus reads little data. The compressed pages stay on disk. Memory-mapped tables, which many processes
    share, give their positions. The corpus is safe to use from several threads and after a fork. A pickle of the corpus
    has only its path. `fetch` gives status 410 for URLs listed as gone, even if the index has such a page.
    """

    blocking = False

    def __init__(self, path: Path | str) -> None:
        """Open the corpus at `path`. Raises `IndexDamagedError` when it is missing, damaged or of another version."""
        self.path = Path(path).absolute()  # it may be pickled for a process in another folder
        manifest = read_manifest(self.path, KIND, FORMAT)
        check_reading(self.path, manifest)
        self.name = str(manifest.get("name", self.path.name))
        self._index = SearchIndex.open(self.path / "index")
        self._html = RecordReader(self.path / "pages")
        self._by_url = _UrlTable.load(self.path / "urls.npy")
        self._by_key = _UrlTable.load(self.path / "keys.npy")
        self._gone = _read_gone(self.path / GONE_FILE)
        # If an existing page and a gone page have trivial variants of one URL, the existing page is used. Of several
        # gone URLs, the first is used.
        self._gone_by_key = {url_key(url): url for url in reversed(self._gone)}
        sizes = {len(self._index), len(self._html), len(self._by_url), len(self._by_key)}
        if len(sizes) != 1:
            self.close()
            raise IndexDamagedError(f"{path}: its files hold different numbers of pages; build it again")

    @classmethod
    def open(cls, path: Path | str) -> StoredCorpus:
        """Open the corpus at `path`. Raises `IndexDamagedError` when it is missing, damaged or of another version."""
        return cls(path)

    @classmethod
    def build(
        cls,
        path: Path | str,
        pages: Iterable[SourcePage],
        *,
        name: str,
        gone: Iterable[str] = (),
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> StoredCorpus:
        """Store and index `pages`, which have unique URLs. The folder appears only when it is complete.

        `pages` is read as a stream, with one page in memory at a time. `fetch` gives status 410 for the URLs in `gone`,
        even if `pages` has such a page. `progress` is called with the number of pages done.

        Raises:
            CorpusError: A URL occurs twice, or `path` exists and `overwrite` is False.
        """
        with building(Path(path), overwrite=overwrite) as folder:
            urls: list[str] = []
            with RecordWriter(folder / "pages") as records:

                def keep(url: str, html: str) -> None:
                    urls.append(url)
                    records.append(zlib.compress(html.encode("utf-8", "replace"), _COMPRESSION))

                index = folder / "index"
                index.mkdir()
                order = build_folder(index, _documents(pages, keep), progress)
                records.finish(order)
            _UrlTable.save(folder / "urls.npy", [urls[row] for row in order])
            _UrlTable.save(folder / "keys.npy", [url_key(urls[row]) for row in order])
            lost = list(dict.fromkeys(clean_text(url) for url in gone))
            if lost:
                (folder / GONE_FILE).write_text(json.dumps(lost, ensure_ascii=False, indent=0), "utf-8")
            facts = {"name": name, "pages": len(urls), "gone": len(lost), "reading": READING}
            write_manifest(folder, KIND, FORMAT, facts)
        return cls(path)

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` pages for each query, best first. Any string is a legal query."""
        return self._index.search(queries, k)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with the part of up to `chars` characters of each page that fits the query best."""
        return self._index.search_passages(queries, k, chars)

    def fetch(self, url: str) -> Page | None:
        """The page at `url`, or at a trivial variant of it (`lookup_keys`). None when there is no such page. A
        page that is gone has status 410."""
        for row in self._by_url.rows(url):
            document = self._index.document(row)
            if document.url == url:
                return self._page(row, document.url, document.title)
        if url in self._gone:
            return Page(url, "", "", 410, GONE)
        for key in lookup_keys(url):
            for row in self._by_key.rows(key):
                document = self._index.document(row)
                if url_key(document.url) == key:
                    return self._page(row, document.url, document.title)
            if key in self._gone_by_key:
                return Page(self._gone_by_key[key], "", "", 410, GONE)
        return None

    def _page(self, row: int, url: str, title: str) -> Page:
        if url in self._gone:
            return Page(url, title, "", 410, GONE)
        return Page(url, title, zlib.decompress(self._html.read(row)).decode())

    def urls(self) -> Iterator[str]:
        """The URL of every page that is not gone, sorted."""
        urls = (self._index.document(row).url for row in range(len(self)))
        return (url for url in urls if url not in self._gone)

    def close(self) -> None:
        """Release the files. A second call does no harm."""
        self._index.close()
        self._html.close()

    def __len__(self) -> int:
        return len(self._index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (still_there(self.path),)

    def __copy__(self) -> StoredCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredCorpus:
        return self  # it cannot change

    def __repr__(self) -> str:
        return f"StoredCorpus({short(str(self.path))}, name={short(self.name)}, {len(self)} pages)"


class MemoryCorpus:
    """Pages and their index in memory. It is a `Corpus` for small and for generated collections.

    `html_of(url)`, if given, makes the HTML of a page when it is fetched. Then the pages need only `text`. `fetch`
    gives status 410 for the URLs in `gone`, even if the index has such a page. A pickle of the corpus has only its
    pages and `html_of`. The index is built again when the pickle is loaded.
    """

    blocking = False

    def __init__(
        self,
        pages: Iterable[SourcePage],
        name: str,
        *,
        html_of: Callable[[str], str] | None = None,
        gone: Iterable[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self._html_of = html_of
        self._html: dict[str, str] = {}

        def keep(url: str, html: str) -> None:
            if html_of is None:
                self._html[url] = html

        self._index = SearchIndex.build(_documents(pages, keep), progress=progress)
        self._titles: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        for row in range(len(self._index)):
            url, title, _ = self._index.document(row)
            self._titles[url] = title
            self._by_key.setdefault(url_key(url), url)
        self._gone = dict.fromkeys(gone)
        for url in self._gone:
            self._by_key.setdefault(url_key(url), url)

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` pages for each query, best first. Any string is a legal query."""
        return self._index.search(queries, k)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with the part of up to `chars` characters of each page that fits the query best."""
        return self._index.search_passages(queries, k, chars)

    def fetch(self, url: str) -> Page | None:
        """The page at `url`, or at a trivial variant of it (`lookup_keys`). None when there is no such page. A
        page that is gone has status 410."""
        known = url
        if url not in self._titles and url not in self._gone:
            found = [self._by_key[key] for key in lookup_keys(url) if key in self._by_key]
            if not found:
                return None
            known = found[0]
        title = self._titles.get(known, "")
        if known in self._gone:
            return Page(known, title, "", 410, GONE)
        return Page(known, title, self._html[known] if self._html_of is None else self._html_of(known))

    def urls(self) -> Iterator[str]:
        """The URL of every page that is not gone, sorted."""
        return (url for url in self._titles if url not in self._gone)

    def close(self) -> None:
        """Do nothing: there are no files to release."""
        self._index.close()

    def __len__(self) -> int:
        return len(self._titles)

    def __reduce__(self) -> tuple[Any, ...]:
        pages = [SourcePage(url, title, self._html.get(url, ""), text) for url, title, text in self._rows()]
        return _remember, (pages, self.name, self._html_of, list(self._gone))

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        return (self._index.document(row) for row in range(len(self)))

    def __copy__(self) -> MemoryCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryCorpus:
        return self  # nothing about it can change

    def __repr__(self) -> str:
        return f"MemoryCorpus(name={short(self.name)}, {len(self)} pages)"


def _remember(
    pages: list[SourcePage], name: str, html_of: Callable[[str], str] | None, gone: list[str]
) -> MemoryCorpus:
    return MemoryCorpus(pages, name, html_of=html_of, gone=gone)


def _read_gone(file: Path) -> dict[str, None]:
    """The URLs that are gone, in order. The result is empty when there is no such file."""
    try:
        return dict.fromkeys(map(str, json.loads(file.read_text("utf-8"))))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise IndexDamagedError(f"{file} cannot be read ({error}); build it again") from None


class _UrlTable:
    """Maps a string to the rows that may have this string. The table has sorted 64-bit hashes and is memory-mapped."""

    def __init__(self, table: NDArray[np.uint64]) -> None:
        self._hashes, self._rows = table

    @classmethod
    def save(cls, file: Path, strings: Sequence[str]) -> None:
        """Write the table that maps string i to row i."""
        hashes = np.array([url_hash(string) for string in strings], dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        np.save(file, np.stack([hashes[order], order.astype(np.uint64)]))

    @classmethod
    def load(cls, file: Path) -> _UrlTable:
        try:
            table = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise IndexDamagedError(f"{file} cannot be opened ({error}); build it again") from None
        return cls(table)

    def rows(self, string: str) -> list[int]:
        wanted = np.uint64(url_hash(string))
        start = int(np.searchsorted(self._hashes, wanted, side="left"))
        end = int(np.searchsorted(self._hashes, wanted, side="right"))
        return [int(row) for row in self._rows[start:end]]

    def __len__(self) -> int:
        return len(self._rows)
