"""Where gold rows were lost, in tables for the terminal, figures and reports."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table as RichTable
from toy_team import ToyTeam, town_setup

from wideseek_env.cli.row_tables import rows_table
from wideseek_env.cli.tables import summary_table
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import Curve, Sweep, draw_rows, read_entries, write_report
from wideseek_env.evaluation.depth import depth_sweep
from wideseek_env.evaluation.width import width_sweep


def sweep(folder: Path | None = None) -> Sweep:
    return width_sweep(town_setup(count=2), ToyTeam, (1, 2, 4), policy_name="toy", folder=folder, single=True)


def without_rows(found: Sweep, *labels: str) -> Sweep:
    """The sweep with points as an earlier version recorded them."""
    points = [
        dataclasses.replace(point, summary=dataclasses.replace(point.summary, rows={}))
        if point.label in labels
        else point
        for point in found.points
    ]
    return dataclasses.replace(found, points=tuple(points))


def shown(table: RichTable | None) -> str:
    assert table is not None
    out = io.StringIO()
    Console(file=out, width=120).print(table)
    return out.getvalue()


def line(text: str, first: str) -> list[str]:
    return next(cells for row in text.splitlines() if (cells := row.split()) and cells[0] == first)


def test_the_table_of_a_sweep() -> None:
    text = shown(rows_table(sweep()))
    assert line(text, "2") == [
        "2",
        "50.0",
        "100.0",
        "0.0",
        "50.0",
        "0.0",
        "0.0",
        "0.0",
        "50.0",
        "0.0",
        "0.0",
        "0.0",
    ]
    assert line(text, "single")[1] == "50.0"


def test_points_without_rows_show_a_dash() -> None:
    found = sweep()
    assert line(shown(rows_table(without_rows(found, "2"))), "2") == ["2", *["–"] * 11]
    assert rows_table(without_rows(found, "single", "1", "2", "4")) is None
    assert without_rows(found, "4").to_csv().splitlines()[-1].endswith("," * 11)


def test_the_table_of_a_summary() -> None:
    single, *_, last = sweep().points
    text = shown(summary_table(last.summary))
    assert line(text, "coverage")[1] == "100.0"
    assert "lost in the merge 0.0, found but not reported 0.0, not found 0.0" in text
    assert "repeated work" in text
    alone = shown(summary_table(single.summary))
    assert line(alone, "lost")[:3] == ["lost", "rows", "50.0"]
    assert "repeated work" not in alone
    assert "coverage" not in shown(summary_table(dataclasses.replace(last.summary, rows={})))
    scored = {"coverage": 0.25, "value_precision": 1.0, "blank_values": 0.0}
    text = shown(summary_table(dataclasses.replace(last.summary, rows=scored), played=False))
    assert line(text, "coverage")[1] == "25.0"
    assert "lost rows" not in text


def test_the_figure_has_a_bar_for_each_size() -> None:
    pytest.importorskip("matplotlib")
    found = sweep()
    curve = Curve.of(found, "toy")
    svg = draw_rows(curve).render("svg").decode()
    assert svg == draw_rows(curve).render("svg").decode()
    for name in ("single", "right", "wrong or blank values", "lost in the merge", "not found", "item-F1"):
        assert f">{name}</text>" in svg
    heights = [[bar.get_height() for bar in bars] for bars in draw_rows(curve).figure.axes[0].containers]
    assert [sum(column) for column in zip(*heights, strict=True)] == pytest.approx([100] * 4)
    some = draw_rows(Curve.of(without_rows(found, "2", "single"), "toy")).figure.axes[0]
    assert [bar.get_x() + bar.get_width() / 2 for bar in some.containers[0]] == pytest.approx([1, 3])
    with pytest.raises(ConfigError, match="toy has no record of where gold rows were lost"):
        draw_rows(Curve.of(without_rows(found, "1", "2", "4"), "toy"))


def test_the_report_has_a_section(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep(tmp_path / "wide")
    depth_sweep(town_setup(count=2), ToyTeam, (1, 2), policy_name="toy", folder=tmp_path / "deep")
    write_report(
        read_entries([tmp_path / "wide", tmp_path / "deep"], ["wide", "deep"]), tmp_path / "report.html"
    )
    text = (tmp_path / "report.html").read_text()
    assert '<h2 id="rows">' in text
    assert '<a href="#rows">Gold rows</a>' in text
    assert 'id="figure-rows-0"' in text
    assert 'id="figure-rows-1"' in text
    section = text[text.index('<h2 id="rows">') : text.index('<h2 id="figures">')]
    assert section.count("<tr><th>") == 1 + 4 + 2
