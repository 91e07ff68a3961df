"""Recordings of judges: written once, replayed exactly, never guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from wideseek_env.errors import ConfigError, DamagedLineWarning, UnknownVerdictError, WideSeekError
from wideseek_env.scoring import Judge, KeyAligner, OfflineJudge, score_response
from wideseek_env.scoring.judging import RecordedJudge, RecordingJudge
from wideseek_env.task import ColumnSpec, Table, Task


class Toy:
    """Right is what begins like the gold cell; keys agree in their first letter."""

    name = "toy-1"

    def __init__(self) -> None:
        self.asked = 0

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked += 1
        return [predicted[:1] == gold[:1] for predicted, gold in pairs]

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> Mapping[str, str]:
        found = {key: next((g for g in gold if g[:1] == key[:1]), None) for key in predicted}
        return {key: match for key, match in found.items() if match is not None}


PAIRS = [("a1", "a2"), ("b1", "c"), ("“ü\u2028\ud800", "“ü")]


def test_a_recording_says_what_the_judge_said(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "verdicts.jsonl"
    judge = RecordingJudge(Toy(), path)
    assert judge.name == "toy-1"
    assert judge.judge("City", "rule", PAIRS) == [True, False, True]
    assert judge.align_keys("City", ["ab", "x"], ["b", "ac"]) == {"ab": "ac"}
    replay = RecordedJudge(path)
    assert replay.name == "recorded(toy-1)"
    assert replay.judge("City", "rule", PAIRS[::-1]) == [True, False, True]
    assert replay.align_keys("City", ["x", "ab"], ["ac", "b"]) == {"ab": "ac"}
    assert len(replay) == 5
    assert isinstance(replay, Judge)
    assert isinstance(replay, KeyAligner)


def test_each_question_is_recorded_once(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    for _ in range(2):
        judge = RecordingJudge(Toy(), path)
        for _ in range(2):
            judge.judge("City", "rule", PAIRS)
            judge.align_keys("City", ["ab"], ["ac"])
    assert path.read_text(encoding="utf-8").count("\n") == 1 + 3 + 1


def test_an_unknown_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    judge = RecordingJudge(Toy(), path)
    judge.judge("City", "rule", PAIRS)
    judge.align_keys("City", ["ab"], ["ac"])
    replay = RecordedJudge(path)
    for column, criterion, pair in (
        ("Town", "rule", PAIRS[0]),
        ("City", "", PAIRS[0]),
        ("City", "rule", ("a1", "a3")),
    ):
        with pytest.raises(UnknownVerdictError, match="record it with RecordingJudge"):
            replay.judge(column, criterion, [pair])
    with pytest.raises(UnknownVerdictError, match="'b'"):
        replay.align_keys("City", ["b"], ["ac"])
    with pytest.raises(UnknownVerdictError, match="2 keys"):
        replay.align_keys("City", ["ab"], ["ac", "b"])


def test_a_judge_that_aligns_no_keys_is_recorded_as_such(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    assert RecordingJudge(OfflineJudge(), path).align_keys("City", ["ab"], ["ac"]) == {}
    assert RecordedJudge(path).align_keys("City", ["ab"], ["ac"]) == {}


def test_a_score_is_replayed(tmp_path: Path) -> None:
    gold = Table(("City", "Note"), (("alpha", "big"), ("beta", "small")))
    task = Task("t", "Which?", gold.header, ("City",), gold, {"Note": ColumnSpec(("llm_judge",))})
    answer = "| City | Note |\n|---|---|\n| a! | b |\n| beta | tiny |\n"
    path = tmp_path / "verdicts.jsonl"
    recorded = score_response(answer, task, RecordingJudge(Toy(), path))
    replayed = score_response(answer, task, RecordedJudge(path))
    assert (recorded.f1_by_item, recorded.judge) == (0.75, "toy-1")
    assert replayed.judge == "recorded(toy-1)"
    assert (replayed.cells, replayed.f1_by_row) == (recorded.cells, recorded.f1_by_row)
    with pytest.raises(UnknownVerdictError):
        score_response(answer.replace("tiny", "other"), task, RecordedJudge(path))


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    RecordingJudge(Toy(), path).judge("City", "", PAIRS)
    path.write_bytes(path.read_bytes()[:-5])
    assert len(RecordedJudge(path)) == 2


HEAD = '{"format": "wideseek judge recording 1", "judge": "toy-1"}\n'
VERDICT = {"column": "c", "criterion": "", "predicted": "a", "gold": "b", "right": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no judge"),
        (json.dumps(VERDICT) + "\n", "names no judge"),
        ('{"format": "other", "judge": "x"}\n', "line 1: .*unknown format"),
        (HEAD + "[]\n", "line 2"),
        (HEAD + json.dumps(VERDICT | {"right": 1}) + "\n", "line 2: .*right is 1"),
        (HEAD + '{"column": "c"}\n', "line 2"),
        (HEAD + '{"column": "c", "key": "k", "among": ["a"], "match": 3}\n', "line 2: .*match is 3"),
        (HEAD + '{"column": "c", "key": "k", "among": 3, "match": null}\n', "line 2"),
        (HEAD + json.dumps(VERDICT | {"gold": []}) + "\n", "line 2"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        RecordedJudge(path)


@pytest.mark.parametrize("damaged", ["{", "\0\0", '{"column": "c"', "[" * 100_000])
def test_a_damaged_line_loses_one_verdict(damaged: str, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(f"{HEAD}{damaged}\n{json.dumps(VERDICT)}\n")
    with pytest.warns(DamagedLineWarning, match=r"verdicts\.jsonl:2 is damaged"):
        judge = RecordedJudge(path)
    assert judge.judge("c", "", [("a", "b")]) == [True]
    with open(path, "a") as file:
        file.write('{"column": "c"')  # another process ended here
    with pytest.warns(DamagedLineWarning):
        RecordingJudge(Toy(), path).judge("City", "", PAIRS[:1])
    with pytest.warns(DamagedLineWarning):
        assert len(RecordedJudge(path)) == 2


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        RecordedJudge(tmp_path / "nowhere.jsonl")
    RecordingJudge(Toy(), tmp_path / "toy.jsonl")
    with pytest.raises(ConfigError, match="records the judge 'toy-1'"):
        RecordingJudge(OfflineJudge(), tmp_path / "toy.jsonl")
    with pytest.raises(WideSeekError, match="cannot write"):
        RecordingJudge(Toy(), tmp_path / "toy.jsonl" / "below.jsonl")


def test_a_judge_that_breaks_the_protocol_is_not_recorded(tmp_path: Path) -> None:
    toy = Toy()
    toy.judge = lambda column, criterion, pairs: [True]  # type: ignore[method-assign]
    path = tmp_path / "verdicts.jsonl"
    with pytest.raises(WideSeekError, match="1 verdicts for 3 pairs"):
        RecordingJudge(toy, path).judge("City", "", PAIRS)
    assert len(RecordedJudge(path)) == 0
