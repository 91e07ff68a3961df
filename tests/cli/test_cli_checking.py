"""`wideseek tasks check`: the faults of a file of tasks, with their lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

GOOD: dict[str, Any] = {"format": 1, "id": "a", "question": "Which museums?", "answers": ["x"]}
TABLE: dict[str, Any] = {
    "format": 1, "id": "t", "question": "Which museums?", "columns": ["A", "B"], "key_columns": ["A"],
    "gold": {"header": ["A", "B"], "rows": [["1", "2"]]},
}  # fmt: skip
Call = Callable[..., Result]


def write(path: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("no JSON", "the line is not JSON"),
        ('{"format": 1, "id": NaN}', "NaN"),
        ([GOOD], "the line must be an object, not a list"),
        ({**GOOD, "format": 2}, "reads format 1, not 2"),
        ({"id": "b", "question": "?"}, "not None; name the file of a benchmark"),
        ({**GOOD, "answer": ["x"]}, "field 'answer' is not known (did you mean 'answers'?)"),
        ({**GOOD, "difficulty": "easy"}, "field 'difficulty' is not known; put your own data into 'meta'"),
        ({**GOOD, "id": 5}, "field 'id' must be text, not a number"),
        ({"format": 1, "id": "b"}, "field 'question' is missing"),
        ({**GOOD, "answers": "x"}, "field 'answers' must be a list of text, not text"),
        ({**GOOD, "answers": [1]}, "field 'answers[0]' must be text, not a number"),
        ({**GOOD, "answers": None}, "needs a gold table or accepted answers"),
        ({**GOOD, "language": "de"}, "language must be 'en' or 'zh'"),
        ({**TABLE, "key_columns": []}, "at least one key column"),
        ({**TABLE, "key_columns": ["C"]}, "column 'C' is not in the gold table"),
        ({**TABLE, "gold": {"header": ["A", "B"], "rows": [["1"]]}}, "row 0 has 1 cells"),
        ({**TABLE, "gold": {"rows": []}}, "must have exactly 'header' and 'rows'"),
        ({**TABLE, "specs": {"A": {"metric": ["exact_match"]}}}, "field 'specs.A.metric' is not known"),
        ({**TABLE, "specs": {"A": {"metrics": ["exact"]}}}, "unknown metric 'exact'"),
        ({**TABLE, "aliases": {"A": {"9": ["nine"]}}}, "aliases for '9', which is no gold cell"),
    ],
)
def test_each_fault_is_told_with_its_line(tmp_path: Path, call: Call, row: object, told: str) -> None:
    file = write(tmp_path / "tasks.jsonl", {**GOOD, "id": "first"}, "", row, {**GOOD, "id": "last"})
    done = call("tasks", "check", file)
    assert done.exit_code == 1
    first, summary = done.stdout.splitlines()
    assert first.startswith(f"{file}:3: ")
    assert told in first
    assert summary == f"{file}: 1 fault, 2 tasks without faults"


def test_a_file_without_faults(tmp_path: Path, call: Call) -> None:
    file = write(tmp_path / "tasks.jsonl", GOOD, TABLE)
    done = call("tasks", "check", file)
    assert (done.exit_code, done.stdout) == (0, f"{file}: 2 tasks, no faults\n")


def test_all_faults_are_counted_and_the_first_are_shown(tmp_path: Path, call: Call) -> None:
    file = write(tmp_path / "tasks.jsonl", GOOD, *[GOOD] * 5)
    shown = call("tasks", "check", file, "--limit", 2).stdout.splitlines()
    assert [line.split(":")[-2] for line in shown[:2]] == [" field 'id'"] * 2
    assert shown[2:] == [
        "… and 3 more; show them with a larger --limit",
        f"{file}: 5 faults, 1 task without faults",
    ]
    done = call("tasks", "check", file, "--json", "--limit", 2)
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (found["name"], found["tasks"], found["faults"], len(found["messages"])) == (str(file), 1, 5, 2)


def test_an_empty_file_and_a_cut_off_file_are_faults(tmp_path: Path, call: Call) -> None:
    empty = write(tmp_path / "empty.jsonl")
    assert "the file has no tasks" in call("tasks", "check", empty).stdout
    packed = gzip.compress(f"{json.dumps(GOOD)}\n".encode() * 100)
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[:-20])
    assert call("tasks", "check", tmp_path / "cut.jsonl.gz").exit_code == 1


def test_files_of_benchmarks_are_checked_by_their_readers(tmp_path: Path, call: Call) -> None:
    file = write(tmp_path / "r1.jsonl", {"question": "Who?", "answer": "x"}, {"question": "Who?"}, "no")
    done = call("tasks", "check", f"wideseek-r1:{file}")
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()[:2]] == [f"{file}:2", f"{file}:3"]


@pytest.mark.parametrize(
    ("name", "code"), [("synthetic", 2), ("nowhere.jsonl", 1), ("wideseek-r1:nowhere.jsonl", 1)]
)
def test_what_is_no_file(call: Call, name: str, code: int) -> None:
    done = call("tasks", "check", name)
    assert done.exit_code == code
    assert "Error: " in done.stderr


def test_a_folder_of_widesearch_needs_no_prefix(tmp_path: Path, call: Call) -> None:
    row = {
        "instance_id": "ws_1", "query": "Which?", "language": "en",
        "evaluation": {"required": ["a"], "unique_columns": ["a"], "eval_pipeline": {}},
    }  # fmt: skip
    write(tmp_path / "widesearch.jsonl", row)
    (tmp_path / "widesearch_gold").mkdir()
    (tmp_path / "widesearch_gold" / "ws_1.csv").write_text("A\n1\n")
    for name in (tmp_path, tmp_path / "widesearch.jsonl", f"widesearch:{tmp_path}"):
        assert "ws_1" in call("tasks", "show", name).stdout
        assert call("tasks", "check", name).exit_code == 0
