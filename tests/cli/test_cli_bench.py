"""`bench depth`, `bench plot`, `bench report` and equal budgets on the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from wideseek_env.trajectory import load_trajectories

Call = Callable[..., Result]
LOOSE = ("--rules", "default", "--rule", "calls_per_turn=1")


@pytest.fixture(scope="module")
def sweeps(call: Call, towns: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A width and a depth sweep over two towns' tasks, for all tests here."""
    folder = tmp_path_factory.mktemp("sweeps")
    wide, deep = folder / "wide", folder / "deep"
    first = call("bench", "width", *towns, "--widths", "1,2,4", "--limit", 2, *LOOSE, "--out", wide)
    second = call("bench", "depth", *towns, "--turns", "2,9", "--limit", 2, *LOOSE, "--out", deep)
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    return wide, deep


def test_depth_prints_a_table_and_writes_files(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "deep"
    result = call("bench", "depth", *towns, "--turns", "2,3,9", "--limit", 2, *LOOSE, "--out", out)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.split("\n")]
    table = {row[0]: row[1] for row in rows if len(row) == 9 and row[0].isdigit()}
    assert list(table) == ["2", "3", "9"]
    assert table["9"] == "100.0"
    assert json.loads((out / "depth.json").read_text())["settings"]["depths"] == [2, 3, 9]
    assert "Depth" in (out / "report.html").read_text() or not (out / "depth.svg").exists()
    assert "<h1>ToyTeam on 2 tasks</h1>" in (out / "report.html").read_text()


def test_width_says_what_it_saves(call: Call, sweeps: tuple[Path, Path]) -> None:
    again = call(*shlex.split(json.loads((sweeps[0] / "width.json").read_text())["command"])[1:])
    assert again.exit_code == 0, again.output
    assert "Amdahl's law over the widths 1, 2, 4" in again.stdout
    shown = [line.split() for line in again.stdout.split("\n")]
    speed = {
        row[0]: row[1] for row in shown if len(row) > 4 and row[3:4] and row[-4:-3] != [] and "%" in row[3:5]
    }
    assert speed["1"] == "1.00"
    assert float(speed["4"]) > float(speed["2"]) > 1


def test_the_recorded_command_plays_the_same_again(call: Call, sweeps: tuple[Path, Path]) -> None:
    for folder, kind in zip(sweeps, ("width", "depth"), strict=True):
        data = json.loads((folder / f"{kind}.json").read_text())
        words = shlex.split(data["command"])
        assert words[:3] == ["wideseek", "bench", kind]
        other = folder.with_name(f"again-{kind}")
        words[words.index("--out") + 1] = str(other)
        assert call(*words[1:]).exit_code == 0
        again = json.loads((other / f"{kind}.json").read_text())
        assert again["settings"] == data["settings"]
        assert [p["item_f1"] for p in again["points"]] == [p["item_f1"] for p in data["points"]]


def test_equal_calls(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "equal"
    result = call(
        "bench", "width", *towns, "--widths", "1,4", "--limit", 2, *LOOSE, "--equal", "calls", "--amount", 3,
        "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Budget: at most 3 searches and pages per episode (given)" in result.stdout
    for name in ("width-1", "width-4"):
        assert [
            t.outcome["tool_calls"]["search"] for t in load_trajectories(out / name / "trajectories.jsonl")
        ] == [3, 3]
    alone = call("bench", "width", *towns, "--amount", 3, "--out", tmp_path / "x")
    assert (alone.exit_code, "--amount needs --equal" in alone.stderr) == (2, True)
    tokens = call("bench", "width", *towns, "--equal", "tokens", "--amount", 9, "--out", tmp_path / "y")
    assert (tokens.exit_code, "has no option episode_tokens" in tokens.stderr) == (2, True)
    assert not (tmp_path / "y" / "width.json").exists()


def test_plot_joins_sweeps(call: Call, sweeps: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = [tmp_path / f"f.{form}" for form in ("svg", "png", "pdf")]
    outs = [word for file in files for word in ("--out", file)]
    names = ("--name", "a team", "--name", "alone")
    result = call("bench", "plot", *sweeps, *names, "--x", "critical-path", "--metric", "row-f1", *outs)
    assert result.exit_code == 0, result.output
    assert all(file.stat().st_size > 1000 for file in files)
    svg = files[0].read_text()
    assert ">a team<" in svg
    assert ">alone<" in svg
    assert ">Row F1 (0–100)<" in svg
    overview = call(
        "bench", "plot", sweeps[0], sweeps[0], "--name", "x", "--name", "y", "--overview", "-o", files[0]
    )
    assert overview.exit_code == 0, overview.output
    assert "Speed-up by critical path" in files[0].read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--out", "f.gif"), "must end with .svg, .png or .pdf"),
        (("--out", "f.svg"), "widths and turns are different sizes"),
        (("--out", "f.svg", "--x", "tokens"), "has no generated tokens per episode: it was not measured"),
        (("--out", "f.svg", "--x", "calls", "--overview"), "leave out --x or --overview"),
        (("--out", "f.svg", "--name", "one"), "2 runs but 1 names"),
    ],
)
def test_plots_that_cannot_be(
    call: Call, sweeps: tuple[Path, Path], options: tuple[str, ...], told: str
) -> None:
    result = call("bench", "plot", *sweeps, *options)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output


def test_report_of_sweeps_and_runs(
    call: Call, towns: list[str], sweeps: tuple[Path, Path], tmp_path: Path
) -> None:
    call("eval", *towns, "--limit", 2, "--out", tmp_path / "run")
    out = tmp_path / "all.html"
    result = call("bench", "report", *sweeps, tmp_path / "run", "-o", out)
    assert result.exit_code == 0, result.output
    text = out.read_text()
    assert "<h1>wide · deep · run</h1>" in text
    assert "wideseek eval --tasks" in text
    assert "wideseek bench depth --turns 2,9" in text
    missing = call("bench", "report", tmp_path / "nowhere", "-o", out)
    assert (missing.exit_code, "does not exist" in missing.stderr) == (2, True)
    (tmp_path / "other.html").write_text("mine")
    refused = call("bench", "report", sweeps[0], "-o", tmp_path / "other.html")
    assert (refused.exit_code, "was not made by" in refused.stderr) == (2, True)


def test_plot_refuses_runs_of_other_rules(
    call: Call, towns: list[str], sweeps: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    preset, out = tmp_path / "preset", tmp_path / "both.svg"
    assert call("bench", "width", *towns, "--widths", "1,2", "--limit", 2, "--out", preset).exit_code == 0
    refused = call("bench", "plot", preset, sweeps[1], "--x", "critical-path", "--out", out)
    assert refused.exit_code == 2
    assert "preset and deep were run under different conditions" in refused.stderr
    assert "rules." in refused.stderr
    assert not out.exists()
    assert call("bench", "plot", *sweeps, "--x", "critical-path", "--out", out).exit_code == 0


def test_width_under_a_fixed_path_prints_no_speed_up(call: Call, towns: list[str], tmp_path: Path) -> None:
    result = call(
        "bench", "width", *towns, "--widths", "1,2,4", "--limit", 2, *LOOSE, "--equal", "critical-path",
        "--amount", 4, "--out", tmp_path / "equal",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "No speed-up: every width has the same critical path of at most 4 turns" in result.stdout
    assert "Amdahl" not in result.stdout
    assert "Amdahl" not in (tmp_path / "equal" / "report.html").read_text()
