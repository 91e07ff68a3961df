"""`Layout`: the meaning of each action number, and the positions in an observation.

All agents have the same actions and the same observations, so one network can act for every role. The position of an
entity is its position on the agent's list. The list of the lead has all rows. The list of a subagent has its share of
the rows.
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
"""The number of buckets for the hosts of search results."""

STATUS = ("lead", "subagent", "acting", "turns_left", "finding", "looking_up", "has_results", "has_page")
"""The numbers that describe the state of an agent. `turns_left` is a share of the turn limit. All other numbers are 0
or 1."""

PAGE = ("title_likeness", "entries", "new_entries", "goes_on")
"""The numbers that describe the open page: the likeness of its title to the search, its entries, its new entries, and
whether its list continues on another page. The numbers of entries and new entries are shares of `max_entities`."""

ENTITY = ("exists", "complete", "current", "tries")
"""The numbers for each position. `exists`: there is an entity. `complete`: all attributes of the entity are known.
`current`: the last search was for this entity (for the lead: the entity fails a condition). `tries`: how often the
entity was searched for or delegated, from 0 for never to 1 for three times or more."""

CELL = ("known", "tried")
"""The numbers for each position and attribute: whether a value is noted, and whether the agent has searched for it."""

ATTRIBUTE = ("wanted", "value", "link")
"""The numbers for each attribute: whether it is needed, whether the open page has its value, and whether the page has a
link to follow for it."""

RESULT = ("exists", "likeness", "exact", "named", "opened", *(f"host_{n}" for n in range(HOSTS)))
"""The numbers for each search result. `exists`: there is a result. `likeness`: the share of words that the result's
title and the searched name have in common. `exact`: title and name are equal. `named`: the passage of the result names
the attribute. `opened`: the agent has opened the result. `host_n`: the result's host is in bucket n."""


class Choice(NamedTuple):
    """A decoded action: its verb and its two numbers, which count from 0. An unused number is 0."""

    verb: Verb
    first: int = 0
    second: int = 0


class Layout:
    """The numbering of actions and the positions in an observation.

    Args:
        max_entities: The most rows that an agent can distinguish.
        max_attributes: The most attributes of a task.
        max_results: The most results of a search.
        width: The number of subagents.
        chunks: The possible sizes of one delegation, as shares of the rows that still lack values.
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
        """The number of actions."""
        self.features = sum(math.prod(shape) for shape in self._shapes.values())
        """The number of features of an observation."""

    def choice(self, action: int) -> Choice:
        """The meaning of an action number."""
        return self._choices[action]

    def action(self, verb: Verb, first: int = 0, second: int = 0) -> int:
        """The number of an action, for example ``action("search", entity, attribute)``."""
        start, columns = self._starts[verb]
        return start + first * columns + second

    def parts(self, observation: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Views of the parts of one observation: "status", "page", "entities", "cells", "attributes" and "results".

        The last axis of each part has the names that this module's constants list.
        """
        views = {}
        at = 0
        for name, shape in self._shapes.items():
            size = math.prod(shape)
            views[name] = observation[at : at + size].reshape(shape)
            at += size
        return views
