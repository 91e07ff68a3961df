"""`Card`: what a model scores in a suite, as plain values in ``card.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wideseek_env.clean import clean_value
from wideseek_env.errors import ConfigError, SuiteError
from wideseek_env.evaluation.budget import calls_of
from wideseek_env.evaluation.coverage import METRICS as ROW_METRICS
from wideseek_env.evaluation.curves import Curve
from wideseek_env.evaluation.metrics import TRAJECTORIES
from wideseek_env.evaluation.suite.digests import PARTS, Digests, changed
from wideseek_env.evaluation.summary import Summary, TrialMetric
from wideseek_env.evaluation.sweep import Sweep, point_folder
from wideseek_env.files import write_json
from wideseek_env.messages import count_characters
from wideseek_env.reprs import short
from wideseek_env.trajectory import iter_trajectories

FORMAT = 1
CARD = "card.json"
SINGLE = "single"
"""The name of the single agent's point. The other points have their widths as names."""

SCORING = {"table": "lenient", "judge": "offline"}
"""How answers are scored: `docs/scoring.md` explains the lenient score. No task of the suite needs a model as judge."""

_NUMBERS = (
    "episodes", "tasks", "failed", "item_f1", "item_f1_low", "item_f1_high", "row_f1", "success", "answered",
    "critical_path", "turns", "subagents", "calls", "seconds",
)  # fmt: skip
_MOST = 1e15
_SHARES = ("item_f1", "item_f1_low", "item_f1_high", "row_f1", "success", "answered")


@dataclass(frozen=True, slots=True)
class Point:
    """The metrics at one width, or of the single agent. Scores and shares are from 0 to 1, and costs are per episode.

    * `calls` counts searches and opened pages.
    * `tokens` has ``read`` and ``written``, as the policy reports them. It is None if the policy does not.
    * `characters` has ``read`` and ``written``. Each turn reads the whole conversation and writes one message.
    * `rows` says where gold rows were lost (`wideseek_env.evaluation.coverage.METRICS`). It is empty for short answers.
    """

    episodes: int
    tasks: int
    failed: int
    item_f1: float
    item_f1_low: float
    item_f1_high: float
    row_f1: float
    success: float
    answered: float
    critical_path: float
    turns: float
    subagents: float
    calls: float
    seconds: float
    tokens: Mapping[str, float] | None = None
    characters: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, summary: Summary, characters: Mapping[str, float]) -> Point:
        """The point of a summary."""
        whole = bool(summary.metered) and summary.metered == summary.episodes
        usage = summary.usage
        return cls(
            **{name: getattr(summary, name) for name in _NUMBERS if name != "calls"},
            calls=calls_of(summary.tool_calls),
            tokens={"read": usage.get("prompt_tokens", 0.0), "written": usage.get("completion_tokens", 0.0)}
            if whole
            else None,
            characters=dict(characters),
            rows=dict(summary.rows),
        )

    def summary(self) -> Summary:
        """The point as a summary with the metrics that figures draw."""
        metric = TrialMetric(avg=self.item_f1, avg_low=self.item_f1_low, avg_high=self.item_f1_high)
        return Summary(
            **{name: getattr(self, name) for name in _NUMBERS if name != "calls"},
            trials=1,
            tool_calls={"calls": self.calls},
            metrics={"f1_by_item": metric},
            metered=self.episodes if self.tokens is not None else 0,
            usage={"completion_tokens": self.tokens["written"]} if self.tokens is not None else {},
            rows=dict(self.rows),
        )


@dataclass(frozen=True, slots=True)
class KindCard:
    """The results on one kind of tasks. `points` are by "single" or the width as text, in this order."""

    title: str
    digests: Digests
    tasks: int
    rules: Mapping[str, int]
    points: Mapping[str, Point]

    def curve(self, name: str) -> Curve | None:
        """The kind as a curve for figures. None if no width has been run."""
        points = tuple((int(size), point.summary()) for size, point in self.points.items() if size != SINGLE)
        single = self.points[SINGLE].summary() if SINGLE in self.points else None
        return Curve(name, "width", points, single) if points else None

    @property
    def width_score(self) -> float | None:
        """The mean of item-F1 over all widths. None if no width has been run."""
        values = [point.item_f1 for size, point in self.points.items() if size != SINGLE]
        return math.fsum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class Card:
    """The card of one model. `absent` has the kinds that were not run, each with the reason."""

    suite: str
    size: str
    name: str
    policy: str
    policy_options: Mapping[str, Any]
    seed: int
    trials: int
    complete: bool
    """Whether every point of every kind that is not absent has all its episodes."""
    kinds: Mapping[str, KindCard]
    absent: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    scoring: Mapping[str, str] = field(default_factory=lambda: dict(SCORING))

    @property
    def model(self) -> str | None:
        """The model of the policy, if it has one."""
        model = self.policy_options.get("model")
        return str(model) if model is not None else None

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON values. `from_dict` reads them."""
        return {"format": FORMAT, **asdict(self), "model": self.model}

    @classmethod
    def from_dict(cls, data: Any, source: str = "the card") -> Card:
        """The inverse of `to_dict`.

        Raises:
            SuiteError: The values are not those of a card, or a newer version wrote them. `source` is named.
        """
        try:
            return _card(clean_value(data))
        except _NewerError as error:
            raise SuiteError(f"{source} {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise SuiteError(
                f"{source} is not a card of `wideseek bench suite` ({type(error).__name__}: {short(str(error))}); give "
                f"its {CARD}"
            ) from error

    def write(self, folder: Path) -> None:
        """Write ``card.json`` into `folder`. A reader never sees half a file."""
        write_json(folder / CARD, self.to_dict())


def read_card(path: Path | str) -> Card:
    """Read a card: a file, or the folder of `wideseek bench suite`.

    Raises:
        SuiteError: There is no card at `path`, or it cannot be read.
    """
    path = Path(path)
    file = path / CARD if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        what = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise SuiteError(
            f"{file} is no card: {what}; give the --out folder of `wideseek bench suite`, or its {CARD}"
        ) from error
    return Card.from_dict(data, str(file))


def check_comparable(first: Card, second: Card) -> None:
    """Check that two cards are of the same suite and size, and that their common kinds have the same digests.

    Raises:
        SuiteError: They are not. The message names what differs.
    """
    for what in ("suite", "size"):
        one, other = getattr(first, what), getattr(second, what)
        if one != other:
            raise SuiteError(
                f"{first.name} and {second.name} do not compare: the {what} of one is {one}, of the other {other}. "
                "Run both with the same suite and size"
            )
    for kind, one in first.kinds.items():
        if kind in second.kinds and (different := changed(one.digests, second.kinds[kind].digests)):
            raise SuiteError(
                f"{first.name} and {second.name} do not compare on {one.title}: {', '.join(different)} differ "
                f"({'; '.join(PARTS.get(name, name) for name in different)}). Run both with the same version of the "
                "package"
            )


def kind_card(title: str, digests: Digests, sweep: Sweep, folder: Path | None) -> KindCard:
    """The card of one kind, from its sweep and the folder of the sweep."""
    points: dict[str, Point] = {}
    for point in sweep.points:
        run = folder / point_folder(sweep.kind, point.size) if folder is not None else None
        points[point.label] = Point.of(point.summary, _characters(run))
    rules = dict(sweep.settings.get("rules") or {})
    rules.pop("width", None)
    return KindCard(title, dict(digests), int(sweep.settings.get("limit") or 0), rules, points)


def default_name(policy: str, options: Mapping[str, Any]) -> str:
    """The name of a card: the last part of the model's name, or the policy."""
    model = str(options.get("model") or "").rstrip("/")
    return model.rpartition("/")[2] or policy


