"""`EpisodeRecord`: the metrics of one episode that a summary needs, without its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from wideseek_env.errors import TrajectoryError
from wideseek_env.evaluation.coverage import coverage_of, covered
from wideseek_env.evaluation.labels import Label, task_digest, task_labels
from wideseek_env.evaluation.usage import summary_usage, usage_of
from wideseek_env.scoring import TableScore
from wideseek_env.scoring.judged import judged_cells
from wideseek_env.task import Task
from wideseek_env.trajectory import Trajectory

Pair = tuple[str, int]
"""A task's id, and the number of the trial, counted from 0."""


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """The metrics of one episode. Scores are in [0, 1].

    * `seconds` is the wall-clock time of the episode.
    * `turns` counts the turns of all agents.
    * `critical_path` counts the turns until the answer, where turns that agents take at the same time count once.
    * `dropped` counts the calls, and the items of their lists, that the protocol left out.
    * `failed` means that a policy or tool raised an exception, which stopped the episode.
    * `labels` are the labels of the task, such as its language.
    * `cells` counts the gold cells of the task, and `by_rules` those of them that rules decided although a model should
      judge them.
    * `usage` has the tokens and the cost of the policy, and `judge_usage` those of the judge, if they are known.
    * `summary_usage` has the tokens of the model that summarised pages. They are not in `usage`.
    * `extra` has the metrics that only some tasks have (`TableScore.extra`).
    * `rows` says where gold rows were lost (`wideseek_env.evaluation.coverage.METRICS`). It is empty for tasks without
      a gold table, and has only some metrics for an answer of another program.
    """

    task_id: str
    trial: int
    success: float
    precision_by_row: float
    recall_by_row: float
    f1_by_row: float
    precision_by_item: float
    recall_by_item: float
    f1_by_item: float
    reward: float
    turns: int
    critical_path: int
    tool_calls: Mapping[str, int]
    subagents: int
    answered: bool
    ending: str
    errors: int
    failed: bool
    seconds: float
    labels: Mapping[str, Label] = field(default_factory=dict)
    task_digest: str = ""
    judge: str = ""
    usage: Mapping[str, float] | None = None
    judge_usage: Mapping[str, float] | None = None
    summary_usage: Mapping[str, float] | None = None
    extra: Mapping[str, float] = field(default_factory=dict)
    cells: int = 0
    by_rules: int = 0
    dropped: int = 0
    rows: Mapping[str, float] = field(default_factory=dict)

    @property
    def pair(self) -> Pair:
        """Task id and trial, which identify the episode in a run."""
        return self.task_id, self.trial

    @classmethod
    def of(cls, trajectory: Trajectory) -> EpisodeRecord:
        """The metrics of a recorded episode."""
        outcome, meta = trajectory.outcome, trajectory.meta
        coverage = coverage_of(trajectory)
        return cls(
            task_id=trajectory.task.id,
            trial=int(meta.get("trial", 0)),
            **_scores(trajectory.score),
            reward=trajectory.reward,
            turns=outcome["turns"],
            critical_path=outcome["critical_path"],
            tool_calls=dict(outcome["tool_calls"]),
            subagents=outcome["subagents"],
            answered=outcome["answer"] is not None,
            ending=outcome["ending"],
            errors=outcome["errors"],
            failed=bool(meta.get("failed", False)),
            seconds=float(trajectory.timing.get("seconds", 0.0)),
            labels=task_labels(trajectory.task),
            task_digest=task_digest(trajectory.task),
            cells=judged_cells(trajectory.task)[1],
            judge=trajectory.score.judge,
            usage=usage_of(meta.get("usage")),
            judge_usage=usage_of(meta.get("judge_usage")),
            summary_usage=summary_usage(trajectory.events),
            dropped=outcome.get("dropped", 0),
            rows=coverage.metrics() if coverage is not None else {},
        )

    @classmethod
    def of_response(
        cls,
        task: Task,
        trial: int,
        score: TableScore,
        *,
        missing: bool = False,
        judge_usage: Mapping[str, float] | None = None,
    ) -> EpisodeRecord:
        """The metrics of an answer of another program. Only the score is known.

        `missing` means that the program gave no answer.
        """
        return cls(
            task_id=task.id,
            trial=trial,
            **_scores(score),
            reward=score.f1_by_item,
            turns=0,
            critical_path=0,
            tool_calls={},
            subagents=0,
            answered=not missing,
            ending="missing" if missing else "answered",
            errors=0,
            failed=False,
            seconds=0.0,
            labels=task_labels(task),
            task_digest=task_digest(task),
            cells=judged_cells(task)[1],
            judge=score.judge,
            judge_usage=judge_usage,
            rows=covered(score, task),
        )

    def to_dict(self) -> dict[str, Any]:
        """The metrics as JSON values. `from_dict` reads them."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        if not self.extra:
            del data["extra"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EpisodeRecord:
        """The inverse of `to_dict`.

        Raises:
            TrajectoryError: `data` does not have this form.
        """
        try:
            record = cls(**data)
            wrong = [
                name
                for names, kinds in _KINDS
                for name in names
                if not isinstance(getattr(record, name), kinds)
            ]
            if wrong:
                raise TypeError(f"{wrong[0]} is {getattr(record, wrong[0])!r}")
        except TypeError as error:
            raise TrajectoryError(f"these are not the metrics of an episode: {error}") from error
        return record


_KINDS: tuple[tuple[tuple[str, ...], tuple[type, ...]], ...] = (
    (("task_id", "ending", "task_digest", "judge"), (str,)),
    (("trial", "turns", "critical_path", "subagents", "errors", "cells", "by_rules", "dropped"), (int,)),
    (("success", "f1_by_row", "f1_by_item", "reward", "seconds"), (int, float)),
    (("tool_calls", "labels", "extra", "rows"), (dict,)),
    (("usage", "judge_usage", "summary_usage"), (dict, type(None))),
)


def _scores(score: TableScore) -> dict[str, Any]:
    return {
        "success": score.score,
        "precision_by_row": score.precision_by_row,
        "recall_by_row": score.recall_by_row,
        "f1_by_row": score.f1_by_row,
        "precision_by_item": score.precision_by_item,
        "recall_by_item": score.recall_by_item,
        "f1_by_item": score.f1_by_item,
        "extra": dict(score.extra),
        "by_rules": score.by_rules,
    }
