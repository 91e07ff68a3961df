"""A token budget of the whole team: never exceeded, well used, and the team comes to its answer."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from told_engine import PlainEngine
from toy_team import ToyTeam, town_setup

from wideseek_baselines.engines.base import Generation, Request
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import width_sweep
from wideseek_env.policy import Turn
from wideseek_env.trajectory import load_trajectories

LOOSE = {"subagent_turns": 12, "single_turns": 12, "calls_per_turn": 1}
WORDS = 40
"""What every message is lengthened to, as by thinking aloud."""


class TalkingEngine(PlainEngine):
    """Writes what the toy team would, after some words of thought; a word is a token."""

    def __init__(self) -> None:
        super().__init__("messages")
        self.toy = ToyTeam()
        self.under_way = self.most = 0

    async def generate(self, request: Request) -> Generation:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        prompt = str(request.messages[0]["content"])
        width = re.search(r'"maxItems": (\d+)', prompt)  # the tools stand in the prompt
        asked = "Your subtask" in str(request.messages[1]["content"])
        subtasks = {"subtasks": {"maxItems": int(width[1])}} if width else {}
        turn = Turn(
            agent="a",
            role="subagent" if asked else "lead" if '"delegate"' in prompt else "single",
            observation="",
            messages=request.messages,
            tools=[{"function": {"parameters": {"properties": subtasks}}}],
            turns_left=1 if "your last" in str(request.messages[-1]["content"]) else 9,
        )
        text = self.toy._one(turn)
        words = ["<think>", *["so"] * WORDS, "</think>", *text.split(" ")]
        kept = words[: request.sampling.max_tokens]
        return Generation(
            "length" if len(kept) < len(words) else "stop",
            message={"role": "assistant", "content": " ".join(kept)},
            completion_tokens=len(kept),
        )


def talking(**options: Any) -> LLMPolicy:
    return LLMPolicy(TalkingEngine(), turn_tokens=200, **options)


@pytest.mark.parametrize("amount", [450, 600])
def test_every_width_keeps_to_the_budget_and_answers(tmp_path: Path, amount: int) -> None:
    game = town_setup(count=4, rules=LOOSE)
    sweep = width_sweep(
        game, talking, (1, 2, 4), policy_name="talking", equal="tokens", amount=amount, single=True, folder=tmp_path
    )  # fmt: skip
    for point in sweep.points:
        used = [(record.usage or {})["completion_tokens"] for record in point.records]
        assert amount / 2 < min(used), point.label
        assert max(used) <= amount, point.label
        assert point.summary.answered == 1.0, "everybody answers with what there is"
    assert all(p.summary.item_recall > 0 for p in sweep.points if p.size in (None, 2, 4))
    told = [t for p in tmp_path.glob("width-*/trajectories.jsonl") for t in load_trajectories(p)]
    for trajectory in told:
        messages = [m for c in trajectory.conversations for m in c["messages"]]
        assert "budget" in {m.get("finish_reason") for m in messages}
        assert trajectory.replay().outcome is not None


def test_without_a_budget_they_use_more() -> None:
    game = town_setup(count=2, rules=LOOSE)
    with talking() as policy:
        free = width_sweep(game, lambda: policy, (1,), policy_name="talking")
    assert all((record.usage or {})["completion_tokens"] > 620 for record in free.points[0].records)
    assert free.points[0].summary.item_recall == 1.0


def test_agents_that_generate_together_never_exceed_the_budget() -> None:
    game = town_setup(count=3, width=8, rules=LOOSE)
    for tokens in (150, 200, 300, 400):
        with talking(episode_tokens=tokens) as policy:
            before = 0
            for task in game.tasks:
                run_episode(game, policy, task)
                after = policy.usage.completion_tokens
                assert 0 < after - before <= tokens
                before = after
            engine = policy.engines[0]
        assert isinstance(engine, TalkingEngine)
        assert engine.most > 1 or tokens < 300


def test_the_last_messages_are_part_of_the_budget() -> None:
    with pytest.raises(ConfigError, match="answer_tokens must be from 0 to episode_tokens"):
        talking(episode_tokens=10, answer_tokens=11)
    with pytest.raises(ConfigError, match="answer_tokens"):
        talking(answer_tokens=1)
