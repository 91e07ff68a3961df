"""The scored answer as a table for the terminal. A wrong cell also shows the gold value.

Right and wrong cells differ in a mark as well as in colour.
"""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.render.printable import one_line, printable
from wideseek_env.render.view import verdict
from wideseek_env.scoring.result import CellVerdict, TableScore
from wideseek_env.task import Task

_CELL = 60
LEGEND = "✓ right · ✗ answered ≠ gold · ∅ missing (gold) · + a row that the gold table does not have"


def scored_answer(run: EpisodeRun, *, limit: int = 100) -> RenderableType:
    """The answer of an ended episode compared with the gold table, in at most `limit` rows, and the score."""
    score = run.score
    line = Text(verdict(run), style="bold")
    if score is None:
        return line
    outcome = run.episode.outcome
    answer = outcome.answer if outcome is not None else None
    if run.task.gold is None:
        accepted = " / ".join(one_line(text, _CELL) for text in run.task.answers)
        given = Text(one_line(answer or "(none)", 400))
        return Group(Text("Answer: ").append_text(given), Text(f"Accepted: {accepted}"), line)
    parts: list[RenderableType] = [score_table(score, run.task, limit), Text(LEGEND, style="dim")]
    if score.message:
        parts.append(Text(printable(score.message), style="dim"))
    return Group(*parts, line)


def score_table(score: TableScore, task: Task, limit: int) -> Table:
    """A table with one row for each gold row, followed by the rows of the answer that match no gold row."""
    table = Table(box=None, padding=(0, 1), header_style="bold", pad_edge=False)
    for column in score.columns:
        mark = " (key)" if column in task.key_columns else ""
        table.add_column(Text(one_line(column, _CELL) + mark), overflow="fold")
    for row in score.cells[:limit]:
        table.add_row(*map(_cell, row.cells))
    if len(score.cells) > limit:
        table.add_row(Text(f"… and {len(score.cells) - limit} more rows", style="dim"))
    for extra in score.extra_rows[:limit]:
        table.add_row(*(Text(f"+ {one_line(cell, _CELL)}", style="yellow") for cell in extra))
    return table


def _cell(cell: CellVerdict) -> Text:
    predicted, gold = one_line(cell.predicted, _CELL), one_line(cell.gold, _CELL)
    match cell.verdict:
        case "right":
            return Text(f"✓ {predicted}", style="green")
        case "wrong":
            return Text("✗ ", style="red").append(predicted).append(f" ≠ {gold}", style="dim")
    return Text(f"∅ ({gold})", style="yellow")
