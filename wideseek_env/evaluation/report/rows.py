"""The section of a report about gold rows: how many the answers cover, and where the others were lost."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.evaluation.coverage import LABELS, METRICS
from wideseek_env.evaluation.curves import Curve
from wideseek_env.evaluation.drawing import plot_available
from wideseek_env.evaluation.plot_rows import draw_rows, has_rows
from wideseek_env.evaluation.report.entries import Entry
from wideseek_env.evaluation.report.html import Markup, figure, heading, table

_ABOUT = (
    "Means over tasks, in percent. A gold row is covered if the answer has its key. Value precision is the share of "
    "right cells outside the key in covered rows. The five shares from right to not found sum to 100. Repeated rows, "
    "pages and queries are the share that another subagent had already reported, opened or searched. – means not known."
)


def rows(entries: Sequence[Entry]) -> Markup:
    """A table with one line for each point and run, and a figure for each sweep. Empty if no task has gold rows."""
    parts = [(entry, part) for entry in entries for part in entry.parts]
    if not any(part.summary.rows for _, part in parts):
        return Markup("")
    names = [LABELS.get(name, name.replace("_", " ")) for name in METRICS]
    lines: list[list[object]] = []
    for entry, part in parts:
        shares = [part.summary.rows.get(name) for name in METRICS]
        lines.append([entry.name, part.label, *("–" if x is None else f"{100 * x:.1f}" for x in shares)])
    found = [heading(2, "Gold rows", "rows"), Markup(f'<p class="soft">{_ABOUT}</p>')]
    found.append(table(["run", "", *names], lines))
    for number, entry in enumerate(entries):
        if entry.sweep is None or not plot_available() or not any(point.size for point in entry.sweep.points):
            continue
        curve = Curve.of(entry.sweep, entry.name)
        if has_rows(curve):
            caption = f"{entry.name}: where gold rows were lost"
            found.append(figure(draw_rows(curve), caption, f"figure-rows-{number}", column=True))
    return Markup("\n".join(found))
