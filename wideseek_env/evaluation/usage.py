"""Tokens and cost of an episode, as far as a policy, a judge or a token counter reports them.

A policy or a judge reports its usage in an attribute ``usage``: the sums since it was made. The sums are an object or a
mapping with any of the names in `FIELDS`, such as `wideseek_env.llm.Usage`. The usage of an episode is the difference
between the sums after and before the episode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.messages import count_characters

FIELDS = (
    "requests",
    "retries",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "unmetered",
    "asked",
    "cached",
    "unreadable",
)
"""The names of usage values. The last three are for judges. `cost` is in the currency of the given prices."""


def metered(source: object) -> dict[str, float] | None:
    """The sums that `source` reports so far. None if it reports nothing.

    Raises:
        ConfigError: A value is not a number.
    """
    reported = getattr(source, "usage", None)
    if callable(reported):
        reported = reported()
    if reported is None:
        return None
    sums: dict[str, float] = {}
    for name in FIELDS:
        value = reported.get(name) if isinstance(reported, Mapping) else getattr(reported, name, None)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"usage.{name} of {type(source).__name__} must be a number, not {value!r}")
        sums[name] = value
    return sums or None


def spent(before: Mapping[str, float] | None, after: Mapping[str, float] | None) -> dict[str, float] | None:
    """The usage between two readings of `metered`. None if there is no reading."""
    if after is None:
        return None
    return {name: value - (before or {}).get(name, 0) for name, value in after.items()}


def counted(episode: Episode) -> dict[str, float] | None:
    """The tokens of an episode, counted with the game's counter.

    None if the game has the default counter, which counts characters.

    Each turn reads the whole conversation and writes one message. A prefix cache, which would let a model read only the
    new part, is not taken into account.
    """
    counter = episode.counter
    if counter is count_characters:
        return None
    read = written = 0
    for conversation in episode.conversations:
        so_far = 0
        for message in conversation.messages:
            size = counter(message)
            if message["role"] == "assistant":
                read += so_far
                written += size
            so_far += size
    return {"prompt_tokens": read, "completion_tokens": written}


def summary_usage(events: Iterable[Mapping[str, Any]]) -> dict[str, float] | None:
    """What models used to make the tool results of an episode, such as summaries of pages. `events` are those of a
    record. None if no model was used."""
    sums: dict[str, float] = {}
    for event in events:
        for name, number in (usage_of(event.get("usage")) or {}).items():
            sums[name] = sums.get(name, 0) + number
    return sums or None


def usage_of(value: Any) -> dict[str, float] | None:
    """The usage in a record, without values that are not numbers."""
    if not isinstance(value, Mapping):
        return None
    numbers = {
        str(name): number
        for name, number in value.items()
        if isinstance(number, int | float) and not isinstance(number, bool)
    }
    return numbers or None
