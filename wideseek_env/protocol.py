"""`Protocol`: how an episode reads the messages of agents, and what happens to a call that breaks a limit.

The rules hold the limits, such as the width. The protocol says what happens to a message that breaks one. It belongs to
the profile, because a checkpoint was trained with one protocol. The defaults tell an agent what was wrong. `PUBLISHED`
is the protocol with which WideSeek-R1 was trained (RLinf, ``rlinf/agents/wideseek_r1/wideseek_r1.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short


@dataclass(frozen=True, slots=True)
class Protocol:
    """How messages are read. It is frozen and has only plain values.

    Raises:
        ConfigError: A value is not one of those that its field may have.
    """

    reading: Literal["lenient", "first_block"] = "lenient"
    """Which calls of a message count. With `lenient`, all calls outside of thoughts, in every form that
    `wideseek_env.parsing` reads. With `first_block`, only the first ``<tool_call>…</tool_call>`` of the whole message,
    thoughts included, or the first native call. It must be valid JSON. Items of its list without their text are left
    out."""
    unreadable: Literal["tell", "answer"] = "tell"
    """What happens to a call that cannot be read, names no tool of the agent, or has wrong arguments. With `tell`, the
    agent gets an error sentence. With `answer`, the call is left out. A message without another call is then the
    agent's last one: its answer or report."""
    excess: Literal["refuse", "cut"] = "refuse"
    """What happens to more subagents than `Rules.width`, and to more requests than `Rules.calls_per_turn`. With
    `refuse`, the whole call is not run, and the agent gets an error sentence. With `cut`, the first ones are run."""
    last_turn: Literal["end", "run"] = "end"
    """What happens to calls in the last turn of an agent. In both cases, the agent has run out of turns. With `run`,
    the calls are run before it ends, and subagents work to their end."""
    headings: Literal["line", "whole"] = "line"
    """How the heading of a result repeats the query, address or subtask: on one line of at most 300 characters, or
    whole."""

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in choices:
                raise ConfigError(f"protocol: {name} must be one of {', '.join(choices)}, not {short(value)}")

    def to_dict(self) -> dict[str, str]:
        """All fields by name, for records."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Protocol:
        """The inverse of `to_dict`. Absent fields have their defaults. Raises `ConfigError` for an unknown field."""
        if not isinstance(record, Mapping):
            raise ConfigError(f"a protocol is a table of texts, not {short(record)}")
        for name in record:
            if name not in _CHOICES:
                raise ConfigError(f"a protocol has no {short(name)}; it has: {', '.join(_CHOICES)}")
        return cls(**record)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    each.name: get_args(get_type_hints(Protocol)[each.name]) for each in fields(Protocol)
}

PUBLISHED = Protocol("first_block", "answer", "cut", "run", "whole")
"""The protocol of the published checkpoint."""
