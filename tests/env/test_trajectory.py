"""Recorded episodes load back, replay to the same messages and survive a crash of the recorder."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wideseek_env
from wideseek_env.errors import ActionError, DamagedLineWarning, TrajectoryError
from wideseek_env.testing import NoOpTools, example_task
from wideseek_env.trajectory import Trajectory, TrajectoryWriter, iter_trajectories, load_trajectories

DELEGATE = '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["a", "b"]}}</tool_call>'
SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "河流"}}</tool_call>'
ANSWER = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |"


def record(**settings: object) -> Trajectory:
    env = wideseek_env.parallel_env(tasks=[example_task()], executor=NoOpTools("a result"), **settings)
    env.reset(seed=3)
    env.step({"lead": DELEGATE})
    env.step({"subagent_0": SEARCH, "subagent_1": "<tool_call>broken</tool_call>"})
    env.step({"subagent_0": "report", "subagent_1": "report"})
    env.step({"lead": ANSWER})
    return env.trajectory(policy="by hand")


def test_a_record_has_everything_and_loads_back(tmp_path: Path) -> None:
    trajectory = record()
    assert [c["agent"] for c in trajectory.conversations] == ["lead", "subagent_0", "subagent_1"]
    assert [next(iter(e)) for e in trajectory.events] == ["act", "act", "act", "result", "act", "act", "act"]
    assert len(trajectory.timing["events"]) == len(trajectory.events)
    assert trajectory.timing["events"] == sorted(trajectory.timing["events"])
    assert trajectory.meta == {"policy": "by hand"}
    assert trajectory.reward == trajectory.score.f1_by_item > 0
    with TrajectoryWriter(tmp_path / "deep" / "run.jsonl") as writer:
        writer.write(trajectory)
        writer.write(trajectory)
    loaded = load_trajectories(tmp_path / "deep" / "run.jsonl")
    assert loaded == [trajectory, trajectory]
    packed = tmp_path / "run.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "deep" / "run.jsonl").read_bytes()))
    assert load_trajectories(packed) == loaded


def test_damaged_files_say_so(tmp_path: Path) -> None:
    line = record().to_json().encode() + b"\n"
    packed = gzip.compress(line)
    cases = {
        "cut.jsonl.gz": (packed[:-20], "is damaged or incomplete"),
        "no.jsonl.gz": (b"nothing packed", "is damaged or incomplete"),
        "bits.jsonl.gz": (packed[:60] + b"\xff" * 40 + packed[100:], "is damaged or incomplete"),
        "deep.jsonl": (b"[" * 200_000 + b"\n", "deep.jsonl:1: this is not JSON Lines"),
        "other.jsonl": (b"name,town\n" * 1_000, "other.jsonl:1: this is not JSON Lines"),
        "kind.jsonl": (line + b'{"name": 1}\n', ":2: "),
    }
    for name, (content, told) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TrajectoryError, match=told):
            load_trajectories(tmp_path / name)


DAMAGE = {
    "half": lambda line: line[: len(line) // 2],  # and the next line is appended to it
    "half, then a line": lambda line: line[: len(line) // 2] + b"\n",
    "zeros": lambda line: b"\0" * (len(line) - 1) + b"\n",
    "no UTF-8": lambda line: line[:40] + b"\xff\xfe" + line[42:],
    "a lost quotation mark": lambda line: line.replace(b'"', b"", 1),
    "empty text": lambda line: b'""x\n',
    "very deep": lambda line: b"[" * 200_000 + b"\n",
    "not JSON": lambda line: b"Traceback (most recent call last):\n",
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_is_skipped_with_its_number(tmp_path: Path, damage: str, place: int) -> None:
    line = record().to_json().encode() + b"\n"
    lines = [line] * 4
    lines[place] = DAMAGE[damage](line)
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(lines))
    with pytest.warns(DamagedLineWarning) as told:
        loaded = load_trajectories(path)
    assert [str(each.message) for each in told] == [
        f"{path}:{place + 1} is damaged and is skipped, so one record is missing"
    ]
    assert len(loaded) == (2 if damage == "half" else 3)


@pytest.mark.parametrize("settings", [{}, {"roster": "fixed", "width": 2}, {"profile": "terse"}])
def test_replay_gives_the_same_bytes(settings: dict) -> None:
    trajectory = Trajectory.from_dict(json.loads(record(**settings).to_json()))
    episode = trajectory.replay()
    again = Trajectory.of_episode(
        episode,
        score=trajectory.score,
        parts=trajectory.parts,
        reward_name=trajectory.reward_name,
        corpus=trajectory.corpus,
        seed=trajectory.seed,
        meta=trajectory.meta,
    )
    assert again.to_json(timing=False) == trajectory.to_json(timing=False)


def test_replay_notices_another_world() -> None:
    data = json.loads(record().to_json())
    data["conversations"][0]["messages"][0]["content"] += " "
    with pytest.raises(TrajectoryError, match="gives other messages than the record"):
        Trajectory.from_dict(data).replay()
    data = json.loads(record().to_json())
    del data["events"][3]
    with pytest.raises(TrajectoryError, match="the events cannot be replayed"):
        Trajectory.from_dict(data).replay()


def test_only_whole_episodes_are_recorded() -> None:
    env = wideseek_env.parallel_env(tasks=[example_task()], executor=NoOpTools())
    env.reset(seed=0)
    with pytest.raises(ActionError, match="still under way"):
        env.trajectory()


def test_a_line_cut_by_a_crash_is_passed_over_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with TrajectoryWriter(path) as writer:
        writer.write(record())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:1000])
    assert len(load_trajectories(path)) == 1
    with TrajectoryWriter(path) as writer:
        writer.write(record())
    assert len(load_trajectories(path)) == 2
    path.write_bytes(whole[:500])
    TrajectoryWriter(path).close()
    assert path.read_bytes() == b""


def test_a_killed_process_loses_no_finished_episode(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    script = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_trajectory import record
from wideseek_env.trajectory import TrajectoryWriter
writer = TrajectoryWriter({str(path)!r})
for _ in range(3):
    writer.write(record())
writer._file.write(b'{{"half": ')
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert len(load_trajectories(path)) == 3


def test_bad_files_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    good = record().to_json()
    for bad, message in (("{}", "run.jsonl:2"), ('{"format": 99}', "format 99"), ("[]", "run.jsonl:2")):
        path.write_text(f"{good}\n{bad}\n")
        reader = iter_trajectories(path)
        assert next(reader).task.id == "example"
        with pytest.raises(TrajectoryError, match=message):
            next(reader)
    data = json.loads(good)
    del data["task"]
    with pytest.raises(TrajectoryError, match="task"):
        Trajectory.from_dict(data)
    with pytest.raises(TrajectoryError, match="cannot be read"):
        load_trajectories(tmp_path / "none.jsonl")


SEEDED = """
import wideseek_env
env = wideseek_env.parallel_env(width=3, split="test")
for seed in range(4):
    env.reset(seed=seed)
    for number, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed * 100 + number)
    while env.agents:
        env.step({a: env.action_space(a).sample() for a in env.acting_agents})
    print(env.trajectory().to_json(timing=False))
"""


def test_two_processes_with_different_hash_seeds_write_the_same_bytes() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SEEDED],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 4
