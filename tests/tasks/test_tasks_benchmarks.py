"""The files of benchmarks: their forms, and what is said about files and rows that are bad."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.catalog import located, named_tasks
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.game import GameConfig
from wideseek_env.task import Table
from wideseek_env.tasks.benchmarks import BENCHMARKS
from wideseek_env.tasks.browsecomp_plus import load_browsecomp_plus
from wideseek_env.tasks.gisa import load_gisa
from wideseek_env.tasks.jsonl import load_tasks, save_tasks
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tasks.widesearch import load_widesearch, save_widesearch
from wideseek_env.tasks.wideseek_r1 import load_wideseek_r1, save_wideseek_r1

TABLE = "| Name | Size |\n|---|---|\n| Ada | 1 |\n| Bob | 2 |"
EVALUATION: dict[str, Any] = {
    "unique_columns": ["name"],
    "required": ["name", "size"],
    "eval_pipeline": {"size": {"preprocess": ["norm_str"], "metric": ["exact_match"]}},
}
ROWS: dict[str, dict[str, Any]] = {
    "wideseek-r1": {"instance_id": "a", "question": "Which?", "answer": TABLE, "unique_columns": ["Name"]},
    "widesearch": {"instance_id": "a", "question": "Which?", "entity": "Ada", "evaluation": EVALUATION},
    "gisa": {"id": 7, "question": "Which?", "answer_type": "set", "question_type": "live", "topic": "Art"},
    "browsecomp-plus": {"query_id": "9", "query": "Who?", "answer": "Ada"},
    "qa": {"id": "a", "question": "Who?", "golden_answers": ["Ada"]},
}
ID = {"wideseek-r1": "a", "widesearch": "a", "gisa": "7", "browsecomp-plus": "9", "qa": "rows-a"}
KEY = {
    "wideseek-r1": "instance_id",
    "widesearch": "instance_id",
    "gisa": "id",
    "browsecomp-plus": "query_id",
    "qa": "id",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with gold tables for the rows of `ROWS` in a file called ``rows``."""
    for gold in ("rows_tables", "answer", "elsewhere"):
        (tmp_path / gold).mkdir()
    for number in ("a", "b"):
        (tmp_path / "rows_tables" / f"{number}.csv").write_text("Name,Size\nAda,1\nBob,2\n")
    for number in (7, 8):
        (tmp_path / "answer" / f"{number}.csv").write_bytes(b'\xef\xbb\xbfAda\r\n"Bob, C."\r\n')
    return tmp_path


def load(kind: str, path: Path) -> TaskSet:
    return named_tasks(f"{kind}:{path}", "test")[0]


def two_rows(kind: str) -> list[dict[str, Any]]:
    row = ROWS[kind]
    return [row, {**row, KEY[kind]: {"a": "b", 7: 8, "9": "10"}[row[KEY[kind]]]}]


