"""`Trajectory`: the record of one episode. It is one line of JSON that can be loaded, replayed and displayed.

A line holds the task with its gold table, the settings of the game, every conversation with all messages, the outcome,
the score and the reward. It also has every event in order, that is, each message of an agent and each result. All
values that depend on the clock are under the key ``timing``. The same seed and actions give the same bytes for
everything else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, get_args

from wideseek_env.clean import MAX_DEPTH, clean_value
from wideseek_env.differences import first_difference
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError, TaskError, TrajectoryError, WideSeekError
from wideseek_env.files import JsonlWriter, json_values, open_bytes
from wideseek_env.messages import Message, counter_named
from wideseek_env.profiles import PROFILES, Profile, profile_named
from wideseek_env.prompts.loading import checked_texts
from wideseek_env.protocol import LENIENT, Parse, Protocol
from wideseek_env.recorded_events import conversation_to_dict, event_from_dict, events_to_dicts
from wideseek_env.recorded_form import check_record
from wideseek_env.reprs import InNotebook, plain, short
from wideseek_env.rewards import total
from wideseek_env.rules import Rules
from wideseek_env.scoring import TableScore
from wideseek_env.task import Language, Task
from wideseek_env.tasks.jsonl import task_from_dict, task_to_dict

FORMAT = 2
"""The format that this version writes. It reads format 1 too, which has no `protocol` and no `language`."""

_FORMATS = (1, FORMAT)
_MOST_NESTED = 2 * MAX_DEPTH
"""The deepest nesting of a record. The `meta` of its task alone may have `MAX_DEPTH`."""

UNUSABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What may be raised while a record from elsewhere is read."""


def described(error: Exception) -> str:
    """One of `UNUSABLE` as the end of a message that begins with a file and a line."""
    if isinstance(error, TrajectoryError):
        return str(error)
    return f"not a trajectory: {type(error).__name__} {plain(str(error))}"


