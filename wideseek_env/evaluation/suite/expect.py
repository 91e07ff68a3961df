"""What a run of a suite will take: episodes, turns, tokens and hours, before it starts.

Three numbers answer the question. The rules bound what any policy can use. The reference card of the scripted team says
how the use grows with the width. One episode of each kind, played by the policy itself, gives the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import fsum

from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.run import evaluate_game
from wideseek_env.evaluation.suite.card import SINGLE, Card, Point
from wideseek_env.evaluation.suite.definition import SuiteSize
from wideseek_env.evaluation.suite.references import ALONE, TEAM
from wideseek_env.evaluation.summary import SummaryAccumulator
from wideseek_env.game import Game
from wideseek_env.policy import Policy
from wideseek_env.rules import Rules
from wideseek_env.tasks.taskset import TaskSet

CHARACTERS_PER_TOKEN = 4
"""Used where tokens are not known."""


@dataclass(frozen=True, slots=True)
class Load:
    """Sums over episodes. `read` and `written` are tokens. None means not known.

    `estimated` means that the tokens are not those of the policy.
    """

    turns: float
    read: float | None
    written: float | None
    seconds: float | None = None
    estimated: bool = False

    def __add__(self, other: Load) -> Load:
        return Load(
            self.turns + other.turns,
            _sum(self.read, other.read),
            _sum(self.written, other.written),
            _sum(self.seconds, other.seconds),
            self.estimated or other.estimated,
        )

    def times(self, factor: float) -> Load:
        """The load of `factor` times as many episodes."""

        def scaled(value: float | None) -> float | None:
            return None if value is None else value * factor

        return Load(
            self.turns * factor,
            scaled(self.read),
            scaled(self.written),
            scaled(self.seconds),
            self.estimated,
        )


@dataclass(frozen=True, slots=True)
class Expected:
    """What the episodes of one kind that are still to be run will take.

    * `most` bounds the load by the rules. No policy can use more.
    * `reference` is the load of the scripted team. None if there is no reference card.
    * `measured` is scaled from episodes of the policy itself. None if none was played.
    """

    episodes: int
    most: Load
    reference: Load | None = None
    measured: Load | None = None

    @property
    def load(self) -> Load:
        """The best guess: what was measured, else the scripted team's load, else the bound.

        If the policy reports no tokens, they are those of the scripted team.
        """
        if self.measured is None:
            return self.reference or self.most
        if self.reference is None or self.measured.written is not None:
            return self.measured
        return replace(
            self.measured, read=self.reference.read, written=self.reference.written, estimated=True
        )


def expected(
    left: Mapping[str, int],
    rules: Rules,
    kind: str,
    references: Mapping[str, Card],
    measured: tuple[str, Load] | None = None,
) -> Expected:
    """What the episodes of a kind will take.

    Args:
        left: The number of episodes that are still to be run, by point ("single", or a width).
        rules: The rules of the suite.
        kind: The name of the kind.
        references: The reference cards.
        measured: A point, and the mean load of an episode of the policy there.
    """
    points = _reference_points(kind, references)
    known = bool(points) and all(label in points for label in left)
    most = _total(most_load(rules, label).times(count) for label, count in left.items())
    reference = (
        _total(_load_of(points[label]).times(count) for label, count in left.items()) if known else None
    )
    own = None
    if measured is not None:
        label, load = measured
        if known and label in points:
            turns = {size: points[size].turns for size in (*left, label)}
        else:
            turns = {size: most_load(rules, size).turns for size in (*left, label)}
        own = _total(load.times(count * turns[size] / turns[label]) for size, count in left.items())
    return Expected(sum(left.values()), most, reference, own)


def most_load(rules: Rules, label: str) -> Load:
    """The largest load that an episode can have under `rules`, at a width or for the single agent.

    A conversation has at most as many characters as its context and one more message. Each turn reads at most the
    context.
    """
    if label == SINGLE:
        conversations, turns = 1, rules.single_turns
    else:
        subagents = (rules.lead_turns - 1) * int(label)
        conversations, turns = 1 + subagents, rules.lead_turns + subagents * rules.subagent_turns
    written = min(turns * rules.action_chars, conversations * (rules.context + rules.action_chars))
    return Load(turns, turns * rules.context / CHARACTERS_PER_TOKEN, written / CHARACTERS_PER_TOKEN)


def pilot_label(size: SuiteSize) -> str:
    """The point at which the policy plays one episode of each kind to measure its load: a middle width."""
    return str(size.widths[len(size.widths) // 2])


def pilot(
    game: Game,
    policy: Callable[[], Policy],
    tasks: TaskSet,
    label: str,
    seed: int,
    *,
    keep_going: bool = False,
) -> Load:
    """The load of the first task, played once at the width `label` without a record.

    Raises:
        EpisodeError: The episode raised an exception, and `keep_going` is False.
    """
    played = SummaryAccumulator()
    rules = game.rules.replace(width=int(label))
    evaluate_game(
        game.replace(team=True, rules=rules),
        policy(),
        tasks[:1],
        seed=seed,
        accumulator=played,
        keep_going=keep_going,
    )
    return mean_load(played.records)


def mean_load(records: Iterable[EpisodeRecord]) -> Load:
    """The mean load of recorded episodes. Tokens are known only if the policy reports them for each episode."""
    every = list(records)
    usage = [record.usage for record in every if record.usage is not None]
    whole = len(usage) == len(every)

    def tokens(name: str) -> float | None:
        return fsum(each.get(name, 0) for each in usage) / len(every) if whole else None

    return Load(
        fsum(record.turns for record in every) / len(every),
        tokens("prompt_tokens"),
        tokens("completion_tokens"),
        fsum(record.seconds for record in every) / len(every),
    )


def _reference_points(kind: str, references: Mapping[str, Card]) -> dict[str, Point]:
    found: dict[str, Point] = {}
    for name in (TEAM, ALONE):
        card = references.get(name)
        if card is not None and kind in card.kinds:
            found |= card.kinds[kind].points
    return {label: point for label, point in found.items() if point.turns}


def _load_of(point: Point) -> Load:
    read, written = (point.characters.get(name, 0.0) / CHARACTERS_PER_TOKEN for name in ("read", "written"))
    return Load(point.turns, read, written, point.seconds, True)


def _total(loads: Iterable[Load]) -> Load:
    total = Load(0.0, 0.0, 0.0, 0.0)
    for load in loads:
        total = total + load
    return total


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
