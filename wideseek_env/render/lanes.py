"""The live frame. Each agent has a panel if all panels fit on the screen, otherwise a single line.

The frame is never larger than the screen.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import ConsoleRenderable, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from wideseek_env.render.view import Lane, View

_PANEL_LINES = 4
_PANEL_WIDTHS = (70, 44)
_LINE_WIDTHS = (70, 50, 32, 26)
_STYLES = {"acting": "bold cyan", "waiting": "yellow", "done": "green", "idle": "dim"}
_MARKS = {"acting": "▶", "waiting": "…", "done": "✓", "idle": "·"}


def live_frame(view: View, width: int, height: int) -> ConsoleRenderable:
    """`view` drawn to fit into `width` columns and `height` lines."""
    width, height = max(20, width), max(4, height - 1)  # the cursor needs one line
    question = _lines(view.question, width, 2 if height >= 16 else 1)
    footer = Text(_fit(view.counts, width), style="bold" if view.done else "")
    room = height - len(question) - 1
    return Group(*(Text(line, style="bold") for line in question), _grid(view.lanes, width, room), footer)


def _grid(lanes: Sequence[Lane], width: int, room: int) -> ConsoleRenderable:
    """The lanes in the largest form that fits."""
    for least in _PANEL_WIDTHS:
        columns = min(max(1, width // least), len(lanes))
        if -(-len(lanes) // columns) * _PANEL_LINES <= room:
            size = width // columns
            return _table([_panel(lane, size) for lane in lanes], columns, size)
    columns = 1
    for least in _LINE_WIDTHS:
        columns = max(1, width // least)
        if -(-len(lanes) // columns) <= room:
            break
    size = width // columns
    return _table(_single_lines(lanes, columns * max(1, room), size), columns, size)


def _single_lines(lanes: Sequence[Lane], slots: int, size: int) -> list[ConsoleRenderable]:
    """One line for each agent.

    If there is no room for all, acting agents come first. The last line counts the others.
    """
    chosen = list(lanes)
    rest: list[Lane] = []
    if len(lanes) > slots:
        order = sorted(range(len(lanes)), key=lambda at: (lanes[at].status in ("done", "idle"), at))
        kept = set(order[: slots - 1])
        chosen = [lane for at, lane in enumerate(lanes) if at in kept]
        rest = [lane for at, lane in enumerate(lanes) if at not in kept]
    lines: list[ConsoleRenderable] = [_single_line(lane, size) for lane in chosen]
    if rest:
        done = sum(lane.status == "done" for lane in rest)
        lines.append(Text(_fit(f"+ {len(rest)} more, {done} of them done", size - 1), style="dim"))
    return lines


def _single_line(lane: Lane, size: int) -> Text:
    head = f"{_MARKS[lane.status]} {lane.agent} {lane.turn}/{lane.limit} "
    return Text(_fit(head, size - 1), style=_STYLES[lane.status]).append(
        _fit(lane.action, size - 1 - cell_len(head)), style="not bold default"
    )


def _panel(lane: Lane, size: int) -> Panel:
    inner = size - 4
    body = Text(_fit(lane.action, inner) or " ").append(
        "\n" + (_fit(f"→ {lane.result}", inner) if lane.result else ""), style="dim"
    )
    title = Text(_fit(f"{_MARKS[lane.status]} {lane.agent} · {lane.state}", inner - 2), no_wrap=True)
    return Panel(
        body,
        title=title,
        title_align="left",
        border_style=_STYLES[lane.status],
        height=_PANEL_LINES,
        width=size,
    )


def _table(cells: Sequence[ConsoleRenderable], columns: int, size: int) -> Table:
    grid = Table.grid()
    for _ in range(columns):
        grid.add_column(width=size, no_wrap=True)
    for start in range(0, len(cells), columns):
        row = list(cells[start : start + columns])
        grid.add_row(*row, *[Text()] * (columns - len(row)))
    return grid


def _fit(text: str, size: int) -> str:
    """`text` cut to `size` terminal cells. A CJK character takes two cells."""
    if size <= 0:
        return ""
    if cell_len(text) <= size:
        return text
    return f"{set_cell_size(text, size - 1).rstrip()}…" if size > 1 else "…"


def _lines(text: str, width: int, count: int) -> list[str]:
    """`text` in at most `count` lines of `width` cells. The last line is cut if there is more text."""
    lines: list[str] = []
    while text and len(lines) < count - 1:
        if cell_len(text) <= width:
            break
        head = set_cell_size(text, width)
        at = head.rfind(" ")
        cut = at if at > width // 2 else len(head.rstrip())
        lines.append(text[:cut])
        text = text[cut:].lstrip()
    return [*lines, _fit(text, width)]
