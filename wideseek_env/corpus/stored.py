"""`StoredCorpus`: a corpus that stores its pages in a folder on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wideseek_env.clean import clean_text
from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.corpus.files import PageFiles
from wideseek_env.corpus.folders import building, check_reading, read_manifest, write_manifest
from wideseek_env.corpus.index import SearchIndex
from wideseek_env.corpus.indexing import build_folder
from wideseek_env.corpus.memory import GONE
from wideseek_env.corpus.memory import MemoryCorpus as MemoryCorpus
from wideseek_env.corpus.page_files import PageReader, PageWriter, UrlTable
from wideseek_env.corpus.sources import Passage as Passage
from wideseek_env.corpus.sources import Skipped
from wideseek_env.corpus.sources import SourcePage as SourcePage
from wideseek_env.corpus.urls import lookup_keys, page_of, row_order, url_key
from wideseek_env.errors import CorpusError, IndexDamagedError
from wideseek_env.files import still_there
from wideseek_env.pages.text import READING
from wideseek_env.reprs import short

FORMAT = 1
"""The version of the layout on disk."""

KIND = "page corpus"

GONE_FILE = "gone.json"


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
        self._pages = PageReader(self.path, len(self._index))
        self._by_url = UrlTable.load(self.path / "urls.npy")
        self._by_key = UrlTable.load(self.path / "keys.npy")
        self._gone = _read_gone(self.path / GONE_FILE)
        # If an existing page and a gone page have trivial variants of one URL, the existing page is used. Of several
        # gone URLs, the first is used.
        self._gone_by_key = {url_key(url): url for url in reversed(self._gone)}
        if not len(self._pages) == len(self._by_url) == len(self._by_key):
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
        pages: Iterable[SourcePage | Passage],
        *,
        name: str,
        gone: Iterable[str] = (),
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> StoredCorpus:
        """Store and index `pages`. The folder appears only when it is complete.

        `pages` is read as a stream. Large inputs are prepared by several processes, and memory does not grow with their
        size. Passages with one URL are one page. `fetch` gives status 410 for the URLs in `gone`, even if `pages` has
        such a page. `progress` is called with the number of pages and passages done. Files that a killed build left
        next to `path` are removed.

        Raises:
            CorpusError: Two pages have one URL, or `path` exists and `overwrite` is False.
        """
        with building(Path(path), overwrite=overwrite) as folder:
            index = folder / "index"
            index.mkdir()
            skipped = getattr(pages, "skipped", None)
            writer = PageWriter(folder)
            try:
                documents = build_folder(
                    index, pages, progress, writer, skipped if isinstance(skipped, Skipped) else None
                )
                size = writer.finish(documents)
            finally:
                writer.close()
            if not size and isinstance(pages, PageFiles):
                raise CorpusError(pages.none_found())
            lost = list(dict.fromkeys(clean_text(url) for url in gone))
            if lost:
                (folder / GONE_FILE).write_text(json.dumps(lost, ensure_ascii=False, indent=0), "utf-8")
            facts = {"name": name, "pages": size, "gone": len(lost), "reading": READING}
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
        for asked in dict.fromkeys((url, page_of(url))):
            for number in self._by_url.rows(asked):
                document = self._index.document(self._pages.rows(number).start)
                if document.url == asked:
                    return self._page(number, document.url, document.title)
        url = page_of(url)
        if url in self._gone:
            return Page(url, "", "", 410, GONE)
        for key in lookup_keys(url):
            for number in self._by_key.rows(key):
                document = self._index.document(self._pages.rows(number).start)
                if url_key(document.url) == key:
                    return self._page(number, document.url, document.title)
            if key in self._gone_by_key:
                return Page(self._gone_by_key[key], "", "", 410, GONE)
        return None

    def passage(self, url: str) -> str | None:
        """The text of the passage whose address `search` gave. None for other addresses, and for pages that were not
        made of passages."""
        page, place = row_order(url)
        for number in self._by_url.rows(page):
            if self._index.document(self._pages.rows(number).start).url == page and url not in self._gone:
                texts = self._texts(number)
                return self._pages.text(number, place - 1, texts) if 0 < place <= len(texts) else None
        return None

    def _page(self, number: int, url: str, title: str) -> Page:
        if url in self._gone:
            return Page(url, title, "", 410, GONE)
        return Page(url, title, self._pages.html(number, title, self._texts(number)))

    def _texts(self, number: int) -> list[str]:
        return [self._index.document(row).text for row in self._pages.rows(number)]

    def urls(self) -> Iterator[str]:
        """The URL of every page that is not gone, sorted."""
        urls = (self._index.document(self._pages.rows(page).start).url for page in range(len(self)))
        return (url for url in urls if url not in self._gone)

    def close(self) -> None:
        """Release the files. A second call does no harm."""
        self._index.close()
        if hasattr(self, "_pages"):  # not if opening failed
            self._pages.close()

    @property
    def passages(self) -> int:
        """The number of documents that `search` can find. A page has one, or one for each of its passages."""
        return len(self._index)

    def __len__(self) -> int:
        return len(self._pages)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (still_there(self.path),)

    def __copy__(self) -> StoredCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredCorpus:
        return self  # it cannot change

    def __repr__(self) -> str:
        return f"StoredCorpus({short(str(self.path))}, name={short(self.name)}, {len(self)} pages)"


def _read_gone(file: Path) -> dict[str, None]:
    """The URLs that are gone, in order. The result is empty when there is no such file."""
    try:
        return dict.fromkeys(map(str, json.loads(file.read_text("utf-8"))))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise IndexDamagedError(f"{file} cannot be read ({error}); build it again") from None
