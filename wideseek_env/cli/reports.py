"""The output of `eval`, `score`, `summary` and `compare`: tables for people, or JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wideseek_env.cli.output import result

if TYPE_CHECKING:
    from wideseek_env.evaluation.compare import Comparison
    from wideseek_env.evaluation.summary import Summary, SummaryAccumulator

FORMATS = ("table", "json", "benchmark")


def print_metrics(
    accumulator: SummaryAccumulator,
    by: Sequence[str],
    *,
    form: str = "table",
    played: bool = True,
    strict: bool = False,
    seed: int = 0,
    further: Mapping[str, Any] | None = None,
) -> None:
    """Print the summary of the records in an accumulator.

    Args:
        by: Keys that group the metrics. If empty, the default keys are used, except those with only one group.
        form: One of `FORMATS`. "benchmark" prints the summary file of the WideSearch benchmark.
        played: False if the answers were scored without running episodes. Turns, calls and reward are then left out.
        strict: Whether the answers were scored strictly. The table says so.
        seed: Seed of the bootstrap intervals.
        further: Further values for the JSON, by name.
    """
    from wideseek_env.evaluation.folder import summary_dict
    from wideseek_env.evaluation.labels import DEFAULT_BY
    from wideseek_env.evaluation.summary import benchmark_summary

    if form == "benchmark":
        result(lambda: benchmark_summary(accumulator.records), json=True)
        return
    summary = accumulator.summary(seed=seed)
    groups = accumulator.by(by or DEFAULT_BY, seed=seed)

    def show() -> None:
        _print_tables(summary, groups, by, played, strict)

    result(
        lambda: {**summary_dict(summary, groups, strict=strict), **(further or {})}, show, json=form == "json"
    )


def _print_tables(
    summary: Summary,
    groups: Mapping[str, Mapping[str, Summary]],
    by: Sequence[str],
    played: bool,
    strict: bool,
) -> None:
    from rich.text import Text

    from wideseek_env.cli.console import console
    from wideseek_env.cli.tables import (
        groups_table,
        pass_line,
        questions_table,
        summary_table,
        trials_table,
    )

    terminal = console()
    terminal.print(summary_table(summary, played=played, strict=strict))
    if summary.trials > 1:
        terminal.print(trials_table(summary))
        terminal.print(Text(pass_line(summary)))
    if summary.questions.sets:
        terminal.print(questions_table(summary))
    if summary.incomplete:
        told = (
            f"{summary.incomplete} of {summary.tasks} tasks have fewer than {summary.trials} trials so far."
        )
        terminal.print(Text(told, style="yellow"))
    for key, parts in groups.items():
        if by or len(parts) > 1:
            terminal.print(groups_table(key, parts, played=played))


def print_comparison(comparison: Comparison) -> None:
    """Print the comparison of two runs."""
    from rich.text import Text

    from wideseek_env.cli.console import console
    from wideseek_env.cli.tables import changes_table, comparison_table, metric_label
    from wideseek_env.render.printable import one_line

    terminal = console()
    only = [
        f"{count} only in the {which}"
        for count, which in ((comparison.only_first, "first"), (comparison.only_second, "second"))
        if count
    ]
    for which, name, scoring in zip(
        ("first", "second"), (comparison.first, comparison.second), comparison.scoring, strict=True
    ):
        told = f" ({scoring} scoring)" if scoring else ""
        terminal.print(Text(f"{which:<7} {one_line(name, 200)}{told}"), soft_wrap=True)
    terminal.print(Text(f"tasks   {', '.join([f'{comparison.tasks} in both', *only])}"))
    if comparison.settings:
        different = "; ".join(
            f"{name}: {one_line(str(one), 60)} → {one_line(str(other), 60)}"
            for name, one, other in comparison.settings
        )
        terminal.print(Text(f"differ  {different}"), soft_wrap=True)
    for note in comparison.notes:
        terminal.print(Text(f"Note: {note}", style="yellow"), soft_wrap=True)
    terminal.print(comparison_table(comparison))
    if comparison.changes:
        terminal.print(Text(f"Tasks that differ most in {metric_label(comparison.changed_by)}"))
        terminal.print(changes_table(comparison))
