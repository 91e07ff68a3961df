"""Names for judges on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from wideseek_env.errors import ConfigError
from wideseek_env.scoring import OfflineJudge
from wideseek_env.scoring.judging import OpenAIJudge, RecordedJudge, RecordingJudge, judge_from_spec


def test_names_give_judges(tmp_path: Path) -> None:
    assert isinstance(judge_from_spec("offline"), OfflineJudge)
    judge = judge_from_spec("openai:org/model@v2@http://127.0.0.1:8000/v1", cache=tmp_path / "c.sqlite")
    assert isinstance(judge, OpenAIJudge)
    assert judge.name == "openai:org/model@v2@v2"
    assert "127.0.0.1:8000" in repr(judge)
    RecordingJudge(OfflineJudge(), tmp_path / "a:b.jsonl")
    assert isinstance(judge_from_spec(f"recorded:{tmp_path / 'a:b.jsonl'}"), RecordedJudge)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("", "there are: offline"),
        ("ofline", "there are: offline"),
        ("offline:0.5", "there are: offline"),
        ("openai", "does not have a model and an address"),
        ("openai:m", "does not have a model and an address"),
        ("openai:@http://a/v1", "does not have a model and an address"),
        ("openai:m@", "does not have a model and an address"),
        ("openai:m@localhost", "is not the address of an API"),
        ("recorded:", "there are: offline"),
        ("recorded:nowhere.jsonl", "cannot read"),
    ],
)
def test_other_names_are_refused(spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        judge_from_spec(spec)