def _characters(run: Path | None) -> dict[str, float]:
    """The characters that the agents of an episode read and wrote, on average over the episodes of a run."""
    if run is None or not (run / TRAJECTORIES).is_file():
        return {}
    found: dict[tuple[str, int], tuple[int, int]] = {}
    for trajectory in iter_trajectories(run / TRAJECTORIES):
        pair = trajectory.task.id, int(trajectory.meta.get("trial", 0))
        found[pair] = _length(trajectory.conversations)
    if not found:
        return {}
    read, written = (sum(each) / len(found) for each in zip(*found.values(), strict=True))
    return {"read": round(read, 1), "written": round(written, 1)}


def _length(conversations: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    read = written = 0
    for conversation in conversations:
        so_far = 0
        for message in conversation["messages"]:
            size = count_characters(message)
            if message["role"] == "assistant":
                read += so_far
                written += size
            so_far += size
    return read, written


class _NewerError(Exception):
    """The card has a format of a newer version."""


def _card(data: Any) -> Card:
    written = data["format"]
    if isinstance(written, bool) or not isinstance(written, int):
        raise TypeError(f"the format is {short(written)}")
    if written > FORMAT:
        raise _NewerError(
            f"has format {written}, and this version reads format {FORMAT}: install a newer wideseek-env"
        )
    kinds = {str(kind): _kind(each) for kind, each in data["kinds"].items()}
    return Card(
        suite=_text(data["suite"]),
        size=_text(data["size"]),
        name=_text(data["name"]),
        policy=_text(data["policy"]),
        policy_options=dict(data["policy_options"]),
        seed=int(_number("seed", data["seed"])),
        trials=int(_number("trials", data["trials"])),
        complete=bool(data["complete"]),
        kinds=kinds,
        absent={str(kind): _text(why) for kind, why in data["absent"].items()},
        command=_text(data["command"]),
        versions=_texts(data["versions"]),
        scoring=_texts(data["scoring"]),
    )


def _kind(data: Mapping[str, Any]) -> KindCard:
    points = {_size(size): _point(point) for size, point in data["points"].items()}
    digests = {str(name): _text(value) for name, value in data["digests"].items()}
    return KindCard(
        _text(data["title"]), digests, int(_number("tasks", data["tasks"])), dict(data["rules"]), points
    )


def _point(data: Mapping[str, Any]) -> Point:
    numbers = {name: _number(name, data[name]) for name in _NUMBERS}
    for name in _SHARES:
        if not 0 <= numbers[name] <= 1:
            raise ValueError(f"{name} is {numbers[name]}, not a share from 0 to 1")
    characters, rows = (
        {str(key): _number(key, value) for key, value in data[name].items()}
        for name in ("characters", "rows")
    )
    if unknown := set(rows) - set(ROW_METRICS):
        raise ValueError(f"unknown metrics of rows: {', '.join(sorted(unknown))}")
    tokens = data["tokens"]
    if tokens is not None:
        tokens = {name: _number(name, tokens[name]) for name in ("read", "written")}
    return Point(**numbers, tokens=tokens, characters=characters, rows=rows)


def _size(size: str) -> str:
    if size != SINGLE and not (size.isdigit() and int(size) > 0):
        raise ValueError(f"{short(size)} is no width")
    return size


def _texts(values: Any) -> dict[str, str]:
    return {str(name): _text(value) for name, value in dict(values).items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{short(value)} is no text")
    return value


def _number(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        raise TypeError(f"{name} is {short(value)}, not a number")
    return value


def same_names(cards: Sequence[Card]) -> list[str]:
    """The names of cards, each once. Raises `ConfigError` for a name that two cards have."""
    names = [card.name for card in cards]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two cards are called {twice}: run one of them again with another name")
    return names
