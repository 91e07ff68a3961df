"""The things of a world (regions, entities, people, towns) before they become pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from wideseek_env.corpus.synthetic.attributes import Attribute
from wideseek_env.corpus.synthetic.kinds import Kind
from wideseek_env.corpus.synthetic.names import slug
from wideseek_env.corpus.synthetic.values import Value

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

ALMANACK = "https://almanack.example"
REGISTER = "https://register.example"
GAZETTE = "https://gazette.example"
ARCHIVE = "https://archive.example"
ANYWIKI = "https://anywiki.example"
WAYFARER = "https://wayfarer.example"

NOW = 2024
"""The year of the last revision of the world's current pages."""


@dataclass(eq=False, slots=True)
class Thing:
    """A thing with a page: its name, URL, values by label, and the things that its values link to.

    `url` is "" when the thing has no page. `values` also has a text for each link: the name of the linked thing.
    """

    name: str
    url: str
    attributes: tuple[Attribute, ...]
    values: dict[str, Value] = field(default_factory=dict)
    links: dict[str, Thing] = field(default_factory=dict)
    in_prose: frozenset[str] = frozenset()
    about: str = ""
    """The description in the lead sentence, for people and towns."""
    seen_in: list[Thing] = field(default_factory=list)
    """The things that link to this one."""

    def link(self, label: str, target: Thing) -> None:
        """Set the value of `label` to the name of `target`, as a link to `target`."""
        self.values[label] = Value(target.name)
        self.links[label] = target
        target.seen_in.append(self)


@dataclass(eq=False, slots=True)
class Entity(Thing):
    """One thing on a list. `base` is its name without the town in parentheses."""

    base: str = ""
    stale_year: int = 0
    """The year of the archived copy, or 0 when there is no such copy."""
    old: dict[str, Value] = field(default_factory=dict)
    """The values in the archived copy and in old news stories that differ from the current values."""
    mistakes: dict[str, Value] = field(default_factory=dict)
    """The wrong values on the unchecked wiki. Empty when the wiki has no page about the entity."""
    lost_story: str = ""
    """The URL of a news story that is gone, or ""."""
    site_is_gone: bool = False


@dataclass(eq=False, slots=True)
class Region:
    """A region with its towns. All its lists belong to one split."""

    name: str
    country: str
    split: Split
    towns: tuple[Thing, ...]
    lists: list[EntityList] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL of its article."""
        return f"{ALMANACK}/wiki/{slug(self.name)}"


@dataclass(eq=False, slots=True)
class EntityList:
    """All entities of one kind in one region, in alphabetical order, with the people that they link to."""

    kind: Kind
    region: Region
    entities: tuple[Entity, ...]
    people: tuple[Thing, ...]
    register_entries: tuple[Thing, ...]
    ambiguous: tuple[tuple[Entity, ...], ...]
    """Groups of entities that share a base name."""

    @property
    def phrase(self) -> str:
        """The phrase for the entities, such as ``museums in Norvania``."""
        return f"{self.kind.plural} {self.kind.preposition} {self.region.name}"

    def page_url(self, number: int = 1) -> str:
        """The URL of a page of the list. Pages count from 1."""
        url = f"{ALMANACK}/list/{slug(self.phrase)}"
        return url if number == 1 else f"{url}/page-{number}"

    def page_count(self, page_size: int) -> int:
        """The number of the list's pages."""
        return -(-len(self.entities) // page_size)
