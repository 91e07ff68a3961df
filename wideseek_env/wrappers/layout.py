"""`Layout`: what each number of an action means, and what stands where in an observation.

All agents have the same actions and the same observations, so that one network can play every role. Places of
entities are places on the agent's own list: all rows for the lead, its share of them for a subagent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wideseek_env.errors import ConfigError

Verb = Literal[
    "idle", "answer", "find", "delegate", "search_list", "search", "open", "follow", "take", "report"
]

HOSTS = 8
"""Buckets into which the hosts of search results fall."""

STATUS = ("lead", "subagent", "acting", "turns_left", "finding", "looking_up", "has_results", "has_page")
"""Numbers that say how an agent stands; `turns_left` is a share of its limit, all others are 0 or 1."""

PAGE = ("title_likeness", "entries", "new_entries", "goes_on")
"""Numbers on the open page: how like its title is to what was searched for, its entries and those not yet noted
(shares of `max_entities`), whether its list goes on."""

ENTITY = ("exists", "complete", "current", "tries")
"""For each place: whether there is an entity, whether all is known of it, whether the last search was for it (for
the lead: whether its condition fails), how often it was searched for (or delegated), 1 from three times on."""

CELL = ("known", "tried")
"""For each place and attribute: whether a value is noted, whether it was searched for."""

ATTRIBUTE = ("wanted", "value", "link")
"""For each attribute: whether it is wanted, whether the open page has a value, whether that leads on by a link."""

RESULT = ("exists", "likeness", "exact", "named", "opened", *(f"host_{n}" for n in range(HOSTS)))
"""For each result: how like its title is to what was searched for (words shared), whether it is the same, whether
its passage names the attribute, whether it was opened, and the bucket of its host."""


class Choice(NamedTuple):
    """An action taken apart: what to do and its two numbers, counted from 0 (0 where there are none)."""

    verb: Verb
    first: int = 0
    second: int = 0


class Layout:
    """Sizes and places.

    Args:
        max_entities: Rows that an agent can tell apart.
        max_attributes: Attributes that a task can have.
        max_results: Results of a search.
        width: Subagents.
        chunks: Shares of the open rows that one delegation may hand out.
    """

    def __init__(
        self,
        max_entities: int,
        max_attributes: int,
        max_results: int,
        width: int,
        chunks: Sequence[float] = (0.5, 1.0),
    ) -> None:
        sizes = {"max_entities": max_entities, "max_attributes": max_attributes, "max_results": max_results}
        for name, value in (sizes | {"width": width}).items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1, not {value!r}")
        if not chunks or not all(0 < share <= 1 for share in chunks):
            raise ConfigError(f"chunks must be shares above 0 and up to 1, not {chunks!r}")
        self.max_entities, self.max_attributes, self.max_results = max_entities, max_attributes, max_results
        self.width = width
        self.chunks = tuple(chunks)
        blocks: tuple[tuple[Verb, int, int], ...] = (
            ("idle", 1, 1),
            ("answer", 1, 1),
            ("find", 1, 1),
            ("delegate", len(self.chunks), width),
            ("search_list", 1, 1),
            ("search", max_entities, max_attributes),
            ("open", max_results, 1),
            ("follow", max_attributes + 1, 1),
            ("take", max_attributes + 1, 1),
            ("report", 1, 1),
        )
        self._choices: list[Choice] = []
        self._starts: dict[Verb, tuple[int, int]] = {}
        for verb, rows, columns in blocks:
            self._starts[verb] = (len(self._choices), columns)
            self._choices += [Choice(verb, row, column) for row in range(rows) for column in range(columns)]
        self._shapes: dict[str, tuple[int, ...]] = {
            "status": (len(STATUS),),
            "page": (len(PAGE),),
            "entities": (max_entities, len(ENTITY)),
            "cells": (max_entities, max_attributes, len(CELL)),
            "attributes": (max_attributes, len(ATTRIBUTE)),
            "results": (max_results, len(RESULT)),
        }
        self.actions = len(self._choices)
        """How many actions there are."""
        self.features = sum(math.prod(shape) for shape in self._shapes.values())
        """How many numbers an observation has."""

    def choice(self, action: int) -> Choice:
        """What an action means."""
        return self._choices[action]

    def action(self, verb: Verb, first: int = 0, second: int = 0) -> int:
        """The number of an action, for example ``action("search", entity, attribute)``."""
        start, columns = self._starts[verb]
        return start + first * columns + second

    def parts(self, observation: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Views on the parts of one observation by name: "status", "page", "entities", "cells", "attributes" and
        "results", with shapes as the names of their last axes in this module say."""
        views = {}
        at = 0
        for name, shape in self._shapes.items():
            size = math.prod(shape)
            views[name] = observation[at : at + size].reshape(shape)
            at += size
        return views
