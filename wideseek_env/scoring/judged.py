"""Which cells a judge decides, and a warning when no model does.

The WideSearch benchmark lets a model decide the cells of a column with the metric `llm_judge`. If no model is given,
rules decide them. Rules refuse many cells that a model accepts, so such scores are lower than published ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from wideseek_env.errors import JudgeWarning
from wideseek_env.scoring.judges import Judge, OfflineJudge
from wideseek_env.scoring.short_answer import COLUMN
from wideseek_env.task import Task

_QUIET: ContextVar[bool] = ContextVar("wideseek_env.scoring.judged.quiet", default=False)


@dataclass(frozen=True, slots=True)
class Judging:
    """Who decides the cells of some tasks for a judge.

    `judge` is the name of the judge and its version. `judged` is the number of gold cells for a judge, `cells` the
    number of all gold cells. `model` is False if rules decide the cells for a judge.
    """

    judge: str
    model: bool
    judged: int
    cells: int

    @property
    def by_rules(self) -> float:
        """The share of cells that a model should judge but rules decide, from 0 to 1."""
        return 0.0 if self.model or not self.cells else self.judged / self.cells

    @property
    def warning(self) -> str:
        """What the user must know, or "" if a model judges or no cell is for a judge."""
        return by_rules_text(self.by_rules, self.judge) if self.by_rules else ""

    def to_dict(self) -> dict[str, object]:
        """The judge and the share as JSON values, for records."""
        return {"judge": self.judge, "model": self.model, "by_rules": round(self.by_rules, 6)}


def by_rules_text(share: float, judge: str) -> str:
    """The warning that rules decide a `share` of the cells, in sentences. `judge` is the name of the rules."""
    return (
        f"{share_text(share)} of the cells are for a model to judge (metric llm_judge), but {judge} decides them by "
        "rules. Scores are lower than with a model, and do not compare with published ones. "
        "Give a model: --judge openai:MODEL@URL (judge= in Python)."
    )


def share_text(share: float) -> str:
    """A share above 0 in percent. A tiny share does not become 0."""
    return "less than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def judge_name(judge: Judge | None) -> str:
    """The name of a judge. None is the offline judge."""
    return (judge if judge is not None else OfflineJudge()).name


def is_model(judge: Judge | None) -> bool:
    """Whether `judge` is more than rules. A recording of the offline judge is rules too."""
    if judge is None:
        return False  # without making an offline judge, which reads its aliases
    name = judge_name(judge)
    while name.startswith("recorded(") and name.endswith(")"):
        name = name.removeprefix("recorded(").removesuffix(")")
    return not (isinstance(judge, OfflineJudge) or name.partition("(")[0].partition("-")[0] == "offline")


def judged_cells(task: Task, *, published: bool = False) -> tuple[int, int]:
    """The number of gold cells of `task` that a judge decides, and the number of all gold cells.

    `published` is the scoring of `score_wideseek_r1`, where a judge decides every cell that is not a key, and short
    answers. In the other modes, a judge decides the columns with `llm_judge`, and short answers whose spec has it.
    """
    if task.gold is None:
        return int(published or "llm_judge" in task.spec(COLUMN).metrics), 1
    columns = dict.fromkeys(task.columns)
    if published:
        judged = sum(name not in task.key_columns for name in columns)
    else:
        judged = sum("llm_judge" in task.spec(name).metrics for name in columns)
    rows = len(task.gold.rows)
    return judged * rows, len(columns) * rows


def judging_of(tasks: Iterable[Task], judge: Judge | None, *, published: bool = False) -> Judging:
    """Who decides the cells of `tasks` for a judge."""
    judged = cells = 0
    for task in tasks:
        one, every = judged_cells(task, published=published)
        judged, cells = judged + one, cells + every
    return Judging(judge_name(judge), is_model(judge), judged, cells)


def warn_by_rules(judging: Judging) -> None:
    """Give a `JudgeWarning` if rules decide cells for a model. Python shows the same warning once."""
    if judging.warning and not _QUIET.get():
        warnings.warn(judging.warning, JudgeWarning, stacklevel=1)


@contextmanager
def quiet() -> Iterator[None]:
    """Give no `JudgeWarning` inside, for code that opens a game again for which the user was warned."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
