"""Tables for the terminal about gold rows: how many the answers cover, and where the others were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from wideseek_env.evaluation.coverage import FATES, LABELS, METRICS, REPEATED

if TYPE_CHECKING:
    from wideseek_env.evaluation.summary import Summary
    from wideseek_env.evaluation.sweep import Sweep

_COLUMNS = {
    "coverage": "cov-\nered",
    "value_precision": "cells\nright",
    "blank_values": "cells\nblank",
    "right": "rows\nright",
    "wrong_values": "wrong/\nblank",
    "lost_in_merge": "lost in\nmerge",
    "not_reported": "not re-\nported",
    "not_found": "not\nfound",
    "repeated_rows": "rows\ntwice",
    "repeated_pages": "pages\ntwice",
    "repeated_queries": "quer.\ntwice",
}


def shown(summary: Summary, name: str) -> str:
    """A metric as points out of 100. It is "–" if it is not known."""
    share = summary.rows.get(name)
    return "–" if share is None else f"{100 * share:.1f}"


def add_rows(table: Table, summary: Summary) -> None:
    """Add the lines about gold rows to the table of a summary. Nothing is added if no task has gold rows."""
    if not summary.rows:
        return
    table.add_row("coverage", shown(summary, "coverage"), "gold rows whose key the answer has")
    blank = f"right cells outside the key in these rows; blank {shown(summary, 'blank_values')}"
    table.add_row("value precision", shown(summary, "value_precision"), blank)
    if FATES[0] not in summary.rows:
        return
    lost = [f"{LABELS[fate]} {shown(summary, fate)}" for fate in FATES[2:]]
    share = 1 - summary.rows["right"] - summary.rows["wrong_values"]
    table.add_row("lost rows", f"{100 * abs(share):.1f}", ", ".join(lost))
    if summary.subagents:
        again = [f"{name.split('_')[1]} {shown(summary, name)}" for name in REPEATED]
        table.add_row("repeated work", "", f"of several subagents: {', '.join(again)}")


def rows_table(sweep: Sweep) -> Table | None:
    """One line for each point of a sweep. None if no task has gold rows."""
    if not any(point.summary.rows for point in sweep.points):
        return None
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)  # fits in 80 characters
    table.caption = (
        "gold rows in percent; rows right, wrong/blank, lost in merge, not reported and not found sum to 100"
    )
    for header in (sweep.kind, *(_COLUMNS[name] for name in METRICS)):
        table.add_column(header, justify="right", no_wrap=True)
    for point in sweep.points:
        cells = [
            Text(shown(point.summary, name), style="bold" if name == "coverage" else "") for name in METRICS
        ]
        table.add_row(point.label, *cells)
    return table
