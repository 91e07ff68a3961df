"""Rollouts on disk: what comes back, and what is left after a kill."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from rollout_games import game, play_all, team

from wideseek_baselines.engines.simulated import Faults
from wideseek_baselines.rollout.store import MemoryRollouts, iter_rollouts, load_rollouts, open_rollouts
from wideseek_baselines.tokens.record import AgentRecord, Rollout, Sequence, TurnRecord
from wideseek_env.errors import ConfigError, TrajectoryError

SUFFIXES = [".jsonl", ".jsonl.gz", ".parquet"]


def played() -> list[Rollout]:
    """Rollouts with tokens, without, and aborted ones."""
    finished = play_all(team(takes="tokens"), game(2))
    finished += play_all(team(), game(1))
    finished += play_all(team(takes="tokens", faults=Faults(error=0.1), seed=2), game(3), retries=1)
    rollouts = [f.rollout for f in finished if f.rollout is not None]
    assert any(r.error for r in rollouts)
    assert any(r.trainable for r in rollouts)
    return rollouts


def odd() -> Rollout:
    """Every field away from its default, a conversation without sequences and one with two."""
    turn = TurnRecord(
        turn=1,
        start=1,
        stop=3,
        logprobs=[-0.1, -1e-9],
        versions=((3, 1), (4, 1)),
        finish_reason="length",
        temperature=0.7,
        trainable=False,
        errors=2,
        cached_tokens=1,
        queued=0.1,
        generating=1 / 3,
        tools=2.5,
    )
    agents = [
        AgentRecord(
            "lead",
            "lead",
            0,
            "answered",
            [Sequence([5, 6, 7], [turn]), Sequence([8], [])],
            "big",
            clocks=(1, 5),
        ),
        AgentRecord("subagent_0", "subagent", 1, "out_of_context", []),
    ]
    return Rollout(
        task_id="一号\n",
        group="g",
        trial=2,
        seed=2**40,
        agents=agents,
        reward=-0.25,
        parts={"a": 0.1, "b": -0.35},
        score={"item_f1": 0.1},
        ending="answered",
        trainable=True,
        error="",
        seconds=12.5,
        meta={"usage": {"requests": 3}, "note": ["x", None]},
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_comes_back(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / "deep" / f"rollouts{suffix}"
    rollouts = [odd(), *played(), Rollout("t", "", 0, 0, [], 0.0, {}, {}, "failed"), odd()]
    with open_rollouts(path) as writer:
        for rollout in rollouts:
            writer.write(rollout)
    writer.close()
    assert load_rollouts(path) == rollouts


def test_a_driver_records_the_clock_of_every_turn() -> None:
    (finished,) = play_all(team(takes="tokens"), game(1))
    assert finished.rollout is not None
    lead, *others = finished.rollout.agents
    assert lead.clocks[0] == 1
    for agent in finished.rollout.agents:
        assert len(agent.clocks) == len(agent.turns)
        assert list(agent.clocks) == sorted(set(agent.clocks))
    for agent in others:
        assert agent.clocks[0] - 1 in lead.clocks, "a subagent starts with the clock of the lead's delegation"
        assert agent.clocks[-1] < lead.clocks[-1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_without_clocks_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rollouts{suffix}"
    with open_rollouts(path) as writer:
        writer.write(odd())
    if suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(parquet.read_table(path).drop_columns(["clocks"]), path)
    else:
        opened = gzip.open if suffix.endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8") as file:
            record = json.loads(file.read())
        for agent in record["agents"]:
            del agent["clocks"]
        with opened(path, "wt", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    (read,) = load_rollouts(path)
    assert [agent.clocks for agent in read.agents] == [(), ()]
    assert read.agents[0].sequences == odd().agents[0].sequences


def test_in_memory() -> None:
    with MemoryRollouts() as memory:
        memory.write(odd())
    assert memory.rollouts == [odd()]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_killed_writer_loses_the_last_one_at_most(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    with open_rollouts(path) as writer:
        writer.write(odd())
        one = path.stat().st_size
        writer.write(odd())
    whole = path.read_bytes()
    for cut in (one, one + 1, one + 5, one + 20, (one + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert load_rollouts(path)[0] == odd()
        with open_rollouts(path) as writer:
            assert path.stat().st_size == one
            writer.write(odd())
        assert path.read_bytes() == whole
        assert load_rollouts(path) == [odd(), odd()]
    path.write_bytes(whole[:3])
    assert load_rollouts(path) == []
    with open_rollouts(path) as writer:
        writer.write(odd())
    assert load_rollouts(path) == [odd()]


def test_a_file_that_somebody_else_packed(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    lines = "".join(json.dumps(odd().to_dict()) + "\n" for _ in range(3))
    path.write_bytes(gzip.compress(lines.encode()))
    assert load_rollouts(path) == [odd()] * 3
    with open_rollouts(path) as writer:
        writer.write(odd())
    assert load_rollouts(path) == [odd()] * 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_cannot_be_read_is_named(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"r{suffix}"
    with pytest.raises(TrajectoryError, match=f"r{suffix}"):
        load_rollouts(path)
    path.write_bytes(b'{"format": 99}\n' * 2)
    with pytest.raises(TrajectoryError, match=f"r{suffix}"):
        load_rollouts(path)


def test_a_damaged_pack_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    with open_rollouts(path) as writer:
        writer.write(odd())
    path.write_bytes(path.read_bytes() + b"not gzip at all")
    with pytest.raises(TrajectoryError, match="damaged"):
        open_rollouts(path)
    assert path.read_bytes().endswith(b"not gzip at all")


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with open_rollouts(path) as writer:
        writer.write(odd())
    with open(path, "a") as file:
        file.write('{"format": 1, "agents": []}\n')
    reading = iter_rollouts(path)
    assert next(reading) == odd()
    with pytest.raises(TrajectoryError, match="jsonl:2"):
        next(reading)


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.csv"):
        open_rollouts(tmp_path / "r.csv")
