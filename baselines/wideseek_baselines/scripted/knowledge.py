"""`Knowledge`: what an agent has found so far, namely its search results and the pages that it opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wideseek_baselines.scripted.history import Exchange
from wideseek_baselines.scripted.pages import Hit, Page, read_hits, read_page


@dataclass(slots=True)
class Knowledge:
    """Search hits by query, and pages by address and chunk."""

    searches: dict[str, list[Hit]] = field(default_factory=dict)
    pages: dict[tuple[str, int], Page] = field(default_factory=dict)

    @classmethod
    def of(cls, exchanges: Iterable[Exchange]) -> Knowledge:
        """Collect the search results and pages in these exchanges. If a page was opened twice, the better answer is
        kept.
        """
        known = cls()
        for request, answer in exchanges:
            if request.kind == "search":
                known.searches[request.text] = read_hits(answer)
            elif request.kind == "browse":
                place = (request.text, request.chunk)
                if place not in known.pages or known.pages[place].failed:
                    known.pages[place] = read_page(answer)
        return known

    def page(self, url: str, chunk: int = 1) -> Page | None:
        """A chunk of a page, or None if it was not opened. If opening it failed, the result has `failed`."""
        return self.pages.get((url, chunk))

    def chunks(self, url: str) -> list[Page]:
        """The chunks of a page that were read, in order."""
        return [
            p
            for (at, _), p in sorted(self.pages.items(), key=lambda i: i[0][1])
            if at == url and not p.failed
        ]

    def hits(self) -> list[Hit]:
        """All search results in order of arrival, each page once."""
        return list({hit.url: hit for hits in self.searches.values() for hit in hits}.values())
