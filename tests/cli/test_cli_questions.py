"""The documented commands for question answering sets, with the files of the example."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "question_answering"
LINE = re.compile(
    r"^ ?(\S.*?)\s{2,}(\d+)\s+([\d.]+)\s+(?:([\d.–]+)\s+)?([\d.]+)\s+([\d.]+)\s+([\d.]+) *$", re.MULTILINE
)


@pytest.fixture
def folder(
    tmp_path: Path, call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, wide_terminal: None
) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "example")
    monkeypatch.chdir(tmp_path / "example")
    monkeypatch.syspath_prepend(str(tmp_path / "example"))
    assert call("corpus", "build", "pages.jsonl", "--out", "corpus").exit_code == 0
    return tmp_path / "example"


def lines_of(output: str) -> dict[str, list[str]]:
    table = output[output.index(" set ") :] if " set " in output else ""
    return {found[0]: [each for each in found[1:] if each] for found in LINE.findall(table)}


@pytest.mark.parametrize("single", [False, True])
def test_the_documented_commands(folder: Path, call: Callable[..., Result], single: bool) -> None:
    options = ["--tasks", "qa:questions", "--corpus", "corpus", "--policy", "reader:Reader", "--trials", 4]
    done = call("eval", *options, "--out", "run", *(["--single"] if single else []))
    assert done.exit_code == 0, done.output
    assert "avg@4" in done.output
    assert "Warning: 100.0 % of the cells are for a model to judge" in done.output
    lines = lines_of(done.stdout)
    assert list(lines) == [
        "NQ", "TriviaQA", "PopQA", "HotpotQA", "2WikiMultiHopQA", "Musique", "Bamboogle",
        "average, single-hop", "average, multi-hop", "average, all sets",
    ]  # fmt: skip
    assert "Averages count every set the same" in " ".join(done.stdout.split())
    summary = json.loads((folder / "run" / "summary.json").read_text())
    questions = summary["questions"]
    sets, averages = questions["sets"], questions["averages"]
    for kind, names in (("single-hop", list(sets)[:3]), ("multi-hop", list(sets)[3:]), ("all", list(sets))):
        for metric in ("avg", "max", "exact_match", "token_f1"):
            mean = sum(sets[name][metric] for name in names) / len(names)
            assert averages[kind]["score"][metric] == pytest.approx(mean, abs=1e-8)
    assert {each["trials"] for each in sets.values()} == {4}
    assert 0 < averages["all"]["score"]["exact_match"] < averages["all"]["score"]["token_f1"] < 1
    assert averages["all"]["score"]["avg"] < averages["all"]["score"]["max"]
    assert questions["missing"] == []
    assert lines["Musique"][1] == f"{100 * sets['musique']['avg']:.1f}"
    assert lines_of(call("summary", "run").stdout) == lines
    assert lines_of(call("score", "--tasks", "qa:questions", "--responses", "run").stdout) == lines
    assert call("bench", "report", "run", "--out", "report.html").exit_code == 0
    page = (folder / "report.html").read_text()
    assert '<h2 id="questions">' in page
    assert "<th>average, all sets</th>" in page
    assert f"<td>{lines['average, all sets'][1]}</td>" in page


def test_some_sets_and_another_one(folder: Path, call: Callable[..., Result]) -> None:
    for name in ("popqa", "musique", "bamboogle"):
        (folder / "questions" / f"{name}.jsonl").unlink()
    options = ["--corpus", "corpus", "--policy", "reader:Reader"]
    done = call("eval", "--tasks", "qa:questions", *options)
    assert list(lines_of(done.stdout)) == [
        "NQ", "TriviaQA", "HotpotQA", "2WikiMultiHopQA",
        "average, single-hop (2 of 3)", "average, multi-hop (2 of 4)", "average, all sets (4 of 7)",
    ]  # fmt: skip
    assert "Without PopQA, Musique, Bamboogle." in " ".join(done.stdout.split())
    one = call("eval", "--tasks", "qa:questions", "--where", "set=nq", *options)
    assert list(lines_of(one.stdout)) == ["NQ", "average, single-hop (1 of 3)", "average, all sets (1 of 7)"]
    (folder / "questions" / "nq.jsonl").rename(folder / "quiz.jsonl")
    other = call("eval", "--tasks", "qa:quiz.jsonl", *options)
    assert list(lines_of(other.stdout)) == ["quiz"]


def test_other_tasks_have_no_table_of_sets(
    towns: list[str], call: Callable[..., Result], tmp_path: Path
) -> None:
    done = call("eval", *towns, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "exact match" not in done.stdout
    assert "questions" not in json.loads((tmp_path / "run" / "summary.json").read_text())


def test_bad_questions_are_one_line(folder: Path, call: Callable[..., Result]) -> None:
    (folder / "questions" / "nq.jsonl").write_text('{"id": 1, "question": "Who?"}\n')
    done = call("eval", "--tasks", "qa:questions", "--corpus", "corpus", "--policy", "reader:Reader")
    assert done.exit_code != 0
    assert "nq.jsonl:1: there is none of the fields 'golden_answers'" in done.output
