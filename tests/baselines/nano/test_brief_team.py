"""`BriefTeam`: a short-spoken expert whose score follows from how many subagents it dares to start."""

from __future__ import annotations

import re
from typing import Any

import pytest

from wideseek_baselines.nano.team import BriefTeam
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.tasks import conditions

WORLD = (
    "synthetic:rows=5-9,columns=2,hops=1,prose=0,distractors=0,near_duplicates=0,stale=0,conflicts=0,gone=0,"
    "pages=700"
)
LIMITS = {
    "lead_turns": 3,
    "subagent_turns": 3,
    "calls_per_turn": 1,
    "results_per_query": 1,
    "max_results_per_query": 1,
    "result_chars": 950,
}


def play(policy: BriefTeam, count: int = 8, **changes: Any) -> list[dict[str, Any]]:
    from wideseek_env.rules import Rules

    limits = {name: changes.pop(name) for name in ("width", "single_turns") if name in changes}
    setup = GameConfig(
        tasks=WORLD, split="train", profile="terse", rules=Rules(**{**LIMITS, **limits}), **changes
    ).open()
    tasks = conditions.where(setup.tasks, ["difficulty=easy"])[:count]
    return [
        run_episode(setup, policy, task, seed=seed).trajectory().to_dict() for seed, task in enumerate(tasks)
    ]


def mean(episodes: list[dict[str, Any]]) -> float:
    return sum(episode["score"]["f1_by_item"] for episode in episodes) / len(episodes)


def test_the_whole_width_finds_the_whole_table() -> None:
    assert mean(play(BriefTeam(), width=9)) > 0.95
    assert 0.3 < mean(play(BriefTeam(), width=2)) < 0.65


def test_a_timid_team_starts_fewer_and_scores_less() -> None:
    timid, eager = play(BriefTeam(0.5), width=8), play(BriefTeam(), width=8)
    assert mean(timid) < mean(eager) - 0.2
    started = [sum(c["role"] == "subagent" for c in episode["conversations"]) - 1 for episode in timid]
    assert len(set(started)) > 1
    assert all(1 <= number <= 8 for number in started)
    again = play(BriefTeam(0.5), width=8)
    assert [e["conversations"] for e in timid] == [e["conversations"] for e in again]


@pytest.mark.parametrize("width", [2, 8])
def test_the_lead_says_how_many_it_starts_and_counts_down(width: int) -> None:
    for episode in play(BriefTeam(0.5 if width > 2 else 1), width=width):
        lead = next(c for c in episode["conversations"] if c["role"] == "lead")
        said = [message["content"] for message in lead["messages"] if message["role"] == "assistant"]
        planned = re.search(rf"subtasks to at most {width}: (\d+)\n", said[1])
        assert planned is not None
        countdown = [str(number) for number in range(int(planned[1]), 0, -1)]
        assert re.findall(r"(\d+)\. \[", said[1]) == countdown
        assert re.findall(r"^\| (\d+) \|", said[2], re.MULTILINE) == countdown


def test_the_single_agent_reads_as_far_as_its_turns_go() -> None:
    assert mean(play(BriefTeam(), team=False, single_turns=12)) > 0.95
    assert mean(play(BriefTeam(), team=False, single_turns=5)) < 0.65


def test_messages_are_short() -> None:
    said = [
        len(message["content"])
        for episode in play(BriefTeam(), width=8)
        for conversation in episode["conversations"]
        for message in conversation["messages"]
        if message["role"] == "assistant"
    ]
    assert sum(said) / len(said) < 250


@pytest.mark.parametrize("eagerness", [-0.1, 1.5])
def test_eagerness_is_a_probability(eagerness: float) -> None:
    with pytest.raises(ConfigError, match="eagerness must be from 0 to 1"):
        BriefTeam(eagerness)
