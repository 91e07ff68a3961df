"""WideSeek-R1's training files: loading, saving, and what is reported about bad rows."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.catalog import named_tasks
from wideseek_env.errors import TaskError
from wideseek_env.scoring.wideseek_r1 import score_wideseek_r1
from wideseek_env.task import ColumnSpec, Table
from wideseek_env.tasks.wideseek_r1 import JUDGED, load_wideseek_r1, save_wideseek_r1, wideseek_r1_row

MARKDOWN = '| Name | Full Size |\n|---|---|\n| Alice | 1,000 |\n| "a|b" | x<br>y |\n| - | "-" |'
WIDE: dict[str, Any] = {
    "question": "Which?",
    "answer": f"```markdown\n{MARKDOWN}\n```",
    "unique_columns": ["name"],
    "is_markdown": True,
    "language": "zh",
    "instance_id": 17,
}
DEEP: dict[str, Any] = {"question": "Who?", "answer": ["Ada", "Ada Lovelace"], "is_markdown": False}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_tables_and_short_answers_load(tmp_path: Path) -> None:
    rows = (
        WIDE,
        DEEP,
        {**DEEP, "answer": "Ada", "is_markdown": None},
        {**WIDE, "instance_id": "x", "seed": 3},
    )
    file = write(tmp_path / "hybrid_20k.jsonl", *rows)
    wide, deep, plain, extra = load_wideseek_r1(file)
    assert (wide.id, wide.language, wide.key_columns) == ("17", "zh", ("Name",))
    assert wide.gold == Table(("Name", "Full Size"), (("Alice", "1,000"), ("a|b", "x<br>y"), ("-", "-")))
    assert wide.specs == {"Name": ColumnSpec(), "Full Size": JUDGED}
    assert (deep.id, deep.answers, deep.language) == ("hybrid_20k-2", ("Ada", "Ada Lovelace"), "en")
    assert plain.answers == ("Ada",)
    assert extra.meta == {"seed": 3}
    assert named_tasks(f"wideseek-r1:{file}", "train")[0].ids == ("17", "hybrid_20k-2", "hybrid_20k-3", "x")


def test_required_columns_may_stand_in_the_evaluation(tmp_path: Path) -> None:
    evaluation = json.dumps({"required": ["fullsize", "name"]})
    rows = (
        {**WIDE, "evaluation": evaluation},
        {**WIDE, "instance_id": "zh-2", "language": None, "required": ["name"]},
    )
    one, two = load_wideseek_r1(write(tmp_path / "test.jsonl", *rows))
    assert one.columns == ("Full Size", "Name")
    assert two.columns == ("Name",)
    assert two.language == "zh"


def test_what_is_saved_loads_equal_and_scores_full(tmp_path: Path) -> None:
    tasks = load_wideseek_r1(write(tmp_path / "a.jsonl", WIDE, DEEP, {**WIDE, "instance_id": "x", "seed": 3}))
    assert save_wideseek_r1(tasks, tmp_path / "b.jsonl") == 3
    assert list(load_wideseek_r1(tmp_path / "b.jsonl")) == list(tasks)
    for task in tasks:
        if task.gold is not None:
            assert score_wideseek_r1(wideseek_r1_row(task)["answer"], task).score == 1.0
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress((tmp_path / "b.jsonl").read_bytes()))
    assert list(load_wideseek_r1(tmp_path / "c.jsonl.gz")) == list(tasks)


BAD: dict[str, tuple[Any, str]] = {
    "no json": ("{", "not JSON"),
    "no question": ({**WIDE, "question": 1}, "'question' must be text"),
    "no table": ({**WIDE, "answer": "Alice"}, "has no table"),
    "table is no text": ({**WIDE, "answer": ["Alice"]}, "must be a table in Markdown"),
    "unreadable table": ({**WIDE, "answer": '| "a | b |\n| 1 | 2 |'}, "cannot be read"),
    "unknown key": ({**WIDE, "unique_columns": ["who"]}, "the table has no column 'who'"),
    "keys are no list": ({**WIDE, "unique_columns": [1]}, "must be a list of text"),
    "is_markdown": ({**WIDE, "is_markdown": "yes"}, "must be true or false"),
    "id": ({**WIDE, "instance_id": [1]}, "'instance_id' must be"),
    "no answer": ({**DEEP, "answer": None}, "'answer' must be a short answer"),
    "evaluation": ({**WIDE, "evaluation": "["}, "'evaluation' is not JSON"),
}


@pytest.mark.parametrize(("bad", "complaint"), BAD.values(), ids=BAD.keys())
def test_bad_rows_are_named_and_can_be_skipped(
    bad: Any, complaint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / "width_20k.jsonl", DEEP, bad)
    with pytest.raises(TaskError, match=complaint) as caught:
        load_wideseek_r1(file)
    assert str(caught.value).startswith(f"{file}:2: ")
    with caplog.at_level(logging.WARNING):
        assert load_wideseek_r1(file, on_error="skip").ids == ("width_20k-1",)
    assert f"{file}:2: " in caplog.text


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot read tasks"):
        load_wideseek_r1(tmp_path / "none.jsonl")