@dataclass(frozen=True, repr=False)
class Trajectory(InNotebook):
    """One recorded episode. `conversations` are in order of their start, and `events` refer to them by index.

    An event is ``{"act": agent, "conversation": i, "message": j}``, ``{"result": call id, "text": …, "ok": …}``,
    ``{"fail": agent}`` or ``{"abort": why}``. A result that a model helped to make also has ``usage``, such as
    the tokens of a summary. ``timing["events"]`` has the time of each event in seconds since the start.
    """

    task: Task
    rules: Rules
    profile: str
    team: bool
    roster: str
    corpus: str
    seed: int | None
    conversations: list[dict[str, Any]]
    events: list[dict[str, Any]]
    outcome: dict[str, Any]
    score: TableScore
    reward: float
    parts: dict[str, float]
    reward_name: str
    protocol: Protocol = LENIENT
    """How the messages were read."""
    language: Language | None = None
    """The language of the prompts. None in a record of format 1: the language of the task."""
    texts: Mapping[str, Any] | None = None
    """The texts that were loaded instead of those of the profile."""
    credit_name: str = "team"
    """How the result was divided. With any other credit than "team", each conversation has the key ``credit``."""
    meta: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        policy = f" by {short(self.meta['policy'])}" if "policy" in self.meta else ""
        return (
            f"<Trajectory of {short(self.task.id)}{policy}: {len(self.conversations)} conversations, "
            f"{short(self.outcome.get('ending'))}, item-F1 {self.score.f1_by_item:.3f}, reward {self.reward:.3f}>"
        )

    @classmethod
    def of_episode(
        cls,
        episode: Episode,
        *,
        score: TableScore,
        parts: Mapping[str, float],
        reward_name: str,
        corpus: str,
        seed: int | None,
        times: Iterable[float] = (),
        started: float | None = None,
        credits: Sequence[float] | None = None,
        credit_name: str = "team",
        meta: Mapping[str, Any] | None = None,
    ) -> Trajectory:
        """The record of an ended episode. Raises `TrajectoryError` if the episode is still running.

        `credits` has the credit of each conversation. None means that each has the team's reward.
        """
        if episode.outcome is None:
            raise TrajectoryError("the episode is still running; record it when it has ended")
        seconds = [round(t, 6) for t in times]
        conversations = [conversation_to_dict(each) for each in episode.conversations]
        if credits is not None:
            conversations = [
                {**each, "credit": paid} for each, paid in zip(conversations, credits, strict=True)
            ]
        return cls(
            task=episode.task,
            rules=episode.rules,
            profile=episode.profile.name,
            team=episode.team,
            roster=episode.roster,
            corpus=corpus,
            seed=seed,
            conversations=conversations,
            events=events_to_dicts(episode),
            outcome=dataclasses.asdict(episode.outcome),
            score=score,
            reward=total(parts),
            parts=dict(parts),
            reward_name=reward_name,
            protocol=episode.profile.protocol,
            language=episode.language,
            texts=episode.profile.loaded,
            credit_name=credit_name if credits is not None else "team",
            meta=dict(meta or {}),
            timing={"started": started, "events": seconds, "seconds": seconds[-1] if seconds else 0.0},
        )

    @property
    def credits(self) -> list[float]:
        """The credit of each conversation. A record without credits has the team's reward for each of them."""
        return [float(each.get("credit", self.reward)) for each in self.conversations]

    @property
    def tool_arguments(self) -> dict[str, frozenset[str]]:
        """The tools of the recorded profile with their arguments. Empty if there is no profile of that name here."""
        try:
            return profile_named(self.profile).tool_arguments(self.rules)
        except ConfigError:
            return {}

    def parse(self, message: Message) -> Parse:
        """The text and calls of a recorded message, as the recorded protocol reads them."""
        return self.protocol.parse(message, self.tool_arguments)

    def recorded_profile(self, profile: str | Profile | None = None) -> Profile:
        """The profile with the recorded protocol, language and texts.

        Pass `profile` if the recorded profile is not one of the built-in profiles. Raises `ConfigError` if there is no
        profile of the recorded name.
        """
        base = profile_named(profile if profile is not None else self.profile)
        if base.loaded is None:
            base = base.with_texts(self.texts)
        language = self.language
        if language is None and base.name not in PROFILES:  # format 1: the built-in profiles had no language
            language = base.language
        return dataclasses.replace(base, protocol=self.protocol, language=language)

    def new_episode(self, profile: str | Profile | None = None, rules: Rules | None = None) -> Episode:
        """An episode with the recorded settings, before its first message. `rules` replaces the recorded rules.

        Raises `TrajectoryError` if the recorded context counter cannot be imported.
        """
        try:
            counter = counter_named(self.meta.get("counter", "characters"))
        except ConfigError as error:
            raise TrajectoryError(
                f"task {self.task.id}: the context counter cannot be loaded: {error}"
            ) from None
        return Episode(
            self.task,
            rules=rules if rules is not None else self.rules,
            profile=self.recorded_profile(profile),
            team=self.team,
            roster="fixed" if self.roster == "fixed" else "dynamic",
            counter=counter,
        )

    def replay(self, profile: str | Profile | None = None) -> Episode:
        """Replay the recorded events and return the episode. The messages are read with the recorded protocol.

        Pass `profile` if the recorded profile is not one of the built-in profiles. The context counter is the recorded
        one, which must have an importable name.

        Raises:
            TrajectoryError: The events cannot be replayed, or the conversations differ from the recorded ones. The
                message names the first message that is now read differently.
        """
        episode = self.new_episode(profile)
        try:
            episode.replay(event_from_dict(event, self.conversations) for event in self.events)
        except (WideSeekError, KeyError, IndexError, TypeError) as error:
            raise TrajectoryError(
                f"task {self.task.id}: the events cannot be replayed: {error}{self._difference(episode)}"
            ) from error
        recorded = [conversation["messages"] for conversation in self.conversations]
        if recorded != [conversation.messages for conversation in episode.conversations]:
            raise TrajectoryError(
                f"task {self.task.id}: the replay gives other messages than the record; was it recorded with other "
                f"rules, other prompts or another context counter?{self._difference(episode)}"
            )
        return episode

    def _difference(self, episode: Episode) -> str:
        found = first_difference(self.conversations, self.events, episode)
        return f"; {found}" if found else ""

    def to_dict(self, *, timing: bool = True) -> dict[str, Any]:
        """The record as JSON values. Without `timing`, everything that depends on the clock is left out."""
        record: dict[str, Any] = {"format": FORMAT}
        for item in dataclasses.fields(self):
            record[item.name] = getattr(self, item.name)
        record["task"] = task_to_dict(self.task)
        record["rules"] = self.rules.to_dict()
        record["score"] = self.score.to_dict()
        record["protocol"] = self.protocol.to_dict()
        if self.texts is None:
            del record["texts"]
        if self.credit_name == "team":
            del record["credit_name"]
        if not timing:
            del record["timing"]
        return record

    def to_json(self, *, timing: bool = True) -> str:
        """The record as one line of JSON."""
        return json.dumps(self.to_dict(timing=timing), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Trajectory:
        """The inverse of `to_dict`. Raises a `TrajectoryError` whose message names what is missing or wrong."""
        if not isinstance(record, Mapping):
            raise TrajectoryError(f"not a trajectory: {short(record)} is no object")
        version = record.get("format")
        if isinstance(version, bool) or not isinstance(version, int) or version not in _FORMATS:
            raise TrajectoryError(
                f"format {short(version)} cannot be read by this version, which writes {FORMAT}"
            )
        try:
            record = clean_value(record, most=_MOST_NESTED)
            check_record(record)
        except (TypeError, RecursionError) as error:
            raise TrajectoryError(f"not a trajectory: {error}") from None
        values = {item.name: record[item.name] for item in dataclasses.fields(cls) if item.name in record}
        try:
            values["task"] = task_from_dict(record["task"])
            values["rules"] = Rules(**record["rules"])
            values["score"] = score = TableScore.from_dict(record["score"])
            gold = values["task"].gold
            if gold is not None and any(row.gold_row >= len(gold.rows) for row in score.cells):
                raise TypeError("score.cells has a row that the gold table has not")
            if version == 1:
                return cls(**{**values, "protocol": LENIENT, "language": None, "texts": None})
            if values.get("credit_name", "team") != "team":
                for each in record["conversations"]:
                    if isinstance(each["credit"], bool) or not isinstance(each["credit"], int | float):
                        raise TypeError(f"credit {short(each['credit'])}")
            values["protocol"] = Protocol.from_dict(record["protocol"])
            values["texts"] = checked_texts(record.get("texts") or {})
            if record["language"] not in get_args(Language):
                raise TypeError(f"language {short(record['language'])}")
            return cls(**values)
        except (KeyError, TypeError, ConfigError, TaskError) as error:
            raise TrajectoryError(f"not a trajectory: {type(error).__name__} {plain(str(error))}") from error


class TrajectoryWriter(JsonlWriter):
    """Appends trajectories to a JSONL file. Each one is on disk before the next is written, so a crash loses none.

    Opening the file cuts off a partial last line, which a process leaves if it is killed while it writes.
    """

    def write(self, trajectory: Trajectory) -> None:
        """Append one line and wait until it is on disk."""
        super().write(trajectory.to_dict())


def iter_trajectories(path: Path | str) -> Iterator[Trajectory]:
    """The trajectories of a JSONL file (also ``.gz``), one at a time.

    A last line without a line break is skipped, because a killed process leaves such a line. Any other line that is no
    JSON is skipped with a `DamagedLineWarning`.

    Raises:
        TrajectoryError: The file cannot be read, or a line is no trajectory. The message names file and line.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open_bytes(path))
        except OSError as error:
            raise TrajectoryError(f"{path} cannot be read: {error.strerror}") from error
        for number, record in json_values(path, _lines(file, path)):
            try:
                yield Trajectory.from_dict(record)
            except UNUSABLE as error:
                raise TrajectoryError(f"{path}:{number}: {described(error)}") from error


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    try:
        for line in file:
            if line.endswith(b"\n"):
                yield line
    except (EOFError, OSError, zlib.error) as error:
        raise TrajectoryError(f"{path} is damaged or incomplete: {error}") from error


def load_trajectories(path: Path | str) -> list[Trajectory]:
    """All trajectories of a JSONL file (also ``.gz``). Raises `TrajectoryError` as `iter_trajectories` does."""
    return list(iter_trajectories(path))
