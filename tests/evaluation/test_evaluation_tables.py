"""Tables for papers: what is in them, which values are marked, and that names in them are text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_team import ToyTeam, town_setup, town_task

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import (
    EpisodeRecord,
    Response,
    read_entries,
    run_names,
    score_answers,
    width_sweep,
)
from wideseek_env.evaluation.reading import RecordedRun
from wideseek_env.evaluation.report.entries import Entry, Part
from wideseek_env.evaluation.summary import SummaryAccumulator
from wideseek_env.evaluation.tables import ResultTable, leaderboard, render, results_table
from wideseek_env.evaluation.tables.leaderboard import find_runs
from wideseek_env.evaluation.tables.marking import marks
from wideseek_env.evaluation.tables.model import Column, Group, Line, Value
from wideseek_env.evaluation.tables.text import latex_text
from wideseek_env.tasks.taskset import TaskSet

HOSTILE = [
    "a_b & c", "50 % $x^2$ #1", r"\input{secret}", "{open", "close}", "~tilde", "[1] first", "*star*", "a|b|c",
    "=1+1", "line\nbreak", "tab\there", "<b>", "`code`", '"quoted", comma', "a--b", "\x1b[31mred", "博物馆", "a\\\\b",
]  # fmt: skip


def record(task: str, f1: float, trial: int = 0) -> EpisodeRecord:
    return EpisodeRecord(task, trial, *[f1] * 7, f1, 3, 3, {}, 0, True, "answered", 0, False, 0.0)


def entry(name: str, f1: Sequence[float], label: str = "width 2", **settings: Any) -> Entry:
    gathered = SummaryAccumulator()
    for number, value in enumerate(f1):
        gathered.add(record(f"t{number}", value))
    about = {"policy": "scripted", "tasks": "synthetic:seed=0/test", **settings}
    run = RecordedRun(name, about, gathered)
    return Entry(name, Path(name), about, {}, "", None, (Part(label, gathered.summary(), run),), ())


def rows(table: ResultTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(table, "csv"))))


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([[1] * 8, [0] * 8], ["best", ""]),
        ([[1] * 4, [0] * 4], ["best", "tied"]),  # p is 0.125 with four tasks
        ([[1] * 5, [0] * 5], ["best", "tied"]),  # p is 0.0625
        ([[1] * 6, [0] * 6], ["best", ""]),  # p is 0.03125
        ([[0.5] * 8, [0.5] * 8], ["best", "best"]),
        ([[0.5] * 8, [0.50001] * 8], ["best", "best"]),  # equal as shown
        ([[1, 0] * 4, [0, 1] * 4, [0.1] * 8], ["best", "best", "tied"]),
        ([[0] * 8, [0] * 8], ["", ""]),
        ([[1] * 8], [""]),
        ([[1] * 8, []], ["", ""]),
        ([[0.4] * 8, [0.9] * 8, [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8]], ["", "best", "tied"]),
    ],
)
def test_the_best_and_what_is_about_as_good(runs: list[list[float]], expected: list[str]) -> None:
    records = [[record(f"t{n}", f1) for n, f1 in enumerate(each)] for each in runs]
    assert marks(records, "f1_by_item") == expected


def test_runs_of_other_tasks_or_games_are_other_groups() -> None:
    entries = [
        entry("a", [0.5] * 8, rules={"width": 2}),
        entry("b", [0.9] * 8, "width 4", rules={"width": 4}),
        entry("c", [0.1] * 8, rules={"lead_turns": 3}),
        entry("d", [0.2] * 8, tasks="hybridqa:X/test"),
    ]
    table = results_table(entries)
    assert [len(group.lines) for group in table.groups] == [2, 1, 1]
    assert [group.title for group in table.groups] == [
        "8 test tasks of the synthetic world",
        "8 test tasks of the synthetic world (rules.lead_turns: none and 3)",
        "8 test tasks of HybridQA",
    ]
    found = rows(table)
    assert [(row["run"], row["item_f1"], row["item_f1_mark"]) for row in found] == [
        ("a", "50", ""), ("b", "90", "best"), ("c", "10", ""), ("d", "20", ""),
    ]  # fmt: skip
    assert float(found[0]["item_f1_low"]) <= 50 <= float(found[0]["item_f1_high"])
    assert "p of at least 0.05" in " ".join(table.notes)


def test_sweeps_and_scores_in_all_forms(tmp_path: Path) -> None:
    width_sweep(
        town_setup(count=3), ToyTeam, (1, 4), policy_name="toy", folder=tmp_path / "in" / "wide", single=True
    )
    tasks = TaskSet([town_task(n) for n in range(3)], "towns")
    score_answers(tasks, [Response(tasks.ids[0], 0, "none", "x")], folder=tmp_path / "in" / "deeper" / "s")
    runs = find_runs([tmp_path / "in"])
    assert [run.name for run in runs] == ["s", "wide"]
    entries = read_entries(runs, run_names(runs))
    board = leaderboard(entries)
    assert [column.key for column in board.columns] == ["single_agent", "width_1", "width_4", "answers"]
    found = {row["policy"]: row for group in [rows(board)] for row in group}
    assert found["Toy policy"]["width_4"] == "100"
    assert found["Toy policy"]["answers"] == ""
    assert found["Scored answers"]["answers"] == "0"
    for form in ("markdown", "latex", "csv"):
        assert "Toy policy" in render(board, form)
        assert "width 4" in render(results_table(entries), form)
    with pytest.raises(ConfigError, match="unknown format 'word'"):
        render(board, "word")
    with pytest.raises(ConfigError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="there are no runs in"):
        find_runs([tmp_path / "empty"])


def test_a_policy_that_was_run_twice_has_two_lines() -> None:
    entries = [entry("a", [0.5] * 8), entry("b", [0.7] * 8), entry("c", [0.6] * 8, "width 4")]
    (group,) = leaderboard(entries).groups
    assert [line.names[0] for line in group.lines] == ["Scripted policy (b)", "Scripted policy"]
    assert [value.value for value in group.lines[1].values] == [50, 60]
    with pytest.raises(ConfigError, match="no run has a finished episode"):
        leaderboard([entry("a", [])])
    with pytest.raises(ConfigError, match="no metric"):
        leaderboard(entries, "f3")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name: str) -> None:
    value = Value(50.04, 40.0, 60.0, "best")
    columns = (Column("item_f1", "Item-F1", 1, True),)
    table = ResultTable(
        (("run", "Run"),), columns, (Group(name, (Line((name,), (value,)), Line(("x",), (Value(1e4, mark="tied"),)))),),
        (name,),
    )  # fmt: skip
    found = rows(table)
    assert found[0]["run"] == found[0]["group"]
    assert (found[0]["item_f1"], found[0]["item_f1_mark"]) == ("50.04", "best")
    latex = render(table, "latex")
    plain = re.sub(r"\\[\\{}&%$#_]", "", latex)
    assert plain.count("{") == plain.count("}")
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line]
    assert len(lines) == 3
    for line in lines[1:]:
        assert len(re.findall(r"(?<!\\)&", line)) == 1
        assert line.endswith(r" \\")
        assert not line.startswith(("[", "*")), "it would be an argument of the line break before"
    assert r"\textbf{50.0} {\scriptsize [40.0, 60.0]}" in latex
    assert r"10,000\textsuperscript{$\dagger$}" in latex
    shown = [line for line in render(table, "markdown").splitlines() if line.startswith("|")]
    assert len(shown) == 4
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in shown)
    assert "**50.0** [40.0, 60.0]" in shown[2]


def test_latex_has_no_active_character() -> None:
    text = latex_text("".join(map(chr, range(32, 127))))
    without = re.sub(r"\\(text[a-z]+|ldots)\{\}|\\[&%$#_{}]|\{[\[\]*]\}", "", text)
    assert not set(r"\&%$#_{}~^<>|") & set(without)
    assert latex_text("a – b ≥ c †") == r"a \textendash{} b $\geq$ c \textsuperscript{$\dagger$}"
