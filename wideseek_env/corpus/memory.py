"""`MemoryCorpus`: a corpus that keeps its pages in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from wideseek_env.clean import clean_text
from wideseek_env.corpus.base import Page, SearchHit
from wideseek_env.corpus.index import SearchIndex
from wideseek_env.corpus.sources import Passage, SourcePage
from wideseek_env.corpus.urls import PASSAGE, lookup_keys, page_of, row_order, url_key
from wideseek_env.pages.from_markdown import text_to_html
from wideseek_env.reprs import short

GONE = "This page is gone."
"""The `Page.error` of a page that is listed but no longer exists."""


class MemoryCorpus:
    """Pages and their index in memory. It is a `Corpus` for small and for generated collections.

    `html_of(url)`, if given, makes the HTML of a page when it is fetched. Then the pages need only `text`. `fetch`
    gives status 410 for the URLs in `gone`, even if the index has such a page. A pickle of the corpus has only its
    pages and `html_of`. The index is built again when the pickle is loaded.
    """

    blocking = False

    def __init__(
        self,
        pages: Iterable[SourcePage | Passage],
        name: str,
        *,
        html_of: Callable[[str], str] | None = None,
        gone: Iterable[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self._html_of = html_of
        self._html: dict[str, str] = {}
        self._passages: dict[str, list[Passage]] = {}
        self._numbered: set[str] = set()  # the addresses of second and later passages
        self._index = SearchIndex.build(self._documents(pages), progress=progress)
        self._titles: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        for url, title, _ in self._rows():
            if url not in self._numbered:
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
        known = url = url if url in self._titles else page_of(url)
        if url not in self._titles and url not in self._gone:
            found = [self._by_key[key] for key in lookup_keys(url) if key in self._by_key]
            if not found:
                return None
            known = found[0]
        title = self._titles.get(known, "")
        if known in self._gone:
            return Page(known, title, "", 410, GONE)
        if known in self._passages:
            html = text_to_html("\n\n".join(passage.text for passage in self._passages[known]), title)
        else:
            html = self._html[known] if self._html_of is None else self._html_of(known)
        return Page(known, title, html)

    def passage(self, url: str) -> str | None:
        """The text of the passage whose address `search` gave. None for other addresses, and for pages that were not
        made of passages."""
        page, place = row_order(url)
        passages = [] if page in self._gone else self._passages.get(page, [])
        return passages[place - 1].text if 0 < place <= len(passages) else None

    def _documents(self, pages: Iterable[SourcePage | Passage]) -> Iterator[tuple[str, str, str]]:
        """The URL, title and text of each page and passage, for the index."""
        from wideseek_env.pages.text import plain_text

        for page in pages:
            url = clean_text(page.url)
            if isinstance(page, Passage):
                cleaned = Passage(url, clean_text(page.title), clean_text(page.text), page.number)
                self._passages.setdefault(url, []).append(cleaned)
                continue
            title, text = page.title, page.text
            if text is None:
                found, text = plain_text(page.html)
                title = title or found
            if self._html_of is None:
                self._html[url] = page.html
            yield url, title, text
        for url, passages in self._passages.items():
            # As in a stored corpus: by number, then by arrival.
            numbers = {id(p): p.number if p.number is not None else place for place, p in enumerate(passages)}
            passages.sort(key=lambda passage: numbers[id(passage)])
            passages[:] = {(p.title, p.text): p for p in reversed(passages)}.values()
            passages.reverse()
            for number, passage in enumerate(passages, 1):
                address = url if number == 1 else f"{url}{PASSAGE}{number}"
                if number > 1:
                    self._numbered.add(address)
                yield address, passage.title, passage.text

    def urls(self) -> Iterator[str]:
        """The URL of every page that is not gone, sorted."""
        return (url for url in self._titles if url not in self._gone)

    def close(self) -> None:
        """Do nothing: there are no files to release."""
        self._index.close()

    def __len__(self) -> int:
        return len(self._titles)

    def __reduce__(self) -> tuple[Any, ...]:
        pages: list[SourcePage | Passage] = [
            SourcePage(url, title, self._html.get(url, ""), text)
            for url, title, text in self._rows()
            if url not in self._passages and url not in self._numbered
        ]
        pages.extend(passage for passages in self._passages.values() for passage in passages)
        return _remember, (pages, self.name, self._html_of, list(self._gone))

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        return (self._index.document(row) for row in range(len(self._index)))

    def __copy__(self) -> MemoryCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryCorpus:
        return self  # nothing about it can change

    def __repr__(self) -> str:
        return f"MemoryCorpus(name={short(self.name)}, {len(self)} pages)"


def _remember(
    pages: list[SourcePage | Passage], name: str, html_of: Callable[[str], str] | None, gone: list[str]
) -> MemoryCorpus:
    return MemoryCorpus(pages, name, html_of=html_of, gone=gone)
