"""What `wideseek bench suite` prints: what a run will take, and the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from wideseek_env.cli.console import console, say
from wideseek_env.cli.output import is_json, is_quiet
from wideseek_env.cli.progress import Bar
from wideseek_env.cli.spending import Part
from wideseek_env.cli.tables import points
from wideseek_env.evaluation.suite.card import SINGLE, Card
from wideseek_env.evaluation.suite.expect import Expected, Load, expected, mean_load, pilot, pilot_label
from wideseek_env.evaluation.suite.run import OpenSuite, episodes_left, recorded_sweep
from wideseek_env.evaluation.sweep import MakePolicy

_ABOUT = (
    "The expected numbers are measured on at least one episode of each kind, and scaled like the scripted team. The "
    "time is for one episode after another: a policy that runs many at once needs less. The last columns are the limit "
    "that the rules set."
)
_ESTIMATED = "≈: the policy reports no tokens, so these are those of the scripted team, at 4 characters each."


def announce(
    opened: OpenSuite,
    make: MakePolicy,
    references: Mapping[str, Card],
    out: Path | None,
    keep_going: bool,
) -> dict[str, Expected]:
    """Say what the run will take. The policy plays one task of each kind that has no record in `out` yet.

    Returns the same by kind.
    """
    for kind in opened.suite.kinds:
        if kind.name in opened.absent:
            say(
                f"Not run: {kind.title}. {opened.absent[kind.name][0].upper()}{opened.absent[kind.name][1:]}."
            )
    left = {each.kind.name: episodes_left(opened, each, out) for each in opened.kinds}
    todo = sum(sum(each.values()) for each in left.values())
    measured = _measured(opened, make, out, keep_going) if todo else {}
    found = [
        expected(
            left[each.kind.name], each.game.rules, each.kind.name, references, measured.get(each.kind.name)
        )
        for each in opened.kinds
    ]
    widths = ", ".join(map(str, opened.size.widths))
    told = (
        f"Suite {opened.suite.version}, size {opened.size_name}: a single agent, and teams of the widths {widths}. "
        f"{todo:,} of {opened.episodes:,} episodes are still to be run."
    )
    terminal = console(quiet=is_quiet() or is_json())
    terminal.print(Text(told), soft_wrap=True)
    by_kind = {each.kind.name: load for each, load in zip(opened.kinds, found, strict=True)}
    if not todo:
        return by_kind
    terminal.print(_expected_table([each.kind.title for each in opened.kinds], found))
    terminal.print(Text(_ABOUT), soft_wrap=True)
    if any(each.load.estimated for each in found):
        terminal.print(Text(_ESTIMATED), soft_wrap=True)
    return by_kind


def suite_parts(opened: OpenSuite, out: Path | None) -> list[Part]:
    """The episodes that are still to be run, for each kind and each point."""
    parts = []
    for kind in opened.kinds:
        for label, count in episodes_left(opened, kind, out).items():
            alone = label == SINGLE
            rules = kind.game.rules if alone else kind.game.rules.replace(width=int(label))
            parts.append(Part(kind.game.replace(team=not alone, rules=rules), kind.tasks, count))
    return parts


def _measured(
    opened: OpenSuite, make: MakePolicy, out: Path | None, keep_going: bool
) -> dict[str, tuple[str, Load]]:
    """A point and the mean load of an episode there, for each kind: from the records in `out`, or played now."""
    label = pilot_label(opened.size)
    found: dict[str, tuple[str, Load]] = {}
    with Bar(f"Measuring one task of each kind at width {label}", len(opened.kinds), "kinds") as bar:
        for number, each in enumerate(opened.kinds, 1):
            sweep = recorded_sweep(out, each) if out is not None else None
            recorded = {point.label: point for point in sweep.points} if sweep is not None else {}
            at = label if label in recorded else next(iter(recorded), None)
            if at is not None:
                found[each.kind.name] = at, mean_load(recorded[at].records)
            else:
                seed = opened.suite.seed
                played = pilot(each.game, make, each.tasks, label, seed, keep_going=keep_going)
                found[each.kind.name] = label, played
            bar.update(number)
    return found


def _expected_table(titles: Sequence[str], found: Sequence[Expected]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("tasks")
    for header in (
        "episodes",
        "turns",
        "tokens read",
        "written",
        "time",
        "at most: turns",
        "read",
        "written",
    ):
        table.add_column(header, justify="right")
    for title, each in zip(titles, found, strict=True):
        table.add_row(title, f"{each.episodes:,}", *_cells(each.load, each.most))
    if len(found) > 1:
        load, *loads = (each.load for each in found)
        most, *bounds = (each.most for each in found)
        for one, other in zip(loads, bounds, strict=True):
            load, most = load + one, most + other
        table.add_section()
        table.add_row("all", f"{sum(each.episodes for each in found):,}", *_cells(load, most))
    return table


def _cells(load: Load, most: Load) -> list[str]:
    about = "≈ " if load.estimated else ""

    def tokens(value: float | None) -> str:
        return "–" if value is None else f"{about}{_large(value)}"

    return [
        _large(load.turns), tokens(load.read), tokens(load.written), _time(load.seconds),
        _large(most.turns), _large(most.read or 0), _large(most.written or 0),
    ]  # fmt: skip


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 3600:
        return f"{max(1.0, seconds / 60):.0f} min"
    return f"{seconds / 3600:,.1f} h"


def _large(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value:,.0f}"


def show_card(opened: OpenSuite, card: Card) -> None:
    """Print the results: item-F1 at each width, and metrics of the largest width."""
    sizes = [SINGLE, *map(str, opened.size.widths)]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("item-F1")
    for header in (*sizes, "mean over widths", "critical path", "covered"):
        table.add_column(header, justify="right")
    for kind in card.kinds.values():
        score = kind.width_score
        widest = next((kind.points[size] for size in reversed(sizes) if size in kind.points), None)
        covered = widest.rows.get("coverage") if widest is not None else None
        table.add_row(
            kind.title,
            *(points(kind.points[size].item_f1) if size in kind.points else "–" for size in sizes),
            Text(points(score) if score is not None else "–", style="bold"),
            f"{widest.critical_path:.1f}" if widest is not None else "–",
            points(covered) if covered is not None else "–",
        )
    scoring = card.scoring.get("table", "lenient")
    table.caption = f"{scoring} scoring; critical path and covered gold rows are those of the largest width"
    terminal = console()
    terminal.print(table)
    titles = {kind.name: kind.title for kind in opened.suite.kinds}
    for name, why in card.absent.items():
        terminal.print(Text(f"{titles[name]} was not run: {why}."), soft_wrap=True)
