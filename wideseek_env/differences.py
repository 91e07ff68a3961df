"""Finds the first recorded message that a replay reads differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wideseek_env.episode import Episode
from wideseek_env.reprs import short

Record = Mapping[str, Any]

_LAST = 1 << 62


def first_difference(conversations: Sequence[Record], events: Sequence[Record], episode: Episode) -> str:
    """A clause about the first message of a record that `episode` read differently, or "".

    `conversations` and `events` are those of a `wideseek_env.trajectory.Trajectory`. `episode` has replayed the events,
    perhaps not to the end.
    """
    try:
        found = min(_differences(conversations, events, episode), default=None)
        if found is None:
            return ""
        _, number, index = found
        messages = conversations[number]["messages"]
        where = f"message {index} of conversation {number} ({conversations[number]['agent']})"
        if messages[index]["role"] != "assistant":
            return f"{where} is now another prompt"
        return f"{where} is now read differently: {short(messages[index]['content'])}"
    except (KeyError, IndexError, TypeError, AttributeError):
        return ""  # the record does not have the form of a trajectory


def _differences(
    conversations: Sequence[Record], events: Sequence[Record], episode: Episode
) -> Iterator[tuple[int, int, int]]:
    """Differences as (the event at which it showed, number of the conversation, index of the message)."""
    done = len(episode.events)
    acts = [
        (at, event["conversation"], event["message"]) for at, event in enumerate(events) if "act" in event
    ]
    for number, conversation in enumerate(conversations):
        own = [(at, index) for at, each, index in acts if each == number]
        messages = conversation["messages"]
        started = own[0][0] if own else len(events)
        if number >= len(episode.conversations):
            if started < done:
                yield started, *_before(acts, started)
            continue
        if number and _before(acts, started) not in [(n, i) for at, n, i in acts if at < done]:
            yield done, *_before(acts, done)  # it started before the message that started it in the record
            continue
        replayed = episode.conversations[number]
        first = own[0][1] if own else len(messages)
        for index in range(first):
            if replayed.messages[index : index + 1] != [messages[index]]:
                yield (started, *_before(acts, started)) if index and number else (_LAST, number, index)
        for place, (at, index) in enumerate(own):
            if at >= done:
                break
            last = place + 1 == len(own)
            until = len(events) if last else own[place + 1][0]
            recorded = messages[index + 1 : None if last else own[place + 1][1]]
            now = _until_next(replayed.messages[index + 1 :])
            ended = replayed.status == "done" and len(replayed.messages) == index + 1 + len(now)
            if now != recorded and (now or ended or until < done):
                yield (at if not now or not recorded else until), number, index
            elif ended and (replayed.ending, replayed.final) != (
                conversation["ending"],
                conversation["final"],
            ):
                yield at, number, index
    if len(episode.conversations) > len(conversations):
        yield done, *_before(acts, done)
    if done < len(events):
        yield (
            len(events),
            *_blamed(events[done], acts[: sum(at < done for at, _, _ in acts)], conversations),
        )


def _until_next(messages: Sequence[Record]) -> list[Record]:
    stop = next((i for i, message in enumerate(messages) if message["role"] == "assistant"), len(messages))
    return list(messages[:stop])


def _before(acts: Sequence[tuple[int, int, int]], event: int) -> tuple[int, int]:
    """The last message of the lead before an event: it started the subagent that acts there."""
    return next(
        ((number, index) for at, number, index in reversed(acts) if at < event and not number), (0, 0)
    )


def _blamed(
    event: Record, acts: Sequence[tuple[int, int, int]], conversations: Sequence[Record]
) -> tuple[int, int]:
    """The message because of which the next event is not possible: the last one of its agent, or else of the lead."""
    agent = event.get("act") or event.get("fail") or str(event.get("result", "")).split("/")[0]
    own = [(number, index) for _, number, index in acts if conversations[number]["agent"] == agent]
    return own[-1] if own else _before(acts, _LAST)
