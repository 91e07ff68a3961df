"""HTML for notebooks: a task, a table and a score as tables, and an ended episode as the viewer's page in a frame.

All texts are escaped. The frame is sandboxed, so the page in it cannot reach the notebook.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.scoring import TableScore
from wideseek_env.scoring.result import CellVerdict
from wideseek_env.task import Table, Task
from wideseek_env.trajectory import Trajectory, TrajectoryWriter
from wideseek_env.viewer.page import page
from wideseek_env.viewer.runs import RunReader

MAX_ROWS = 50
"""The number of rows of a table that a notebook shows."""

_HEIGHT = 720  # of the frame, in pixels
_COLOURS = {"right": "#1a7f3740", "wrong": "#cf222e40", "missing": "#9a670040", "extra": "#6e778140"}


@singledispatch
def html_of(value: object) -> str | None:
    """HTML for a notebook. None if there is nothing to show yet."""
    return None


@html_of.register
def _(value: Table) -> str:
    return _table(value.header, ([_cell(text) for text in row] for row in value.rows))


@html_of.register
def _(value: Task) -> str:
    question = f"<p><b>{escape(value.question)}</b></p>"
    if value.gold is None:
        return f"{question}<p>Accepted answers: {escape('; '.join(value.answers))}</p>"
    return f"{question}{html_of(value.gold)}"


@html_of.register
def _(value: TableScore) -> str:
    numbers = (
        f"item-F1 <b>{100 * value.f1_by_item:.1f}</b>, row-F1 {100 * value.f1_by_row:.1f}, "
        f"success {value.score:g}. {escape(value.message)}"
    )
    rows = [[_verdict(cell) for cell in row.cells] for row in value.cells]
    rows += [[_cell(text, "extra") for text in row] for row in value.extra_rows]
    legend = " ".join(
        f'<span style="background:{colour};padding:0 .5em">{name}</span>' for name, colour in _COLOURS.items()
    )
    table = f"{_table(value.columns, rows)}<p>{legend}</p>" if rows else ""
    return f"<p>{numbers}</p>{table}"


@html_of.register
def _(value: Trajectory) -> str:
    with TemporaryDirectory() as folder:
        path = (
            Path(folder) / f"{value.task.id.encode('ascii', 'replace').decode().replace('/', '-')[:80]}.jsonl"
        )
        with TrajectoryWriter(path) as writer:
            writer.write(value)
        run = RunReader(path)
        run.refresh()
        whole = "".join(page([run]))
    frame = f'sandbox="allow-scripts" style="width:100%;height:{_HEIGHT}px;border:1px solid #6e778140"'
    return f'<iframe {frame} srcdoc="{escape(whole)}"></iframe>'


@html_of.register
def _(value: EpisodeRun) -> str | None:
    return html_of(value.trajectory()) if value.done else None


def _table(header: Iterable[str], rows: Iterable[list[str]]) -> str:
    """A table of the first rows, and a line that says how many there are if that is not all of them."""
    lines = list(rows)
    head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in lines[:MAX_ROWS])
    note = f"<p>The first {MAX_ROWS} of {len(lines)} rows.</p>" if len(lines) > MAX_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _verdict(cell: CellVerdict) -> str:
    if cell.verdict == "right":
        return _cell(cell.predicted, "right")
    if cell.verdict == "missing":
        return _cell(f"({cell.gold})", "missing")
    return _cell(f"{cell.predicted} (not {cell.gold})", "wrong")


def _cell(text: str, colour: str = "") -> str:
    style = f"text-align:left;background:{_COLOURS[colour]}" if colour else "text-align:left"
    return f'<td style="{style}">{escape(text)}</td>'