WRITTEN: dict[str, tuple[str, Callable[[list[str]], bytes]]] = {
    "lines": (".jsonl", lambda lines: "\n".join(lines).encode()),
    "crlf": (".jsonl", lambda lines: "\r\n".join(lines).encode() + b"\r\n"),
    "byte order mark": (".jsonl", lambda lines: b"\xef\xbb\xbf" + "\n".join(lines).encode()),
    "blank lines": (".jsonl", lambda lines: "\n\n \n".join(lines).encode() + b"\n\n"),
    "gzip": (".jsonl.gz", lambda lines: gzip.compress("\n".join(lines).encode())),
    "list": (".json", lambda lines: f"[{','.join(lines)}]".encode()),
    "indented list": (".json", lambda lines: ("\n[\n " + " ,\n ".join(lines) + "\n]\n").encode()),
    "list with a byte order mark": (
        ".json",
        lambda lines: b"\xef\xbb\xbf" + f"[{', '.join(lines)}]".encode(),
    ),
    "objects after each other": (".json", lambda lines: "\r\n".join(lines).encode()),
    "gzipped list": (".json.gz", lambda lines: gzip.compress(f"[{','.join(lines)}]".encode())),
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("kind", BENCHMARKS)
def test_files_are_read_in_every_form(kind: str, form: str, folder: Path) -> None:
    ending, write = WRITTEN[form]
    file = folder / f"rows{ending}"
    file.write_bytes(write([json.dumps(row) for row in two_rows(kind)]))
    tasks = load(kind, file)
    assert len(tasks) == 2
    assert tasks[0].id == ID[kind]
    assert tasks.name == "rows"
    save_tasks(tasks, folder / "copy.jsonl")
    assert list(load_tasks(folder / "copy.jsonl")) == list(tasks)


BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": (".jsonl", b"", r"rows\.jsonl has no rows; check"),
    "blank": (".jsonl", b"\n \n", r"has no rows"),
    "empty list": (".json", b"[]", r"has no rows"),
    "broken line": (".jsonl", b"GOOD\n{", r"rows\.jsonl:2: the line is not JSON"),
    "broken line after blank lines": (".jsonl", b"\n\nGOOD\n\n{", r"rows\.jsonl:5: the line is not JSON"),
    "list in lines": (".jsonl", b"[GOOD]", r"rows\.jsonl:1: the row must be an object, not a list; .*\.json"),
    "number": (".jsonl", b"GOOD\n3", r"rows\.jsonl:2: the row must be an object, not a number"),
    "no UTF-8": (".jsonl", b'GOOD\n{"a": "\xe9"}', r"rows\.jsonl:2: the line is not UTF-8"),
    "cut list": (".json", b"[GOOD,\n", r"rows\.json:1: the list of rows is cut off"),
    "list without comma": (".json", b"[GOOD\nGOOD]", r"rows\.json:2: the list of rows .* has no comma"),
    "broken item": (".json", b"[GOOD,\n\n{x]", r"rows\.json:3: the file is not JSON"),
    "number in a list": (".json", b"[GOOD,\n 3]", r"rows\.json:2: the row must be an object"),
    "no UTF-8 in a list": (".json", b'["\xe9"]', r"rows\.json is not UTF-8 \(byte 3\)"),
    "no gzip": (".jsonl.gz", b"GOOD", r"cannot read tasks from .*rows\.jsonl\.gz"),
    "cut gzip": (".json.gz", gzip.compress(b"[" + b"1," * 999)[:-9], r"cannot read tasks from .*rows\.json\.gz"),
    "same id": (".jsonl", b"GOOD\nGOOD", r"rows\.jsonl:2: the id .* was already used at .*rows\.jsonl:1; give"),
    "no question": (".jsonl", b"GOOD\nNOQUESTION", r"rows\.jsonl:2: there is no field 'qu"),
    "blank question": (".jsonl", b"BLANK", r"rows\.jsonl:1: field 'qu\w+' must be text, not blank text"),
    "question is a list": (".jsonl", b"LISTED", r"rows\.jsonl:1: field 'qu\w+' must be text, not a list"),
    "no id": (".jsonl", b"BADID", r"rows\.jsonl:1: field '\w+' must be text or a number, not an object"),
}  # fmt: skip


@pytest.mark.parametrize("form", BAD)
@pytest.mark.parametrize("kind", BENCHMARKS)
def test_bad_files_are_named_with_their_lines(kind: str, form: str, folder: Path) -> None:
    ending, content, complaint = BAD[form]
    row = ROWS[kind]
    asked = "question" if "question" in row else "query"
    for mark, changed in {
        b"GOOD": row,
        b"NOQUESTION": {name: value for name, value in row.items() if name != asked} | {KEY[kind]: "b"},
        b"BLANK": {**row, asked: " "},
        b"LISTED": {**row, asked: ["x"]},
        b"BADID": {**row, KEY[kind]: {}},
    }.items():
        content = content.replace(mark, json.dumps(changed).encode())
    if kind == "gisa":
        (folder / "answer" / "b.csv").write_text("x")
    file = folder / f"rows{ending}"
    file.write_bytes(content)
    with pytest.raises(TaskError, match=complaint):
        load(kind, file)


@pytest.mark.parametrize("id", ["\ud800", "a\udfffb", "a\0", "\0"])
@pytest.mark.parametrize("kind", BENCHMARKS)
def test_ids_that_no_file_can_have_are_errors(kind: str, id: str, folder: Path) -> None:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps({**ROWS[kind], KEY[kind]: id}) + "\n")
    with pytest.raises(TaskError, match=rf"rows.jsonl:1: field '{KEY[kind]}' must not contain NUL"):
        load(kind, path)


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_missing_paths_and_folders_are_errors(kind: str, folder: Path) -> None:
    with pytest.raises(TaskError, match="nowhere"):
        load(kind, folder / "nowhere.jsonl")
    with pytest.raises(ConfigError, match=f"{kind}: needs a path"):
        named_tasks(f"{kind}:", "test")
    file = folder / "rows.jsonl"
    file.write_text(json.dumps(ROWS[kind]))
    with pytest.raises((TaskError, ConfigError), match="no folder"):
        named_tasks(f"{kind}:{file},gold={folder / 'nowhere'}", "test")


