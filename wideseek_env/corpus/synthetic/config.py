"""`WorldConfig`: the settings of a synthetic world, and the one-line spec that names a world."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from wideseek_env.errors import ConfigError

SCHEME = "synthetic"
"""The beginning of a spec: ``synthetic:seed=3,pages=2000``."""

MAX_PAGES = 1_000_000
MAX_ROWS = 400

# Beyond these bounds there would be almost no lists, or the invented names would run out.
_MOST = {"distractors": 0.9, "near_duplicates": 0.5}


@dataclass(frozen=True)
class WorldConfig:
    """The settings of a world. Shares are numbers from 0 to 1. Ranges are (lowest, highest), both included."""

    pages: int = 2000
    """The number of all pages. Lists are added until the next list does not fit. Distractors fill the remaining number.
    With ``distractors=0`` the world may have fewer pages, by up to the pages of one list."""
    rows: tuple[int, int] = (24, 48)
    """The number of entities on a list."""
    columns: tuple[int, int] = (2, 5)
    """The number of attribute columns that a task asks for besides the key."""
    hops: int = 2
    """The most links between the list and an attribute's page. With 1, the entity's page has all attributes, and people
    and register entries have no pages. With 2, attributes are also on pages that the entity's page links to (the
    architect's birth year). With 3, attributes are also one link further (the population of the architect's
    birthplace)."""
    lists_per_region: int = 3
    """The number of kinds of entities that have a list in each region."""
    page_size: int = 15
    """The number of entries on one page of a list or a category."""
    prose: float = 0.35
    """The share of attributes that an entity's page gives in a sentence and not in its infobox."""
    distractors: float = 0.12
    """The share of pages for news, travel notes and general articles that answer nothing, at most 0.9."""
    near_duplicates: float = 0.12
    """The share of entities whose name equals that of another entity, or differs from it in one vowel. Equal names get
    the town in parentheses. At most 0.5."""
    stale: float = 0.12
    """The share of entities with an archived copy whose values are out of date."""
    conflicts: float = 0.12
    """The share of entities with a page on an unchecked wiki that has wrong values."""
    gone: float = 0.3
    """The share of official websites and of external links whose page is gone (status 410)."""
    numbered: float = 0.0
    """The share of lists whose entries are numbered. The other lists have bullets."""

    def __post_init__(self) -> None:
        for knob in dataclasses.fields(self):
            value = getattr(self, knob.name)
            if isinstance(knob.default, tuple):
                _check_range(knob.name, value)
            elif isinstance(knob.default, int):
                if isinstance(value, bool) or not isinstance(value, int):
                    raise ConfigError(f"{knob.name} must be an integer, not {value!r}")
            else:
                _check_share(knob.name, value)
                object.__setattr__(self, knob.name, float(value))
        _check_between("rows", self.rows[0], 3, MAX_ROWS)
        _check_between("rows", self.rows[1], 3, MAX_ROWS)
        _check_between("columns", self.columns[0], 1, 6)
        _check_between("columns", self.columns[1], 1, 6)
        _check_between("hops", self.hops, 1, 3)
        _check_between("lists_per_region", self.lists_per_region, 1, 10)
        _check_between("page_size", self.page_size, 2, 100)
        if not self.smallest <= self.pages <= MAX_PAGES:
            raise ConfigError(
                f"pages must be from {self.smallest} (room for one list of {self.rows[1]} rows with the other "
                f"settings as they are) to {MAX_PAGES}, not {self.pages}"
            )

    @property
    def smallest(self) -> int:
        """The smallest `pages` with room for one list, whatever the seed."""
        rows = self.rows[1]
        # An entity has at most an article, an archived copy, a wrong page, a share of a disambiguation page, and either
        # an official site or a register entry. People, list pages, towns and the rest are added to these.
        most = 5 * rows + (rows // 4 + 3) + (rows // self.page_size + 1) + 24
        return math.ceil(most / (1 - self.distractors)) + 1


def _check_share(name: str, value: Any) -> None:
    most = _MOST.get(name, 1)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise ConfigError(f"{name} must be a number from 0 to {most}, not {value!r}")


def _check_range(name: str, value: Any) -> None:
    fine = isinstance(value, tuple) and len(value) == 2
    if not fine or any(isinstance(v, bool) or not isinstance(v, int) for v in value) or value[0] > value[1]:
        raise ConfigError(f"{name} must be a pair of integers (lowest, highest), not {value!r}")


def _check_between(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low} to {high}, not {value}")


def parse_spec(spec: str) -> tuple[int, WorldConfig]:
    """The seed and settings in a spec such as ``synthetic:seed=3,pages=2000,rows=20-30,stale=0.2``.

    Everything after ``synthetic`` may be missing. ``rows=30`` means exactly 30. Raises `ConfigError`.
    """
    scheme, _, rest = spec.partition(":")
    if scheme.strip() != SCHEME:
        raise ConfigError(f"a synthetic world's spec must start with '{SCHEME}:', but it is {spec!r}")
    knobs = {knob.name: knob.default for knob in dataclasses.fields(WorldConfig)}
    given: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        name, equals, text = (p.strip() for p in part.partition("="))
        if name != "seed" and name not in knobs:
            raise ConfigError(f"{spec!r}: unknown setting {name!r}; known are seed, {', '.join(knobs)}")
        if not equals or not text:
            raise ConfigError(f"{spec!r}: {name} needs a value, as in {name}=…")
        if name in given:
            raise ConfigError(f"{spec!r}: {name} is given twice")
        given[name] = _parse_value(name, text, 0 if name == "seed" else knobs[name], spec)
    seed = given.pop("seed", 0)
    return seed, WorldConfig(**given)


def _parse_value(name: str, text: str, default: Any, spec: str) -> Any:
    try:
        if isinstance(default, tuple):
            low, dash, high = text.partition("-")
            return (int(low), int(high if dash else low))
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        form = {tuple: "an integer or a range such as 20-40", int: "an integer"}.get(
            type(default), "a number"
        )
        raise ConfigError(f"{spec!r}: {name} must be {form}, not {text!r}") from None


def format_spec(seed: int, config: WorldConfig) -> str:
    """The shortest spec that `parse_spec` reads as this world. The spec always contains the seed and the number of
    pages."""
    parts = [f"seed={seed}", f"pages={config.pages}"]
    for knob in dataclasses.fields(config):
        value = getattr(config, knob.name)
        if knob.name == "pages" or value == knob.default:
            continue
        if isinstance(value, tuple):
            value = str(value[0]) if value[0] == value[1] else f"{value[0]}-{value[1]}"
        parts.append(f"{knob.name}={value}")
    return f"{SCHEME}:{','.join(parts)}"
