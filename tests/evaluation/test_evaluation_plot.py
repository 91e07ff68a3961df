"""Figures: what stands in them as text, which files they are, and that they are the same every time."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.evaluation import Curve, Summary, Sweep, SweepPoint, draw_metric, draw_overview, plot_sweep
from wideseek_env.evaluation.drawing import COLOURS, stroke
from wideseek_env.evaluation.summary import TrialMetric
from wideseek_env.evaluation.sweep import Kind


def point(size: int | None, f1: float, tokens: float | None = None, path: float = 9.0) -> SweepPoint:
    metric = TrialMetric(avg=f1, avg_low=f1 * 0.9, avg_high=min(1.0, f1 * 1.1))
    figures = Summary(
        episodes=9,
        tasks=9,
        item_f1=f1,
        turns=4,
        critical_path=path,
        tool_calls={"search": 3, "delegate": 2},
        metrics={"f1_by_item": metric, "f1_by_row": metric, "score": metric},
        metered=9 if tokens is not None else 0,
        usage={"completion_tokens": tokens} if tokens is not None else {},
    )
    return SweepPoint(size, figures)


def sweep(sizes: tuple[int | None, ...] = (1, 2, 4, 8), kind: Kind = "width", **costs: float) -> Sweep:
    points = tuple(point(size, 0.1 * (n + 4), **costs) for n, size in enumerate(sizes))
    return Sweep(points, {"policy": "p$y^2$", "tasks": "博物馆 <b>"}, kind)


def curve(name: str = "mine", **what: object) -> Curve:
    return Curve.of(sweep(**what), name)  # type: ignore[arg-type]


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [unescape("".join(each.itertext())) for each in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(autouse=True)
def matplotlib_is_there() -> None:
    pytest.importorskip("matplotlib")


def test_the_widths_are_the_ticks_and_text_stays_text() -> None:
    found = texts(draw_metric([curve(sizes=(1, 3, 6))]).render("svg"))
    assert found[:3] == ["1", "3", "6"]
    assert "Width: subagents at once" in found
    assert "Item-F1 (0–100)" in found
    wide = draw_metric([curve(sizes=(1, 3, 6))], metric="success").render("svg")
    assert "Success (0–100)" in texts(wide)


def marks(svg: bytes, number: int) -> list[tuple[float, float]]:
    """Where the markers in the colour of a curve are, from left to right."""
    uses = re.findall(rf'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: {COLOURS[number]}', svg.decode())
    return sorted({(float(x), float(y)) for x, y in uses if float(x) > 0})


def test_points_are_where_the_numbers_say() -> None:
    places = marks(draw_metric([curve(sizes=(1, 2, 8))]).render("svg"), 0)
    assert len(places) == 3
    across = [x for x, _ in places]
    assert (across[2] - across[1]) / (across[1] - across[0]) == pytest.approx(2, rel=1e-3), "log2"
    up = [y for _, y in places]
    assert up[0] - up[1] == pytest.approx(up[1] - up[2], rel=1e-3), "40, 50 and 60 are as far apart"
    assert up[0] > up[2], "higher is better"


def test_several_runs_are_told_apart_by_colour_marker_and_line() -> None:
    svg = draw_metric([curve("before"), curve("after", sizes=(2, 4, 16))]).render("svg").decode()
    assert {"before", "after"} <= set(texts(svg.encode()))
    assert texts(svg.encode())[:5] == ["1", "2", "4", "8", "16"]
    assert COLOURS[0] in svg
    assert COLOURS[1] in svg
    looks = [stroke(n) for n in range(35)]
    assert len({(s.colour, s.marker, str(s.line)) for s in looks}) == 35
    assert len({(s.marker, str(s.line)) for s in looks}) == 35, "also in grey"


def test_curves_against_a_cost_name_their_points() -> None:
    curves = [
        Curve.of(Sweep(tuple(point(n, 0.5 + n / 99, path=30 / n) for n in (1, 2, 8)), {}, "width"), "wide"),
        Curve.of(Sweep(tuple(point(n, 0.3 + n / 99, path=n) for n in (4, 20)), {}, "depth"), "deep"),
    ]
    found = texts(draw_metric(curves, axis="critical-path").render("svg"))
    assert "Critical path (turns)" in found
    assert {"wide", "deep", "width 1", "width 8", "2", "4 turns", "20 turns"} <= set(found)
    with pytest.raises(ConfigError, match="different sizes"):
        draw_metric(curves)
    with pytest.raises(ConfigError, match="wide has no generated tokens per episode: it was not measured"):
        draw_metric(curves, axis="tokens")
    tokens = draw_metric([curve(tokens=5000.0)], axis="tokens").render("svg")
    assert "Generated tokens per episode" in texts(tokens)


def test_the_overview_of_one_run_and_of_several(tmp_path: Path) -> None:
    plot_sweep(sweep((None, 1, 2, 4)), tmp_path / "a.svg")
    found = texts((tmp_path / "a.svg").read_bytes())
    assert "p$y^2$ on 9 tasks of 博物馆 <b>" in found, "names are no formulas and no markup"
    assert {"Item-F1", "Row F1", "Success", "single agent", "Critical path (turns)"} <= set(found)
    assert found.count("9") == 3, "whole numbers have no decimals"
    assert "Turns of all agents" in found
    both = texts(draw_overview([curve("one", tokens=9.0), curve("two", tokens=8.0)]).render("svg"))
    assert {"one", "two", "Generated tokens per episode"} <= set(both)
    deep = texts(draw_overview([curve(kind="depth")]).render("svg"))
    assert {"Depth: turns of the single agent", "Episodes that end with an answer (%)"} <= set(deep)


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_files_are_the_same_every_time(tmp_path: Path, form: str) -> None:
    plot_sweep(sweep(), tmp_path / f"a.{form}")
    plot_sweep(sweep(), tmp_path / f"b.{form}")
    data = (tmp_path / f"a.{form}").read_bytes()
    assert data == (tmp_path / f"b.{form}").read_bytes()
    assert data.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form])
    for dated in (b"CreationDate", b"<dc:date>", b"Matplotlib"):
        assert dated not in data
    if form == "png":
        assert int.from_bytes(data[16:20], "big") == 2070
    if form == "svg":
        assert len(data) < 60_000


def test_a_column_is_a_column() -> None:
    root = ElementTree.fromstring(draw_metric([curve()]).render("svg"))
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(3.35 * 72)


@pytest.mark.parametrize("sizes", [(4,), (None, 1, 3), (1, 2, 4, 8, 16, 32, 64)], ids=str)
def test_any_number_of_points(sizes: tuple[int | None, ...]) -> None:
    found = texts(draw_metric([curve(sizes=sizes)]).render("svg"))
    assert [str(size) for size in sizes if size is not None] == found[: len([s for s in sizes if s])]


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no width to draw"):
        plot_sweep(Sweep((point(None, 0.5),), {}), tmp_path / "a.png")
    with pytest.raises(ConfigError, match="nothing to draw"):
        draw_metric([])
    with pytest.raises(ConfigError, match="no metric 'f2'"):
        draw_metric([curve()], metric="f2")
    with pytest.raises(ConfigError, match="unknown axis 'money'"):
        draw_metric([curve()], axis="money")
    with pytest.raises(ConfigError, match="unknown format 'gif'"):
        plot_sweep(sweep(), tmp_path / "a.gif")


def test_without_matplotlib_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r'pip install -e "\.\[plot\]"'):
        plot_sweep(sweep(), tmp_path / "a.png")