@pytest.mark.parametrize("kind", ["widesearch", "gisa"])
def test_the_folder_of_gold_tables_may_be_named(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder / ("rows_tables" if kind == "widesearch" else "answer")
    moved = folder / "else, where"
    source.rename(moved)
    (folder / "rows.jsonl").write_text(json.dumps(ROWS[kind]))
    with pytest.raises(TaskError, match=rf"looked for: .*; name it as in {kind}:.*rows\.jsonl,gold=FOLDER"):
        load(kind, folder / "rows.jsonl")
    name = f"{kind}:{folder / 'rows.jsonl'},gold={moved}"
    assert named_tasks(name, "test")[0].ids == (ID[kind],)
    monkeypatch.chdir(folder)
    relative = f"{kind}:rows.jsonl,gold=else, where"
    assert named_tasks(relative, "test")[0].ids == (ID[kind],)
    assert located(relative, folder) == name
    game = GameConfig(tasks=relative, corpus="synthetic:pages=400").open()
    monkeypatch.chdir(folder.parent)
    assert pickle.loads(pickle.dumps(game)).tasks.ids == (ID[kind],)


def test_the_folder_of_a_benchmark_may_have_several_files(folder: Path) -> None:
    first, second = two_rows("widesearch")
    (folder / "rows.jsonl").write_text(json.dumps(first))
    (folder / "more.jsonl").write_text(json.dumps(second))
    assert set(load("widesearch", folder).ids) == {"a", "b"}
    with pytest.raises(TaskError, match=r"has no \.jsonl file of tasks; give"):
        load("gisa", folder / "elsewhere")


def test_deepwidesearch_loads_with_its_entity(folder: Path) -> None:
    row = {**ROWS["widesearch"], "topic": "People", "language": "English", "instance_id": "deep/a"}
    (folder / "rows.jsonl").write_text(json.dumps(row))
    (task,) = load_widesearch(folder / "rows.jsonl")
    assert (task.id, task.question, task.language, task.source) == (
        "deep/a",
        "Which?",
        "en",
        "deepwidesearch",
    )
    assert task.meta == {"entity": "Ada", "topic": "People"}
    assert task.gold == Table(("name", "size"), (("Ada", "1"), ("Bob", "2")))


@pytest.mark.parametrize(
    ("language", "question", "expected"),
    [
        (None, "Which?", "en"), (None, "哪些？", "zh"), ("", "哪些？", "zh"), ("zh-CN", "Which?", "zh"),
        ("Chinese", "Which?", "zh"), ("EN", "哪些？", "en"), ("en_US", "Which?", "en"), ("cn", "x", "zh"),
    ],
)  # fmt: skip
def test_languages_are_read_in_several_spellings(
    language: str | None, question: str, expected: str, folder: Path
) -> None:
    row = {**ROWS["widesearch"], "question": question, "language": language}
    (folder / "rows.jsonl").write_text(json.dumps(row))
    assert load_widesearch(folder / "rows.jsonl")[0].language == expected


def test_aliases_are_saved_and_refused_where_they_fit_nothing(folder: Path) -> None:
    evaluation = {**EVALUATION, "aliases": {"name": {"Ada": ["A. Lovelace"]}}}
    (folder / "rows.jsonl").write_text(json.dumps({**ROWS["widesearch"], "evaluation": evaluation}))
    (task,) = load_widesearch(folder / "rows.jsonl")
    assert task.aliases == {"name": {"Ada": ("A. Lovelace",)}}
    save_widesearch([task], folder / "saved")
    assert list(load_widesearch(folder / "saved")) == [task]
    for aliases, complaint in (
        (["x"], "must be {column"),
        ({"name": {"Ada": "x"}}, "must be {column"),
        ({"who": {"Ada": ["x"]}}, "the column 'who', which is not required"),
        ({"name": {"Eve": ["x"]}}, "aliases for 'Eve', which is no gold cell of 'name'"),
    ):
        row = {**ROWS["widesearch"], "evaluation": {**EVALUATION, "aliases": aliases}}
        (folder / "rows.jsonl").write_text(json.dumps(row))
        with pytest.raises(TaskError, match=complaint):
            load_widesearch(folder / "rows.jsonl")


R1_FORMS: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...], dict[str, Any]]] = {
    "no keys": ({"unique_columns": None, "is_markdown": True}, ("Name", "Size"), ("Name",), {"unique_columns": []}),
    "empty keys": ({"unique_columns": []}, ("Name", "Size"), ("Name",), {"unique_columns": []}),
    "only a table": ({"unique_columns": None}, ("Name", "Size"), ("Name",), {"unique_columns": []}),
    "key not required": ({"required": ["Size"]}, ("Size", "Name"), ("Name",), {"required": ["Size"]}),
    "keys inside": (
        {"unique_columns": None, "evaluation": {"required": ["size"], "unique_columns": ["size"]}},
        ("Size",), ("Size",), {"unique_columns": [], "evaluation": {"required": ["size"], "unique_columns": ["size"]}},
    ),
    "repeated first column": (
        {"unique_columns": [], "answer": TABLE.replace("Bob", "Ada")},
        ("Name", "Size"), ("Name", "Size"), {"unique_columns": []},
    ),
    "equal rows": (
        {"unique_columns": [], "answer": "|A|B|C|\n|---|---|---|\n|1|1|1|\n|1|1|1|"},
        ("A", "B", "C"), ("A", "B", "C"), {"unique_columns": []},
    ),
    "two leading columns": (
        {"unique_columns": [], "answer": "|A|B|C|\n|---|---|---|\n|1|1|1|\n|1|2|1|"},
        ("A", "B", "C"), ("A", "B"), {"unique_columns": []},
    ),
    "one name": ({"unique_columns": "name"}, ("Name", "Size"), ("Name",), {}),
    "fence": ({"answer": f"Here:\n```markdown\n{TABLE}\n```"}, ("Name", "Size"), ("Name",), {}),
    "byte order mark": ({"answer": TABLE.replace("Name", "\ufeffName")}, ("Name", "Size"), ("Name",), {}),
    "number as id": ({"instance_id": 0}, ("Name", "Size"), ("Name",), {}),
}  # fmt: skip


