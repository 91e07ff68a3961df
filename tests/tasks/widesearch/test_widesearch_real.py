"""The real WideSearch tasks: every perfect answer is perfect in any wrapping, and no other answer is."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wideseek_env.cli.app import app
from wideseek_env.scoring import score_response
from wideseek_env.scoring.widesearch.gold import norm_column
from wideseek_env.scoring.wideseek_r1 import score_wideseek_r1
from wideseek_env.task import Task
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tasks.widesearch import load_widesearch
from wideseek_env.tasks.wideseek_r1 import load_wideseek_r1

DATA = Path(os.environ.get("WIDESEEK_DATA", "../shared/data")) / "widesearch"
pytestmark = pytest.mark.skipif(
    not (DATA / "widesearch.jsonl").is_file(),
    reason="the WideSearch data are absent (WIDESEEK_DATA names their folder)",
)

Rows = Sequence[Sequence[str]]


@pytest.fixture(scope="module")
def tasks() -> TaskSet:
    return load_widesearch(DATA)


def gold_names(task: Task) -> list[str]:
    """The names of the required columns as the gold file writes them."""
    text = (DATA / "widesearch_gold" / f"{task.id}.csv").read_text("utf-8-sig")
    written = {norm_column(name): name.strip() for name in next(csv.reader(io.StringIO(text)))}
    return [written[name] for name in task.columns]


# Where the question does not write a column as `required` does.
OTHERWISE = {
    "ws_en_009": {"annualinternationaltutionfees": "Annual International Tuition Fees"},
    "ws_en_049": {"price(launchmsrpsinusd)": "Price (USD, launch MSRPs)"},
    "ws_zh_071": {"累积票房（十亿韩元）": "累积票房"},
}


def question_names(task: Task) -> list[str]:
    """The names of the required columns as the question writes them. In one question, dots replace most names."""
    names = []
    for column in task.columns:
        found = re.findall(r"\s*".join(map(re.escape, column)), task.question, re.IGNORECASE)
        dotted = task.id == "ws_zh_067"
        names.append(found[-1] if found else column if dotted else OTHERWISE[task.id][column])
    return names


def table(names: Sequence[str], rows: Rows) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"

    return "\n".join([line(names), "|" + " --- |" * len(names), *map(line, rows)])


def bold(text: str) -> str:
    return f"**{text.strip()}**" if text.strip() else text


WRAPPINGS: dict[str, Callable[[Sequence[str], Rows], str]] = {
    "plain": table,
    "prose": lambda names, rows: (
        f"I searched for long. Here is what I found:\n\n{table(names, rows)}\n\nThat is all."
    ),
    "fence": lambda names, rows: f"```markdown\n{table(names, rows)}\n```",
    "thinking": lambda names, rows: (
        f"<think>A draft: {table(names, rows[:1])}\nI should check.</think>\n{table(names, rows)}"
    ),
    "second table": lambda names, rows: (
        f"{table(names, rows)}\n\nSources:\n\n{table(['No.', 'Link'], [['1', 'https://example.org']])}"
    ),
    "bold": lambda names, rows: table(names, [[*map(bold, row)] for row in rows]),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("headers", [gold_names, question_names])
def test_perfect_answers_are_perfect(
    wrapping: str, headers: Callable[[Task], list[str]], tasks: TaskSet
) -> None:
    assert len(tasks) == 150
    scores = {}
    for task in tasks:
        assert task.gold is not None
        scores[task.id] = score_response(WRAPPINGS[wrapping](headers(task), task.gold.rows), task)
    assert {name: score.message for name, score in scores.items() if score.score != 1.0} == {}
    assert {score.f1_by_item for score in scores.values()} == {1.0}


def wrong_cell(task: Task, rows: list[list[str]]) -> None:
    others = [at for at, name in enumerate(task.columns) if name not in task.key_columns]
    rows[0][others[-1] if others else 0] = "Zzyzx 98765432109"


def missing_row(task: Task, rows: list[list[str]]) -> None:
    del rows[-1]


def swapped_keys(task: Task, rows: list[list[str]]) -> None:
    keys = [task.columns.index(name) for name in task.key_columns]
    swapped = keys if len(keys) < len(task.columns) else keys[:1]
    others = [at for at in range(len(task.columns)) if at not in swapped]

    def difference(at: int) -> tuple[bool, int, int]:
        differs = any(rows[0][key] != rows[at][key] for key in swapped)
        return differs, sum(rows[0][other] != rows[at][other] for other in others), at

    # The row that differs most, and of several the last: in a series, neighbours are within the tolerance of numbers.
    at = max(range(1, len(rows)), key=difference)
    for key in swapped:
        rows[0][key], rows[at][key] = rows[at][key], rows[0][key]


@pytest.mark.parametrize("spoil", [wrong_cell, missing_row, swapped_keys])
def test_imperfect_answers_are_not_perfect(
    spoil: Callable[[Task, list[list[str]]], None], tasks: TaskSet
) -> None:
    perfect = []
    for task in tasks:
        assert task.gold is not None
        rows = [list(row) for row in task.gold.rows]
        spoil(task, rows)
        score = score_response(table(gold_names(task), rows), task)
        if score.score == 1.0 or score.f1_by_item >= 1.0:
            perfect.append((task.id, score.message))
    assert perfect == []


def official_rows(tasks: TaskSet) -> list[dict[str, Any]]:
    """Rows in the form of WideSeek-R1's test file: the questions of WideSearch with a gold table in Markdown."""
    rows = [json.loads(line) for line in (DATA / "widesearch.jsonl").read_text("utf-8").splitlines()]
    made = []
    for row, task in zip(rows, tasks, strict=True):
        assert task.gold is not None
        keys = json.loads(row["evaluation"])["unique_columns"]
        cells = [[f'"{cell}"' if "|" in cell else cell for cell in line] for line in task.gold.rows]
        answer = f"```markdown\n{table(gold_names(task), cells)}\n```".replace("\\|", "|")
        made.append({**row, "answer": answer, "unique_columns": keys, "is_markdown": True})
    return made


@pytest.mark.parametrize("field", ["query", "question"])
@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_the_official_test_file_loads_and_is_scored(
    field: str, ending: str, tasks: TaskSet, tmp_path: Path
) -> None:
    rows = official_rows(tasks)
    for row in rows:
        row[field] = row.pop("query")
    file = tmp_path / f"test{ending}"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) if ending == ".jsonl" else f"[{','.join(lines)}]", "utf-8")
    found = load_wideseek_r1(file)
    assert found.ids == tasks.ids
    assert [task.language for task in found] == [task.language for task in tasks]
    assert [len(task.gold.rows) for task in found if task.gold] == [len(t.gold.rows) for t in tasks if t.gold]
    for task, row in zip(found, rows, strict=True):
        assert score_wideseek_r1(row["answer"], task, squeeze_columns=True).f1_by_item == 1.0, task.id
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "\n".join(
            json.dumps({"task_id": task.id, "response": table(task.columns, task.gold.rows)})
            for task in found
            if task.gold is not None
        )
    )
    command = ["score", "--tasks", f"wideseek-r1:{file}", "--responses", str(answers), "--format", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.output[result.output.index("{") :])
    assert summary["tasks"] == 150
    assert summary["success"] == 1.0
