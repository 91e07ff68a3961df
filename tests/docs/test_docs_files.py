"""docs/files.md names exactly the fields that the code writes and reads."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from wideseek_baselines.policies.random import RandomPolicy
from wideseek_baselines.tokens.record import AgentRecord, Rollout, TurnRecord
from wideseek_env import GameConfig, Trajectory
from wideseek_env.conversation import Outcome
from wideseek_env.corpus.rows import FIELDS
from wideseek_env.episode_run import run_episode
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.responses import ID_FIELDS, TEXT_FIELDS, TRIAL_FIELDS
from wideseek_env.scoring.result import TableScore
from wideseek_env.task import METRICS, PREPROCESSORS
from wideseek_env.tasks import jsonl

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "files.md").read_text()
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def tables() -> list[list[str]]:
    """The names in the first column of every table that begins with the column `field`."""
    found = []
    for match in TABLE.finditer(PAGE):
        lines = match.group().splitlines()
        if lines[0].startswith("| field "):
            found.append([line.split("|")[1].strip(" `") for line in lines[2:]])
    return found


def names(kind: type) -> set[str]:
    return {each.name for each in dataclasses.fields(kind)}


WANTED = {
    "task": set(jsonl._FIELDS),
    "spec": {"metrics", "preprocess", "criterion"},
    "row": set(FIELDS),
    "answer": {ID_FIELDS[0], TEXT_FIELDS[0], TRIAL_FIELDS[0]},
    "trajectory": {"format"} | names(Trajectory),
    "outcome": names(Outcome),
    "score": names(TableScore),
    "rollout": {"format"} | names(Rollout),
    "agent": names(AgentRecord),
    "turn": names(TurnRecord),
    "metrics": {"end", "crc"} | names(EpisodeRecord),
}


@pytest.mark.parametrize("kind", WANTED)
def test_the_page_has_a_table_with_exactly_these_fields(kind: str) -> None:
    nearest = max(
        tables(), key=lambda fields: len(WANTED[kind] & set(fields)) - len(WANTED[kind] ^ set(fields))
    )
    assert sorted(nearest) == sorted(WANTED[kind])


def test_the_fields_of_a_conversation_are_those_of_a_record() -> None:
    game = GameConfig(tasks="synthetic:pages=900", limit=1, credit="cells").open()
    record = run_episode(game, RandomPolicy(), game.tasks[0]).trajectory(policy="random").to_dict()
    assert sorted(record["conversations"][0]) in map(sorted, tables())


def test_all_names_of_metrics_and_preprocessors_are_there() -> None:
    for name in (*METRICS, *PREPROCESSORS):
        assert f"`{name}`" in PAGE