@pytest.mark.parametrize("form", R1_FORMS)
def test_forms_of_wideseek_r1s_tables(form: str, tmp_path: Path) -> None:
    changes, columns, keys, meta = R1_FORMS[form]
    file = tmp_path / "width_20k.jsonl"
    file.write_text(json.dumps({**ROWS["wideseek-r1"], **changes}))
    (task,) = load_wideseek_r1(file)
    assert (task.columns, task.key_columns, task.meta) == (columns, keys, meta)
    save_wideseek_r1([task], tmp_path / "copy.jsonl")
    assert list(load_wideseek_r1(tmp_path / "copy.jsonl")) == [task]


def test_browsecomp_plus_keeps_ids_but_no_documents(tmp_path: Path) -> None:
    documents = [{"docid": "1", "text": "x" * 1000, "url": "u"}, {"docid": 2, "text": "y", "url": "v"}]
    row = {**ROWS["browsecomp-plus"], "gold_docs": documents, "evidence_docs": documents[:1]}
    file = tmp_path / "decrypted.jsonl"
    file.write_text(json.dumps({**row, "negative_docs": documents, "topic": "art"}))
    (task,) = load_browsecomp_plus(file)
    assert (task.id, task.question, task.answers, task.source) == ("9", "Who?", ("Ada",), "browsecomp-plus")
    assert task.meta == {"topic": "art", "gold_docs": ["1", "2"], "evidence_docs": ["1"]}
    for changes, complaint in (
        ({"answer": None}, "'answer' must be text or a list of texts, not null"),
        ({"answer": []}, "'answer' must be text"),
        ({"answer": ["x", ""]}, "'answer' must be text"),
        ({"answer": 3}, "not a number"),
        ({"gold_docs": "1"}, "'gold_docs' must be a list of documents"),
        ({"evidence_docs": [{}]}, "no field 'docid'"),
        ({"query": "QUJD" * 20}, "the question is encrypted; decrypt"),
    ):
        file.write_text(json.dumps({**row, **changes}))
        with pytest.raises(TaskError, match=complaint):
            load_browsecomp_plus(file)
        assert len(load_browsecomp_plus(file, on_error="skip")) == 0


