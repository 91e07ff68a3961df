"""Records of format 1 load, score, show and replay. A replay names the message that is now read differently."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import TrajectoryError
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.game import GameConfig
from wideseek_env.protocol import LENIENT, PUBLISHED, Protocol
from wideseek_env.scoring import score_response
from wideseek_env.testing import NoOpTools, example_task
from wideseek_env.trajectory import FORMAT, Trajectory, load_trajectories
from wideseek_env.viewer.detail import episode_detail

RECORDS = Path(__file__).parent / "records"
OLD = ["default", "wideseek-r1"]


def old(profile: str) -> Trajectory:
    """An episode that version 1 of the format recorded. The one of wideseek-r1 has a Chinese task."""
    path = RECORDS / f"format-1-{profile}.jsonl"
    assert json.loads(path.read_text("utf-8"))["format"] == 1
    (trajectory,) = load_trajectories(path)
    return trajectory


@pytest.mark.parametrize("profile", OLD)
def test_old_records_load_score_and_replay(profile: str) -> None:
    trajectory = old(profile)
    assert (trajectory.profile, trajectory.protocol, trajectory.language) == (profile, LENIENT, None)
    episode = trajectory.replay()
    assert episode.root.messages == trajectory.conversations[0]["messages"]
    assert {**dataclasses.asdict(episode.outcome), "dropped": 0} == {**trajectory.outcome, "dropped": 0}
    assert episode.language == trajectory.task.language
    score = score_response(trajectory.outcome["answer"] or "", trajectory.task)
    assert score.to_dict() == trajectory.score.to_dict()
    record = EpisodeRecord.of(trajectory)
    assert (record.errors, record.dropped) == (4, 0)
    again = Trajectory.from_dict({**json.loads(trajectory.to_json()), "language": trajectory.task.language})
    assert again.replay().outcome == episode.outcome


@pytest.mark.parametrize("profile", OLD)
def test_old_records_are_shown(profile: str) -> None:
    detail = episode_detail(old(profile))
    assert detail["unread"] == ""
    kinds = [
        request["kind"]
        for agent in detail["agents"]
        for turn in agent["turns"]
        for request in turn["requests"]
    ]
    assert kinds == ["search", "search", "browse"] * 2
    assert sum(turn["problems"] for agent in detail["agents"] for turn in agent["turns"]) == 1


def test_a_record_has_the_protocol_whole() -> None:
    game = GameConfig([example_task()], executor=NoOpTools("x"), profile="wideseek-r1").open()
    run = EpisodeRun(game, example_task())
    prompts = [{"prompt": f"part {n}"} for n in range(12)]
    call = json.dumps({"name": "create_sub_agents", "arguments": {"sub_agents": prompts}})
    run.step({"lead": f"<tool_call>{call}</tool_call>"})
    run.step(dict.fromkeys(run.episode.ready(), "a report"))
    run.step({"lead": "an answer"})
    record = json.loads(run.trajectory().to_json())
    assert (record["format"], record["protocol"], record["language"]) == (FORMAT, PUBLISHED.to_dict(), "en")
    assert (record["outcome"]["dropped"], [c["dropped"] for c in record["conversations"]]) == (
        2,
        [2] + [0] * 10,
    )
    loaded = Trajectory.from_dict(record)
    assert loaded.replay().outcome == run.episode.outcome
    assert EpisodeRecord.of(loaded).dropped == 2
    detail = episode_detail(loaded)
    assert (detail["unread"], detail["agents"][0]["dropped"]) == ("", 2)
    for name, value in (
        ("protocol", {"excess": "x"}),
        ("protocol", None),
        ("language", "fr"),
        ("format", 3),
        ("format", True),
    ):
        with pytest.raises(TrajectoryError):
            Trajectory.from_dict({**record, name: value})
    for name in ("protocol", "language"):
        with pytest.raises(TrajectoryError, match=name):
            Trajectory.from_dict({key: value for key, value in record.items() if key != name})


# What each field of the protocol makes of the old record of wideseek-r1, and the message that the error names.
CHANGED: list[tuple[dict[str, Any], str]] = [
    ({"excess": "cut"}, "message 2 of conversation 0 (lead)"),
    ({"unreadable": "answer"}, "message 6 of conversation 1 (subagent_0)"),
    ({"reading": "first_block"}, "message 4 of conversation 0 (lead)"),
    ({"headings": "whole"}, ""),
    ({"last_turn": "run"}, ""),
    (PUBLISHED.to_dict(), "message 2 of conversation 0 (lead)"),
]


@pytest.mark.parametrize(("changes", "where"), CHANGED)
def test_a_replay_names_the_message_that_is_read_differently(changes: dict[str, Any], where: str) -> None:
    trajectory = dataclasses.replace(old("wideseek-r1"), protocol=Protocol(**changes))
    if not where:
        trajectory.replay()
        return
    with pytest.raises(TrajectoryError) as error:
        trajectory.replay()
    assert f"; {where} is now read differently: " in str(error.value)


def edited(number: int, index: int, content: str) -> Trajectory:
    """The old record with one message that somebody changed afterwards."""
    trajectory = old("default")
    conversations = json.loads(json.dumps(trajectory.conversations))
    conversations[number]["messages"][index]["content"] = content
    return dataclasses.replace(trajectory, conversations=conversations)


SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'
TWO = '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["a", "b"]}}</tool_call>'
EDITED = [
    (0, 2, "an answer", "message 2 of conversation 0 (lead) is now read differently"),
    (0, 2, TWO, "message 2 of conversation 0 (lead) is now read differently"),
    (0, 4, SEARCH, "message 4 of conversation 0 (lead) is now read differently"),
    (0, 4, TWO, "message 4 of conversation 0 (lead) is now read differently"),
    (0, 6, SEARCH, "message 6 of conversation 0 (lead) is now read differently"),
    (1, 2, SEARCH, "message 2 of conversation 1 (subagent_0) is now read differently"),
    (1, 2, "a report", "message 2 of conversation 1 (subagent_0) is now read differently"),
    (2, 4, SEARCH * 2, "message 4 of conversation 2 (subagent_1) is now read differently"),
    (2, 6, "a report", "message 6 of conversation 2 (subagent_1) is now read differently"),
    (2, 8, "another report", "message 8 of conversation 2 (subagent_1) is now read differently"),
    (0, 0, "another prompt", "message 0 of conversation 0 (lead) is now another prompt"),
    (0, 8, "another answer", "message 8 of conversation 0 (lead) is now read differently"),
]


@pytest.mark.parametrize(("number", "index", "content", "told"), EDITED)
def test_an_edited_record_is_told_apart(number: int, index: int, content: str, told: str) -> None:
    trajectory = edited(number, index, content)
    if told.endswith("lead) is now read differently") and index == 8:
        assert trajectory.replay().outcome.answer == "another answer"  # the messages are those of the record
        return
    with pytest.raises(TrajectoryError) as error:
        trajectory.replay()
    assert told in str(error.value)
