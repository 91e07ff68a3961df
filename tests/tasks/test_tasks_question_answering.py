"""Question answering sets: forms of rows, layouts of folders, and what is reported about bad ones."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.catalog import named_tasks
from wideseek_env.errors import TaskError
from wideseek_env.game import GameConfig
from wideseek_env.task import ColumnSpec, Task
from wideseek_env.tasks.jsonl import load_tasks, save_tasks
from wideseek_env.tasks.question_answering import load_question_answering
from wideseek_env.tasks.question_sets import set_named

ROW: dict[str, Any] = {"id": "test_0", "question": "Who?", "golden_answers": ["Ada", "Ada Lovelace"]}


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.removesuffix(".gz").endswith(".json"):
        text = json.dumps(rows)
    else:
        text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_a_row_of_each_form(tmp_path: Path) -> None:
    rows = (
        {**ROW, "metadata": {"documents": ["long"]}, "type": "bridge"},
        {"qid": 7, "query": "When?", "answer": "1850", "aug_answer": ["in 1850", "1850"]},
        {"_id": "x", "question": "How high?", "answer": 2417},
        {"question": "Is it?", "answers": ["yes"], "language": "English"},
        {"question": "Where?", "gt": ["Varn"], "idx": 3},
    )
    tasks = load_question_answering(write(tmp_path / "nq.jsonl", *rows))
    assert tasks.ids == ("nq-test_0", "nq-7", "nq-x", "nq-4", "nq-5")
    assert tasks[0] == Task(
        "nq-test_0", "Who?", answers=("Ada", "Ada Lovelace"), source="qa",
        specs={"answer": ColumnSpec(("llm_judge",))},
        meta={"set": "nq", "hops": "single-hop", "type": "bridge"},
    )  # fmt: skip
    assert [task.answers for task in tasks[1:]] == [("1850", "in 1850"), ("2417",), ("yes",), ("Varn",)]
    save_tasks(tasks, tmp_path / "saved.jsonl")
    assert list(load_tasks(tmp_path / "saved.jsonl")) == list(tasks)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NQ_rand1000", "nq"),
        ("nq", "nq"),
        ("nq_open", "nq"),
        ("asearcher-NQ-500", "nq"),
        ("Natural Questions", "nq"),
        ("TriviaQA_rand1000", "triviaqa"),
        ("trivia_qa", "triviaqa"),
        ("PopQA_rand1000", "popqa"),
        ("HotpotQA_rand1000", "hotpotqa"),
        ("hotpot_qa_dev", "hotpotqa"),
        ("2WikiMultihopQA_rand1000", "2wikimultihopqa"),
        ("2wikimultihopqa", "2wikimultihopqa"),
        ("2WikiMultiHop", "2wikimultihopqa"),
        ("2wiki", "2wikimultihopqa"),
        ("Musique_rand1000", "musique"),
        ("musique_ans_v1.0", "musique"),
        ("Bamboogle", "bamboogle"),
        ("frames", None),
        ("GAIA", None),
        ("nqx", None),
        ("nq_and_hotpotqa", None),
        ("squad12wiki", None),
    ],
)
def test_names_of_sets(name: str, found: str | None) -> None:
    chosen = set_named(name)
    assert (chosen.name if chosen is not None else None) == found


def test_the_folder_of_the_published_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = ("Bamboogle", "PopQA_rand1000", "2WikiMultihopQA_rand1000", "NQ_rand1000", "TriviaQA_rand1000",
             "HotpotQA_rand1000", "Musique_rand1000")  # fmt: skip
    for name in names:
        write(tmp_path / name / ("test.json" if name == "Bamboogle" else "test.jsonl"), {**ROW, "id": 0})
    assert named_tasks(f"qa:{tmp_path}", "test")[0].ids == (
        "nq-0", "triviaqa-0", "popqa-0", "hotpotqa-0", "2wikimultihopqa-0", "musique-0", "bamboogle-0"
    )  # fmt: skip
    assert not caplog.records
    write(tmp_path / "GAIA" / "test.json", ROW)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".git").mkdir()
    assert len(load_question_answering(tmp_path)) == 7
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: not one of the seven sets, so not read: GAIA"
    ]


def test_folders_with_splits_and_plain_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for split in ("train", "dev", "test"):
        write(tmp_path / "nq" / f"{split}.jsonl", {**ROW, "id": split})
    for split in ("train", "dev"):
        write(tmp_path / "hotpotqa" / f"{split}.jsonl", {**ROW, "id": split})
    write(tmp_path / "musique.jsonl.gz", ROW)
    tasks = load_question_answering(tmp_path)
    assert tasks.ids == ("nq-test", "hotpotqa-dev", "musique-test_0")
    assert "has no TriviaQA, PopQA, 2WikiMultiHopQA, Bamboogle" in caplog.text
    assert load_question_answering(tmp_path / "nq").ids == ("nq-test",)
    assert load_question_answering(tmp_path / "hotpotqa" / "dev.jsonl").ids == ("hotpotqa-dev",)


def test_rows_of_a_mixed_file_name_their_sets(tmp_path: Path) -> None:
    rows = [{**ROW, "data_source": name} for name in ("nq", "HotpotQA_rand1000", "frames")]
    tasks = load_question_answering(write(tmp_path / "mixed.jsonl", *rows, ROW))
    assert [task.meta.get("set") for task in tasks] == ["nq", "hotpotqa", "frames", "mixed"]
    assert [task.meta.get("hops") for task in tasks] == ["single-hop", "multi-hop", None, None]
    assert GameConfig(tasks=f"qa:{tmp_path / 'mixed.jsonl'}", where=("set=hotpotqa",)).open_tasks().ids == (
        "hotpotqa-test_0",
    )


BAD: dict[str, tuple[Any, str]] = {
    "no question": ({**ROW, "question": None}, "there is no field 'question' or 'query'"),
    "blank question": ({**ROW, "question": " "}, "field 'question' must be text, not blank text"),
    "question is a list": ({**ROW, "question": ["Who?"]}, "field 'question' must be text, not a list"),
    "no answers": ({"id": 1, "question": "Who?"}, "there is none of the fields 'golden_answers', 'answer'"),
    "empty answers": ({**ROW, "golden_answers": []}, "field 'golden_answers' has no accepted answer"),
    "blank answer": (
        {**ROW, "golden_answers": ["Ada", ""]},
        "field 'golden_answers' must be .* has blank text",
    ),
    "null answer": ({**ROW, "golden_answers": [None]}, "field 'golden_answers' must be .* has null"),
    "answer is an object": ({**ROW, "golden_answers": {"value": "Ada"}}, "must be .* has an object"),
    "answer is a truth value": ({**ROW, "golden_answers": True}, "must be .* has true"),
    "bad further answer": ({**ROW, "aug_answer": [["Ada"]]}, "field 'aug_answer' must be .* has a list"),
    "bad id": ({**ROW, "id": 1.5}, "field 'id' must be text or a number"),
    "bad language": ({**ROW, "language": "French"}, "language must be 'en' or 'zh'"),
    "not an object": ("[1]", "the row must be an object"),
    "not JSON": ("{", "the line is not JSON"),
    "same id": (ROW, "the id 'nq-test_0' was already used at"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_reported_with_file_and_line(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row, told = BAD[name]
    file = write(tmp_path / "nq.jsonl", ROW, row)
    with pytest.raises(TaskError, match=rf"nq\.jsonl:2: .*{told}"):
        load_question_answering(file)
    with caplog.at_level(logging.WARNING):
        assert load_question_answering(file, on_error="skip").ids == ("nq-test_0",)
    assert f"skipped {file}:2" in caplog.text


def test_bad_paths(tmp_path: Path) -> None:
    def refused(path: Path, told: str) -> None:
        with pytest.raises(TaskError, match=told):
            load_question_answering(path)

    refused(tmp_path / "absent", "cannot read tasks from")
    refused(tmp_path, "has none of the sets NQ, TriviaQA.*it has no .jsonl or .json file and no folder")
    (tmp_path / "frames").mkdir()
    refused(tmp_path, r"has none of the sets .* \(it has frames\); name a file or folder after its set")
    write(tmp_path / "nq.jsonl")
    refused(tmp_path, "has no rows")
    (tmp_path / "NQ_rand1000").mkdir()
    refused(tmp_path, "has NQ twice: NQ_rand1000 and nq.jsonl")
    (tmp_path / "nq.jsonl").unlink()
    refused(tmp_path, "NQ_rand1000 has no .jsonl or .json file")
    write(tmp_path / "NQ_rand1000" / "a.jsonl", ROW)
    write(tmp_path / "NQ_rand1000" / "b.jsonl", ROW)
    refused(tmp_path, "has a.jsonl, b.jsonl, and it is not clear which")
