"""Tasks in files."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.task import METRICS, PREPROCESSORS, ColumnSpec, Table, Task
from wideseek_env.tasks.jsonl import load_tasks, save_tasks, task_from_dict, task_to_dict

BROAD = Task(
    "broad-1",
    "Which museums?",
    ("Name", "年份"),
    ("Name",),
    Table(("Name", "年份"), (("Prado|x", "1819"), ("", "nan"))),
    {"年份": ColumnSpec(("number_near",), ("extract_number",), 0.5), "Name": ColumnSpec((), (), "how")},
    "zh",
    source="synthetic:seed=0",
    meta={"level": 2, "tags": ["a", None]},
)
DEPTH = Task("depth-1", "Who?", answers=("Ada", "Lovelace"))
GOOD: dict[str, Any] = task_to_dict(BROAD)


def test_a_task_survives_its_dictionary() -> None:
    for task in (BROAD, DEPTH):
        assert task_from_dict(json.loads(json.dumps(task_to_dict(task)))) == task


@pytest.mark.parametrize("name", ["tasks.jsonl", "tasks.jsonl.gz"])
def test_a_file_is_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert save_tasks(iter([BROAD, DEPTH]), path) == 2
    tasks = load_tasks(path)
    assert list(tasks) == [BROAD, DEPTH]
    assert tasks.name == "tasks"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_equal_tasks_give_equal_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    save_tasks([BROAD, DEPTH], tmp_path / "1" / name)
    save_tasks([BROAD, DEPTH], tmp_path / "2" / name)
    assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_file_is_legible(tmp_path: Path) -> None:
    save_tasks([BROAD], tmp_path / "a.jsonl")
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert text.startswith('{"format": 1, "id": "broad-1"')
    assert "年份" in text


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    save_tasks([DEPTH], path)
    with pytest.raises(TaskError, match="more than once"):
        save_tasks([BROAD, BROAD], path)
    with pytest.raises(TaskError, match=r"broad-1 cannot be written as JSON"):
        save_tasks([Task("broad-1", "q", answers=("x",), meta={"when": object()})], path)
    with pytest.raises(TaskError, match="cannot be written as JSON"):
        save_tasks([Task("n", "q", answers=("x",), meta={"x": float("nan")})], path)
    assert list(load_tasks(path)) == [DEPTH]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_file_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot write"):
        save_tasks([DEPTH], tmp_path / "no" / "such" / "folder.jsonl")
    with pytest.raises(TaskError, match="cannot read"):
        load_tasks(tmp_path / "none.jsonl")
    with pytest.raises(TaskError, match="cannot read"):
        load_tasks(tmp_path)


def test_lone_surrogates_are_replaced_in_every_text(tmp_path: Path) -> None:
    half = "\ud83d 北京"
    task = {
        "format": 1,
        "id": half,
        "question": half,
        "source": half,
        "columns": [half, "b"],
        "key_columns": [half],
        "gold": {"header": [half, "b"], "rows": [[half, "\ud83d\ude00"]]},
        "specs": {half: {"metrics": ["llm_judge"], "criterion": half}},
        "meta": {half: [half]},
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(task) + "\n", encoding="utf-8")
    (read,) = load_tasks(tmp_path / "a.jsonl")
    clean = "\ufffd 北京"
    assert (read.id, read.question, read.source, read.columns) == (clean, clean, clean, (clean, "b"))
    assert read.gold == Table((clean, "b"), ((clean, "😀"),))
    assert read.spec(clean).criterion == clean
    assert read.meta == {clean: [clean]}
    assert read.key_columns == (clean,)
    assert Task("d", "q", answers=(half,)).answers == (clean,)
    save_tasks([read], tmp_path / "b.jsonl")
    assert list(load_tasks(tmp_path / "b.jsonl")) == [read]


def test_blank_lines_a_byte_order_mark_and_absent_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = json.dumps(
        {"format": 1, "id": "d", "question": "q", "answers": ["x"], "gold": None, "specs": None}
    )
    path.write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n\r\n  \n")
    assert list(load_tasks(path)) == [Task("d", "q", answers=("x",))]


def test_an_empty_file_has_no_tasks(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    assert len(load_tasks(tmp_path / "a.jsonl")) == 0


def _without(field: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != field}


BAD_LINES: dict[str, tuple[bytes, str]] = {
    name: (line if isinstance(line, bytes) else json.dumps(line).encode(), message)
    for name, (line, message) in {
        "not JSON": (b"{", "not JSON"),
        "two values": (b"{} {}", "not JSON"),
        "not UTF-8": (b'{"id": "\xff"}', r"not UTF-8 \(byte 9\)"),
        "NaN": (b'{"id": NaN}', "NaN is not a JSON value"),
        "too deep": (b"[" * 100_000, "JSON"),
        "a list": ([], "must be an object, not a list"),
        "no format": (_without("format"), "field 'format'"),
        "another format": ({**GOOD, "format": 2}, "reads format 1, not 2"),
        "format true": ({**GOOD, "format": True}, "field 'format'"),
        "no id": (_without("id"), "field 'id' is missing"),
        "empty id": ({**GOOD, "id": ""}, "needs an id"),
        "id a number": ({**GOOD, "id": 5}, "field 'id' must be text, not a number"),
        "no question": (_without("question"), "field 'question' is missing"),
        "unknown field": ({**GOOD, "colums": []}, "'colums' is not known"),
        "columns text": ({**GOOD, "columns": "Name"}, "field 'columns' must be a list"),
        "a column a number": ({**GOOD, "columns": ["Name", 5]}, r"'columns\[1\]' must be text, not a number"),
        "answers": ({**GOOD, "answers": [None]}, r"'answers\[0\]' must be text, not null"),
        "gold text": ({**GOOD, "gold": "| a |"}, "'gold' must be an object, not text"),
        "gold without rows": ({**GOOD, "gold": {"header": []}}, "exactly 'header' and 'rows'"),
        "gold rows": ({**GOOD, "gold": {"header": [], "rows": 1}}, "'gold.rows' must be a list"),
        "gold ragged": (
            {**GOOD, "gold": {"header": ["A"], "rows": [["1", "2"]]}},
            "field 'gold': row 0 has 2 cells",
        ),
        "gold cell": (
            {**GOOD, "gold": {"header": ["A"], "rows": [["1"], [2]]}},
            r"'gold.rows\[1\]\[0\]' must be text",
        ),
        "no gold": (_without("gold"), "gold table or accepted answers"),
        "specs": ({**GOOD, "specs": [1]}, "field 'specs' must be an object"),
        "spec": ({**GOOD, "specs": {"Name": "x"}}, "'specs.Name' must be an object"),
        "spec field": ({**GOOD, "specs": {"Name": {"metric": []}}}, "'specs.Name.metric' is not known"),
        "metric": ({**GOOD, "specs": {"Name": {"metrics": ["near"]}}}, "'specs.Name': unknown metric 'near'"),
        "metrics": (
            {**GOOD, "specs": {"Name": {"metrics": "exact_match"}}},
            "'specs.Name.metrics' must be a list",
        ),
        "criterion": (
            {**GOOD, "specs": {"Name": {"criterion": True}}},
            "criterion' must be a number or text",
        ),
        "spec of no column": ({**GOOD, "specs": {"X": {}}}, "a spec for 'X'"),
        "language": ({**GOOD, "language": "fr"}, "language must be"),
        "language type": ({**GOOD, "language": 1}, "field 'language' must be text"),
        "source": ({**GOOD, "source": {}}, "field 'source' must be text, not an object"),
        "meta": ({**GOOD, "meta": "x"}, "field 'meta' must be an object"),
        "key column": ({**GOOD, "key_columns": ["X"]}, "column 'X' is not in the gold table"),
        "id twice": ({**task_to_dict(DEPTH)}, "'depth-1' was already used in line 1"),
    }.items()
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES.keys())
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_bad_lines_are_named_or_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, line: bytes, message: str
) -> None:
    path = tmp_path / name
    content = (
        json.dumps(task_to_dict(DEPTH)).encode() + b"\n\n" + line + b"\n" + json.dumps(GOOD).encode() + b"\n"
    )
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(TaskError, match=message) as error:
        load_tasks(path)
    assert str(error.value).startswith(f"{path}:3: ")
    with caplog.at_level(logging.WARNING):
        assert list(load_tasks(path, on_error="skip")) == [DEPTH, BROAD]
    assert len(caplog.messages) == 1
    assert f"{path}:3: " in caplog.text


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_damaged_archive_is_an_error(tmp_path: Path, on_error: Any) -> None:
    path = tmp_path / "a.jsonl.gz"
    save_tasks([Task(str(number), "q" * 100, answers=("x",)) for number in range(100)], path)
    whole = path.read_bytes()
    for damaged in (whole[:-20], b"no archive", whole[:40] + b"\0" * 40 + whole[80:]):
        path.write_bytes(damaged)
        with pytest.raises(TaskError, match="cannot read"):
            load_tasks(path, on_error=on_error)


def test_on_error_has_two_values(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="on_error"):
        load_tasks(tmp_path / "a.jsonl", on_error="ignore")  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def usable(spec: ColumnSpec) -> bool:
    """Whether a metric can compare with the criterion; others are refused when a file is read."""
    try:
        spec.check_criterion()
    except TaskError:
        return False
    return True


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_any_task_survives(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    header = tuple(data.draw(st.lists(st.text(), min_size=1, max_size=3, unique=True)))
    rows = tuple(data.draw(st.lists(st.tuples(*[st.text()] * len(header)), max_size=3)))
    spec = st.builds(
        ColumnSpec,
        st.lists(st.sampled_from(METRICS)).map(tuple),
        st.lists(st.sampled_from(PREPROCESSORS)).map(tuple),
        st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    ).filter(usable)
    task = Task(
        data.draw(st.text(min_size=1)),
        data.draw(st.text().filter(str.strip)),
        header,
        header[:1],
        Table(header, rows),
        data.draw(st.dictionaries(st.sampled_from(header), spec)),
        data.draw(st.sampled_from(["en", "zh"])),  # type: ignore[arg-type]
        meta=data.draw(st.dictionaries(st.text(), JSON, max_size=3)),
    )
    path = tmp_path_factory.mktemp("tasks") / "a.jsonl"
    save_tasks([task], path)
    assert list(load_tasks(path)) == [task]


@settings(deadline=None, derandomize=True)
@given(JSON, st.sampled_from(sorted(GOOD)))
def test_any_value_in_any_field_is_taken_or_refused(value: Any, field: str) -> None:
    for data in (value, {**GOOD, field: value}):
        try:
            task = task_from_dict(data)
        except TaskError:
            continue
        assert task_from_dict(json.loads(json.dumps(task_to_dict(task)))) == task
