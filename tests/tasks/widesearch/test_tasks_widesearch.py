"""The WideSearch benchmark's files: loading, saving, and what is reported about bad rows."""

from __future__ import annotations

import json
import logging
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.catalog import named_tasks
from wideseek_env.errors import ConfigError, MissingDependencyError, TaskError
from wideseek_env.scoring import score_response
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.jsonl import task_from_dict, task_to_dict
from wideseek_env.tasks.widesearch import (
    download_widesearch,
    load_widesearch,
    save_widesearch,
    task_from_widesearch,
)

EVALUATION: dict[str, Any] = {
    "unique_columns": ["university"],
    "required": ["university", "homepage", "fee", "note"],
    "eval_pipeline": {
        "homepage": {"preprocess": ["norm_str"], "metric": ["url_match"], "criterion": "ignored"},
        "fee": {"preprocess": ["extract_number"], "metric": ["number_near"], "criterion": 0.05},
        "note": {"preprocess": ["norm_str"], "metric": ["llm_judge"], "criterion": "Same meaning?"},
    },
}
GOLD = 'University,Home Page,Fee,Note,Unused\n"A, B",http://a.org,007,"say ""x""\nand y",1\nC,,1.50,,2\n'


def row(number: int, **changes: Any) -> dict[str, Any]:
    base = {
        "instance_id": f"ws_en_{number:03}",
        "query": "Which?",
        "evaluation": EVALUATION,
        "language": "en",
    }
    return {**base, **changes}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "widesearch_gold").mkdir()
    for number in (1, 2):
        (tmp_path / "widesearch_gold" / f"ws_en_{number:03}.csv").write_text(GOLD)
    lines = [row(1), row(2, evaluation=json.dumps(EVALUATION), topic="schools")]
    (tmp_path / "widesearch.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    return tmp_path


def test_a_folder_loads(folder: Path) -> None:
    one, two = load_widesearch(folder)
    assert one.columns == ("university", "homepage", "fee", "note")
    assert one.key_columns == ("university",)
    assert one.gold == Table(
        one.columns, (("A, B", "http://a.org", "007", 'say "x"\nand y'), ("C", "", "1.50", ""))
    )
    assert one.specs == {
        "university": ColumnSpec((), ()),
        "homepage": ColumnSpec(("url_match",), ("norm_str",)),
        "fee": ColumnSpec(("number_near",), ("extract_number",), 0.05),
        "note": ColumnSpec(("llm_judge",), ("norm_str",), "Same meaning?"),
    }
    assert (one.id, one.question, one.language, one.meta) == ("ws_en_001", "Which?", "en", {})
    assert two.meta == {"topic": "schools"}
    assert task_from_dict(task_to_dict(two)) == two
    assert named_tasks(f"widesearch:{folder}", "test")[0].ids == ("ws_en_001", "ws_en_002")


def test_what_is_saved_loads_equal(folder: Path, tmp_path: Path) -> None:
    tasks = load_widesearch(folder)
    assert save_widesearch(tasks, tmp_path / "copy") == 2
    assert list(load_widesearch(tmp_path / "copy")) == list(tasks)
    alone = Task(
        "x", "q", ("a",), ("a",), Table(("a",), (("",), (" ",), ('"',), ("1\r2",))), {"a": ColumnSpec()}
    )
    save_widesearch([alone], tmp_path / "alone")
    assert load_widesearch(tmp_path / "alone")[0].gold == alone.gold


@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        (Task("d", "Who?", answers=("x",)), "no gold table"),
        (Task("../d", "q", ("a",), ("a",), Table(("a",), ())), "is not a file name"),
        (Task("d", "q", ("A b",), ("A b",), Table(("A b",), ())), "lower case without spaces"),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(task: Task, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=complaint):
        save_widesearch([task], tmp_path)
    assert not list(tmp_path.iterdir())


BAD: dict[str, tuple[Any, str]] = {
    "no json": ("{", "not JSON"),
    "no object": ([1], "must be an object"),
    "no id": (row(1, instance_id=[3]), "'instance_id' must be text or a number, not a list"),
    "no query": (row(1, query=" "), "'query' must be text"),
    "no gold": (row(7), "cannot read the gold table"),
    "evaluation is no json": (row(1, evaluation="{"), "'evaluation' is not JSON"),
    "no evaluation": (row(1, evaluation=None), "'evaluation' must be an object"),
    "no keys": (row(1, evaluation={**EVALUATION, "unique_columns": []}), "unique_columns' is empty"),
    "key not required": (row(1, evaluation={**EVALUATION, "unique_columns": ["x"]}), "has 'x', which is not in"),
    "column not in gold": (
        row(1, evaluation={"required": ["x"], "unique_columns": ["x"], "eval_pipeline": {}}),
        "must have the column 'x' once",
    ),
    "no pipeline": (row(1, evaluation={**EVALUATION, "eval_pipeline": {}}), "has no column 'homepage'"),
    "unknown metric": (
        row(1, evaluation={**EVALUATION, "eval_pipeline": {**EVALUATION["eval_pipeline"], "fee": {"metric": ["x"]}}}),
        "unknown metric 'x'",
    ),
    "language": (row(1, language="fr"), "language must be"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "complaint"), BAD.values(), ids=BAD.keys())
def test_bad_rows_are_named_and_can_be_skipped(
    bad: Any, complaint: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = folder / "widesearch.jsonl"
    text = bad if isinstance(bad, str) else json.dumps(bad)
    file.write_text(f"{json.dumps(row(2))}\n{text}\n")
    with pytest.raises(TaskError, match=complaint) as caught:
        load_widesearch(file)
    assert str(caught.value).startswith(f"{file}:2: ")
    with caplog.at_level(logging.WARNING):
        assert load_widesearch(file, on_error="skip").ids == ("ws_en_002",)
    assert f"{file}:2: " in caplog.text


def test_repeated_ids_and_wrong_settings_are_refused(folder: Path) -> None:
    file = folder / "widesearch.jsonl"
    file.write_text(f"{json.dumps(row(1))}\n{json.dumps(row(1))}\n")
    with pytest.raises(TaskError, match=rf"{file.name}:2: the id 'ws_en_001' was already used at .*:1"):
        load_widesearch(folder)
    with pytest.raises(ConfigError, match="on_error"):
        load_widesearch(folder, on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="gold="):
        load_widesearch(file, folder / "nowhere")
    with pytest.raises(TaskError, match=r"no \.jsonl file"):
        load_widesearch(folder / "widesearch_gold")


def test_the_gold_can_be_a_table_or_a_data_frame(tmp_path: Path) -> None:
    evaluation = {
        "required": ["name", "n"],
        "unique_columns": ["name"],
        "eval_pipeline": {"n": {"metric": ["exact_match"]}},
    }
    answer = "|name|n|\n|-|-|\n|A|7|\n|B|8|"
    table = task_from_widesearch(
        row(1, evaluation=evaluation), Table(("Name", "N"), (("A", "007"), ("B", "8")))
    )
    assert score_response(answer, table, strict=True).score == 1.0
    with pytest.raises(TaskError, match="not int"):
        task_from_widesearch(row(1, evaluation=evaluation), 3)
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"Name": ["A", "B"], "N": [7, 8]})
    read = task_from_widesearch(row(1, evaluation=evaluation), frame)
    assert score_response(answer, read, strict=True).score == 1.0
    # text in a frame is compared as it is: nothing reads it again
    texts = task_from_widesearch(row(1, evaluation=evaluation), frame.assign(N=["007", "8"]))
    assert score_response(answer, texts, strict=True).score == 0.0
    with pytest.raises(TaskError, match="would change its gold cells"):
        save_widesearch([texts], tmp_path)


def test_the_hub_is_optional(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match="pip install huggingface_hub"):
        download_widesearch()
    asked: list[str] = []

    def snapshot_download(repo_id: str, repo_type: str) -> str:
        asked.append(f"{repo_type} {repo_id}")
        return str(folder)

    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert len(download_widesearch()) == 2
    assert asked == ["dataset ByteDance-Seed/WideSearch"]
