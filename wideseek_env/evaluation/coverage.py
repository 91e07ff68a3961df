"""Where the rows of a gold table were lost: not found, not reported, lost in the merge, or wrong in the answer.

`coverage_of` follows every gold row through a recorded episode. Nothing is judged: the answer's rows are those of its
score, and the rows of pages and reports are found by rules.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from wideseek_env.conversation import caller_of
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role
from wideseek_env.profiles import PROFILES, Profile
from wideseek_env.reading import Asked, read_message
from wideseek_env.scoring import TableScore, parse_table, score_response
from wideseek_env.scoring.mentions import Mentions
from wideseek_env.scoring.result import Verdict
from wideseek_env.scoring.score import rows_by_gold
from wideseek_env.scoring.text import squash
from wideseek_env.task import Task
from wideseek_env.trajectory import Trajectory

Fate: TypeAlias = Literal["right", "wrong_values", "lost_in_merge", "not_reported", "not_found"]
"""What became of a gold row. The first that applies counts:

* `right`: the answer has the row, and all its cells are right.
* `wrong_values`: the answer has the row's key, and a cell of the row is wrong or missing.
* `lost_in_merge`: a subagent reported the row, and the answer does not have it.
* `not_reported`: an agent saw the row's key in a tool result, or a report names it without a value.
* `not_found`: no tool result and no report has the row's key.
"""

FATES: tuple[Fate, ...] = get_args(Fate)

LABELS: Mapping[str, str] = {
    "right": "right",
    "wrong_values": "wrong or blank values",
    "lost_in_merge": "lost in the merge",
    "not_reported": "found but not reported",
    "not_found": "not found",
}
"""The fates in the words of tables and figures."""

REPEATED = ("repeated_rows", "repeated_pages", "repeated_queries")

METRICS: tuple[str, ...] = ("coverage", "value_precision", "blank_values", *FATES, *REPEATED)
"""The names of all metrics that `Coverage.metrics` can have."""


@dataclass(frozen=True, slots=True)
class RowTrace:
    """What became of one gold row. The conversations that saw its key in a tool result, and the conversations of
    subagents that reported it, are given by their number in the trajectory."""

    fate: Fate
    seen: tuple[int, ...] = ()
    reported: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the gold rows of one episode, in the order of `TableScore.cells`.

    `values` counts the cells outside the key columns by verdict, in the rows that the answer has. `repeated` has the
    shares of `REPEATED` that are known.
    """

    rows: tuple[RowTrace, ...]
    values: Mapping[Verdict, int]
    repeated: Mapping[str, float] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """The shares, each from 0 to 1, by the names in `METRICS`. The shares of the five fates sum to 1.

        * ``coverage``: the share of gold rows whose key the answer has. It is ``right`` plus ``wrong_values``.
        * ``value_precision``: the share of right cells among the cells outside the key columns in covered rows. A blank
          cell is not right, as in item precision. ``blank_values`` is the share of blank cells among the same cells.
          Both are absent if there is no such cell.
        * ``repeated_rows``, ``repeated_pages``, ``repeated_queries``: of the gold rows that subagents reported, the
          pages that they opened and the queries that they searched, the share that another subagent had before. If two
          subagents open one page each, the same one, it is 1/2. It is 0 for a single agent, and absent if unknown.
        """
        counts = Counter(row.fate for row in self.rows)
        shares = {fate: counts[fate] / len(self.rows) for fate in FATES}
        covered = {"coverage": (counts["right"] + counts["wrong_values"]) / len(self.rows)}
        return covered | _value_shares(self.values) | dict(shares) | dict(self.repeated)


def coverage_of(trajectory: Trajectory, score: TableScore | None = None) -> Coverage | None:
    """Follow the gold rows of a recorded episode. None if the task has no gold row.

    `score` is the score with the verdict of each cell. Default: that of the record. If it has no verdicts, the answer
    is scored here without a model.

    A subagent *reports* a row if its report has the row's key with a value of a required column. A list of names alone
    does not report rows. Tables are read as answers are. Reports without a readable table, and rows outside of it, are
    searched for the key and a value of the gold row (`wideseek_env.scoring.mentions`).
    """
    task = trajectory.task
    if task.gold is None or not task.gold.rows or not task.key_columns:
        return None
    score = score if score is not None else trajectory.score
    if not score.cells:
        score = score_response(trajectory.outcome.get("answer") or "", task)
    mentions = Mentions(task)
    seen = _seen(trajectory, mentions)
    reported: list[list[int]] = [[] for _ in task.gold.rows]
    for number, conversation in enumerate(trajectory.conversations):
        if conversation["role"] == "subagent" and conversation["final"]:
            named, given = _reported(conversation["final"], task, mentions)
            for row in given:
                reported[row].append(number)
            for row in named:
                seen[row].append(number)
    traces = []
    for verdict in score.cells:
        row = verdict.gold_row
        known = 0 <= row < len(seen)
        found, given_by = (seen[row], reported[row]) if known else ([], [])
        fate: Fate
        if verdict.predicted_row is not None:
            fate = "right" if all(cell.verdict == "right" for cell in verdict.cells) else "wrong_values"
        else:
            fate = "lost_in_merge" if given_by else "not_reported" if found else "not_found"
        traces.append(RowTrace(fate, tuple(dict.fromkeys(found)), tuple(given_by)))
    repeated = {"repeated_rows": _repeated((row, number) for row, by in enumerate(reported) for number in by)}
    repeated |= _repeated_requests(trajectory)
    return Coverage(tuple(traces), _values(score, task), repeated)


