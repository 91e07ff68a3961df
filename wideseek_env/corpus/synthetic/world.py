"""`SyntheticWorld`: makes a web of pages from a seed and settings, with the same bytes on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from wideseek_env.corpus.synthetic import articles, lists, noise
from wideseek_env.corpus.synthetic.build import Builder, has_site
from wideseek_env.corpus.synthetic.config import WorldConfig, format_spec, parse_spec
from wideseek_env.corpus.synthetic.kinds import KINDS
from wideseek_env.corpus.synthetic.markup import WorldPage
from wideseek_env.corpus.synthetic.model import EntityList, Region
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_env.corpus.stored import MemoryCorpus


class SyntheticWorld:
    """An invented web. Regions, lists and pages are made when first used, and then kept.

    A pickle holds only `seed` and `config`. Two worlds are equal if their `seed` and `config` are equal. Raises
    `ConfigError` when the seed is not an integer.
    """

    def __init__(self, seed: int = 0, config: WorldConfig | None = None) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ConfigError(f"seed must be an integer, not {seed!r}")
        self.seed = seed
        self.config = WorldConfig() if config is None else config

    @classmethod
    def from_spec(cls, spec: str) -> SyntheticWorld:
        """The world that `spec` names, such as ``synthetic:seed=3,pages=2000,rows=20-30``. `WorldConfig` has the
        settings."""
        return cls(*parse_spec(spec))

    @property
    def spec(self) -> str:
        """The one-line spec from which `from_spec` makes this world again."""
        return format_spec(self.seed, self.config)

    def __repr__(self) -> str:
        return f"SyntheticWorld.from_spec({self.spec!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SyntheticWorld):
            return NotImplemented
        return (self.seed, self.config) == (other.seed, other.config)

    def __hash__(self) -> int:
        return hash((self.seed, self.config))

    def __reduce__(self) -> tuple[type[SyntheticWorld], tuple[int, WorldConfig]]:
        return (SyntheticWorld, (self.seed, self.config))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The regions, each with its towns and lists."""
        return Builder(self.seed, self.config).regions()

    @cached_property
    def lists(self) -> tuple[EntityList, ...]:
        """The lists of all regions."""
        return tuple(each for region in self.regions for each in region.lists)

    @cached_property
    def pages(self) -> tuple[WorldPage, ...]:
        """All pages of the world. Their number is `config.pages`. If `config.distractors` is 0, the number may be
        smaller, because pages are added in whole lists."""
        return tuple(self._pages())

    @cached_property
    def gone(self) -> tuple[str, ...]:
        """URLs that pages link to and that answer with status 410."""
        entities = [entity for each in self.lists for entity in each.entities]
        sites = [e.values["Website"].text for e in entities if e.site_is_gone]
        return (*sites, *(e.lost_story for e in entities if e.lost_story))

    @cached_property
    def _by_url(self) -> dict[str, WorldPage]:
        return {page.url: page for page in self.pages}

    def page(self, url: str) -> WorldPage:
        """The page at `url`. Raises `KeyError` when there is no such page."""
        return self._by_url[url]

    @cached_property
    def _list_by_url(self) -> dict[str, EntityList]:
        return {each.page_url(): each for each in self.lists}

    def list_at(self, url: str) -> EntityList:
        """The list whose first page is at `url`. Raises `KeyError` when there is no such list."""
        return self._list_by_url[url]

    def digest(self) -> str:
        """The SHA-256 (hex) of the URL, title, HTML and text of every page and of the URLs that are gone."""
        sha = hashlib.sha256()
        for page in self.pages:
            sha.update("\0".join(page).encode())
            sha.update(b"\0\0")
        sha.update("\0".join(self.gone).encode())
        return sha.hexdigest()

    def corpus(self) -> MemoryCorpus:
        """A corpus of this world, indexed in memory. Its name is the world's spec."""
        from wideseek_env.corpus.stored import MemoryCorpus, SourcePage

        return MemoryCorpus((SourcePage(*page) for page in self.pages), self.spec, gone=self.gone)

    def _pages(self) -> Iterator[WorldPage]:
        count = 0
        for page in self._fixed_pages():
            count += 1
            yield page
        if self.config.distractors > 0:
            for number in range(self.config.pages - count):
                yield noise.distractor(self.seed, number, self.lists)

    def _fixed_pages(self) -> Iterator[WorldPage]:
        seed, size = self.seed, self.config.page_size
        yield lists.front_page(seed, self.regions)
        for kind in KINDS:
            yield from lists.category_pages(seed, kind, [e for e in self.lists if e.kind is kind], size)
        for region in self.regions:
            yield articles.region_article(seed, region)
            for town in region.towns:
                yield articles.town_article(seed, town, region)
        for each in self.lists:
            yield from self._list_and_its_things(each)

    def _list_and_its_things(self, each: EntityList) -> Iterator[WorldPage]:
        seed = self.seed
        yield from lists.list_pages(seed, each, self.config)
        for group in each.ambiguous:
            yield lists.disambiguation(seed, each, group)
        for person in each.people:
            if person.url:
                yield articles.person_article(seed, person, each.region, each.kind)
        for at, entity in enumerate(each.entities):
            yield articles.entity_article(seed, each, at)
            if entity.stale_year:
                yield noise.archived_copy(seed, each, at)
            if entity.mistakes:
                yield noise.unchecked_page(seed, each, entity)
            if has_site(entity):
                yield noise.official_site(seed, each, entity)
        for entry in each.register_entries:
            if entry.url:
                yield noise.register_entry(entry, each.region)
