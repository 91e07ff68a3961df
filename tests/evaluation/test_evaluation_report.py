"""Reports: what stands in them, what is escaped, and what they say about runs that are not whole."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from toy_team import ToyTeam, town_setup, town_task

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import (
    RunFolder,
    depth_sweep,
    evaluate_game,
    read_entries,
    run_names,
    run_settings,
    width_sweep,
    write_report,
)
from wideseek_env.evaluation.report import report_page


def play_run(
    path: Path, *, width: int = 2, count: int = 3, limit: int | None = None, command: str = ""
) -> Path:
    game = town_setup(count=count, width=width)
    with RunFolder.open(path, run_settings(game, "toy", limit=limit or count), command=command) as folder:
        evaluate_game(game, ToyTeam(), folder=folder)
    return path


def play_width(path: Path, **settings: object) -> Path:
    width_sweep(
        town_setup(count=3, **settings), ToyTeam, (1, 2, 4), policy_name="toy", folder=path, command="the command"
    )  # fmt: skip
    return path


def page(*paths: Path, names: tuple[str, ...] = ()) -> str:
    return report_page(read_entries(paths, run_names(paths, names)))


class Reader(HTMLParser):
    """Gathers tags, anchors, links and text, and checks that everything that was opened is closed."""

    VOID = ("meta", "path", "use", "br", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "href", "action") or name.startswith("on"):
                self.outside.append(f"{name}={value}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += f"{data} "


def test_a_report_joins_sweeps_and_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    depth_sweep(town_setup(count=3), ToyTeam, (1, 2, 4), policy_name="toy", folder=tmp_path / "deep")
    text = page(play_width(tmp_path / "wide"), tmp_path / "deep", play_run(tmp_path / "plain"))
    found = Reader(text)
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert {"results", "rows", "figures", "speed-up", "comparisons", "settings", "commands"} <= set(found.ids)
    assert text.count("<svg ") == 5
    assert "script" not in found.tags
    assert found.outside == []
    assert re.findall(r"https?://[^\s\"]+", text.replace("http://www.w3.org/", "")) == []
    assert "prefers" in text or "light-dark(" in text
    assert "the command" in found.words
    assert "Some runs are incomplete" not in found.words
    for words in ("wide: width 4 against width 1", "Item-F1", "depth 4"):
        assert words in found.words
    assert "#0072b2" not in text.replace("--c0: light-dark(#0072b2", ""), "colours follow the page"


def test_the_numbers_are_those_of_the_runs(tmp_path: Path) -> None:
    found = Reader(page(play_width(tmp_path / "wide")))
    words = " ".join(found.words.split())
    table = re.findall(r"wide width (\d) 3 3 ([\d.]+) ([\d.]+) – ([\d.]+)", words)
    f1 = {1: 40.0, 2: 66.7, 4: 100.0}
    assert [(int(width), float(value)) for width, value, *_ in table] == list(f1.items())


def test_paired_comparisons_of_two_policies(tmp_path: Path) -> None:
    play_run(tmp_path / "narrow", width=1)
    words = " ".join(Reader(page(tmp_path / "narrow", play_run(tmp_path / "wide", width=4))).words.split())
    assert "wide against narrow item-F1 3 40.0 100.0 +60.0 +60.0 – +60.0 0.250 not significant" in words
    text = page(tmp_path / "narrow", tmp_path / "wide")
    differing = re.findall(r'<tr class="differs"><th>([^<]+)</th>', text)
    assert "rules.width" in differing
    assert "policy" not in differing


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    wide = play_width(tmp_path / "wide")
    for name in (
        "run.json",
        "trajectories.jsonl",
        "episodes.jsonl",
        "summary.json",
        "run.lock",
        "progress.json",
    ):
        (wide / "width-4" / name).unlink(missing_ok=True)
    lines = (wide / "width-2" / "trajectories.jsonl").read_bytes().splitlines(keepends=True)
    (wide / "width-2" / "trajectories.jsonl").write_bytes(b"".join(lines[:2]))
    with RunFolder.open(tmp_path / "empty", {"policy": "toy", "limit": 3, "trials": 1}):
        pass
    words = " ".join(Reader(page(wide, tmp_path / "empty")).words.split())
    assert (
        "Some runs are incomplete: wide : width 2 has 2 of 3 episodes wide : width 4 has not been run"
        in words
    )
    assert "empty : no episode has ended yet" in words


def test_runs_over_other_tasks_are_not_compared(tmp_path: Path) -> None:
    play_run(tmp_path / "one")
    game = town_setup(count=1)
    other = town_task(3)
    with RunFolder.open(tmp_path / "two", run_settings(game, "toy")) as folder:
        evaluate_game(game, ToyTeam(), [other], folder=folder)
    words = " ".join(Reader(page(tmp_path / "one", tmp_path / "two")).words.split())
    assert "two against one: not compared: " in words
    assert "have no task in common" in words


HOSTILE = '<script>alert(1)</script>"\'&<img src=x onerror=alert(2)>\x1b[31m\u202e$x_1$ id="figures"'


def test_hostile_names_are_text(tmp_path: Path) -> None:
    wide = play_width(tmp_path / "wide")
    for file in (wide / "width.json", *wide.glob("*/run.json")):
        data = json.loads(file.read_text())
        data["settings"]["policy"] = data["settings"]["tasks"] = HOSTILE
        data["settings"][HOSTILE] = {HOSTILE: HOSTILE}
        data["versions"][HOSTILE] = data["command"] = HOSTILE
        file.write_text(json.dumps(data))
    text = page(wide, play_run(tmp_path / "plain"), names=(HOSTILE, "b"))
    found = Reader(text)
    assert not found.tags & {"script", "img"}
    assert found.outside == []
    assert len(found.ids) == len(set(found.ids))
    assert "<script>alert(1)</script>" in found.words
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "Content-Security-Policy" in text
    assert "default-src 'none'" in text


def test_the_same_runs_make_the_same_page(tmp_path: Path) -> None:
    wide = play_width(tmp_path / "wide")
    out = tmp_path / "report.html"
    write_report(read_entries([wide], ["w"]), out)
    first = out.read_bytes()
    write_report(read_entries([wide], ["w"]), out)
    assert out.read_bytes() == first
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(ConfigError, match="was not made by"):
        write_report(read_entries([wide], ["w"]), tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "<p>mine</p>"


def test_without_matplotlib_there_is_a_page_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = play_width(tmp_path / "wide")
    for section in ("sections", "rows"):
        monkeypatch.setattr(f"wideseek_env.evaluation.report.{section}.plot_available", lambda: False)
    text = page(wide)
    assert "<svg" not in text
    assert "pip install -e &quot;.[plot]&quot;" in text
    assert "100.0" in Reader(text).words


def test_names_of_runs(tmp_path: Path) -> None:
    assert run_names([Path("a/run"), Path("b/run")]) == ["a/run", "b/run"]
    assert run_names([Path("a/one"), Path("b/two")]) == ["one", "two"]
    for paths, names, told in (
        ([Path("a")], ("x", "y"), "1 runs but 2 names"),
        ([Path("a"), Path("b")], ("x", "x"), "the same name"),
        ([Path("a"), Path("a")], (), "given twice"),
    ):
        with pytest.raises(ConfigError, match=told):
            run_names(paths, names)
    with pytest.raises(ConfigError, match="at least one run"):
        read_entries([], [])
    with pytest.raises(ConfigError, match="contains no run"):
        read_entries([tmp_path], ["x"])


def test_commands_are_recorded_or_put_together(tmp_path: Path) -> None:
    told = Reader(page(play_run(tmp_path / "a", command="wideseek eval --policy toy"))).words
    assert "wideseek eval --policy toy" in told
    assert "Derived from" not in told
    guessed = Reader(page(play_run(tmp_path / "b", width=3))).words
    assert "wideseek eval --policy toy --tasks" in guessed
    assert "--rule width=3" in guessed
    assert "Derived from the settings" in guessed