def covered(score: TableScore, task: Task) -> dict[str, float]:
    """The metrics of `Coverage.metrics` that the score of an answer has: coverage and value precision."""
    if task.gold is None or not score.cells:
        return {}
    share = sum(row.predicted_row is not None for row in score.cells) / len(score.cells)
    return {"coverage": share} | _value_shares(_values(score, task))


def _values(score: TableScore, task: Task) -> Counter[Verdict]:
    keys = set(task.key_columns)
    return Counter(
        cell.verdict
        for row in score.cells
        if row.predicted_row is not None
        for cell in row.cells
        if cell.column not in keys
    )


def _value_shares(values: Mapping[Verdict, int]) -> dict[str, float]:
    cells = sum(values.values())
    if not cells:
        return {}
    return {
        "value_precision": values.get("right", 0) / cells,
        "blank_values": values.get("missing", 0) / cells,
    }


def _seen(trajectory: Trajectory, mentions: Mentions) -> list[list[int]]:
    """For each gold row, the conversations that saw its key in a tool result, in the order of the results."""
    assert trajectory.task.gold is not None
    seen: list[list[int]] = [[] for _ in trajectory.task.gold.rows]
    numbers = _numbers(trajectory)
    texts: dict[str, set[int]] = {}  # several agents may read the same page
    for event in trajectory.events:
        if "result" not in event or not event["ok"]:
            continue
        text = event["text"]
        if text not in texts:
            texts[text] = mentions.named(text)
        if (number := numbers.get(caller_of(event["result"]))) is not None:
            for row in texts[text]:
                seen[row].append(number)
    return seen


def _reported(report: str, task: Task, mentions: Mentions) -> tuple[set[int], set[int]]:
    """The gold rows that a report names, and those that it reports."""
    named, given = mentions.named(report), mentions.given(report)
    if "|" in report or not report.isascii():
        parsed = parse_table(report, task.columns, task.key_columns)
        keyed = {number for number, row in enumerate(rows_by_gold(parsed, task)) if row is not None}
        named |= keyed
        if keyed - given:
            filled = rows_by_gold(parsed, task, filled=True)
            given |= {row for row in keyed if filled[row] is not None or not mentions.has_values(row)}
    return named | given, given


def _repeated_requests(trajectory: Trajectory) -> dict[str, float]:
    """The shares of repeated pages and queries. Empty if the calls of the record cannot be read here."""
    team = [number for number, each in enumerate(trajectory.conversations) if each["role"] == "subagent"]
    if len(team) < 2:
        return {"repeated_pages": 0.0, "repeated_queries": 0.0}
    profile, known_here = _profile(trajectory)
    done = Counter(event["result"].rpartition("/")[0] for event in trajectory.events if "result" in event)
    known = profile.tool_arguments(trajectory.rules)
    pages: list[tuple[Any, int]] = []
    queries: list[tuple[Any, int]] = []
    for number in team:
        conversation = trajectory.conversations[number]
        role: Role = conversation["role"]
        prefix = f"{conversation['life']}." if conversation["life"] else ""
        turn = 0
        for message in conversation["messages"]:
            if message["role"] != "assistant":
                continue
            turn += 1
            wanted = done[f"{conversation['agent']}/{prefix}{turn}"]
            if not wanted:
                continue
            reading = read_message(message, role, profile, trajectory.rules, known)
            calls = [call for call in reading.calls if isinstance(call, Asked)]
            requests = [(call.tool.kind, arguments) for call in calls for arguments in call.requests]
            for kind, arguments in requests[:wanted]:  # further requests went beyond the budget of calls
                if kind == "browse":
                    pages.append(((arguments.get("url"), arguments.get("chunk")), number))
                elif kind == "search":
                    queries.append((squash(str(arguments.get("query"))), number))
    if not known_here and not pages and not queries:
        return {}
    return {"repeated_pages": _repeated(pages), "repeated_queries": _repeated(queries)}


def _profile(trajectory: Trajectory) -> tuple[Profile, bool]:
    """The profile with which the calls are read, and whether it is that of the record or the one it was made from."""
    for name in (trajectory.profile, trajectory.profile.partition("+")[0]):  # custom tools: "default+name"
        with contextlib.suppress(ConfigError):
            return trajectory.recorded_profile(name), True
    return dataclasses.replace(PROFILES["default"], protocol=trajectory.protocol), False


def _repeated(pairs: Iterable[tuple[Any, int]]) -> float:
    """Of pairs of a thing and the subagent that did it, the share whose thing another subagent did before."""
    every = set(pairs)
    return 1 - len({thing for thing, _ in every}) / len(every) if every else 0.0


def _numbers(trajectory: Trajectory) -> dict[tuple[str, int], int]:
    """The number of each conversation, by agent and generation."""
    return {(each["agent"], int(each["life"])): at for at, each in enumerate(trajectory.conversations)}