@pytest.mark.parametrize(
    ("kind", "answer", "answers", "columns", "keys", "rows"),
    [
        ("item", '\ufeff"2023, 1.0608"\r\n', ("2023, 1.0608",), (), (), ()),
        ("item", "1,000", ("1,000",), (), (), ()),
        ("set", "\ufeffAda\r\nBob", (), ("Answer",), ("Answer",), (("Ada",), ("Bob",))),
        ("set", '"Bob, C."\n\n1,000\n"x ""y"""', (), ("Answer",), ("Answer",),
         (("Bob, C.",), ("1,000",), ('x "y"',))),
        ("list", "b\na\nb\n", (), ("Answer",), ("Answer",), (("b",), ("a",), ("b",))),
        ("table", "\ufeffCountry,Date\nCuba,1902\nPanama,1903", (), ("Country", "Date"), ("Country",),
         (("Cuba", "1902"), ("Panama", "1903"))),
        ("table", 'A,B\n1,"x, y"\n1,z\n', (), ("A", "B"), ("A", "B"), (("1", "x, y"), ("1", "z"))),
    ],
)  # fmt: skip
def test_gisas_answers(
    kind: str, answer: str, answers: Any, columns: Any, keys: Any, rows: Any, folder: Path
) -> None:
    (folder / "answer" / "7.csv").write_bytes(answer.encode())
    (folder / "rows.jsonl").write_text(json.dumps({**ROWS["gisa"], "answer_type": kind, "canary": "x"}))
    (task,) = load_gisa(folder / "rows.jsonl")
    assert (task.id, task.answers, task.columns, task.key_columns) == ("7", answers, columns, keys)
    assert task.gold == (Table(columns, rows) if columns else None)
    assert task.meta == {"answer_type": kind, "question_type": "live", "topic": "Art"}


@pytest.mark.parametrize(
    ("changes", "answer", "complaint"),
    [
        (
            {"answer_type": "graph"},
            b"x",
            "'answer_type' must be one of item, set, list, table, not the text 'graph'",
        ),
        ({"answer_type": None}, b"x", "not null"),
        ({"answer_type": "item"}, b"x\ny", "of an item has 2 lines instead of 1"),
        ({}, b"", "7.csv is empty"),
        ({}, b"\xe9", r"7.csv is not UTF-8 \(byte 1\)"),
        ({"answer_type": "table"}, b"a,b", "has only a header"),
        ({"answer_type": "table"}, b"a,b\n1", "row 0 has 1 cells"),
        ({"answer_type": "table"}, b"a,a\n1,2", "two columns with the same name"),
        ({"answer_type": "table"}, b'a,b\n1,"x', "7.csv: unexpected end"),
        ({"id": "../7"}, None, "cannot read the answer .*7.csv: No such file"),
        ({"question": "QUJD" * 20}, b"x", "the question is encrypted"),
    ],
)
def test_gisas_bad_answers(changes: Any, answer: bytes | None, complaint: str, folder: Path) -> None:
    file = folder / "answer" / "7.csv"
    if answer is None:
        file.unlink()
    else:
        file.write_bytes(answer)
    (folder / "rows.jsonl").write_text(json.dumps({**ROWS["gisa"], **changes}))
    with pytest.raises(TaskError, match=rf"rows\.jsonl:1: .*{complaint}"):
        load_gisa(folder / "rows.jsonl")


def test_a_file_without_its_kind_is_explained(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps(ROWS["wideseek-r1"]))
    with pytest.raises(TaskError, match=r"test\.jsonl:1: .*such as wideseek-r1:FILE"):
        named_tasks(str(tmp_path / "test.jsonl"), "test")


def test_twenty_thousand_rows_load(tmp_path: Path) -> None:
    table = "| Name | Size |\n|---|---|\n" + "".join(f"| name {at} | {at} |\n" for at in range(10))
    file = tmp_path / "width_20k.json"
    rows = [{**ROWS["wideseek-r1"], "answer": table, "instance_id": at} for at in range(20_000)]
    file.write_text(json.dumps(rows))
    tasks = load_wideseek_r1(file)
    assert len(tasks) == 20_000
    assert tasks[-1].id == "19999"
