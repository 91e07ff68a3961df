"""Agent turns per second: with the rules alone, with the PettingZoo environment, and for longer and longer episodes.

Run ``python -m pytest benchmarks/test_environment_speed.py --benchmark-only -o addopts=``. Every turn parses a real
tool call. The tools do nothing. The result is in ``extra_info["turns_per_second"]``.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

import wideseek_env
from wideseek_env.episode import Episode
from wideseek_env.rules import Rules
from wideseek_env.testing import NoOpTools, example_task

SUBTASKS = ", ".join(f'"the museums of district {n}"' for n in range(8))
ARGUMENTS = f'{{"subtasks": [{SUBTASKS}]}}'
DELEGATE = f'I split the list.\n<tool_call>\n{{"name": "delegate", "arguments": {ARGUMENTS}}}\n</tool_call>'
SEARCH = 'Next.\n<tool_call>\n{"name": "search", "arguments": {"query": "museums founded before 1900"}}\n</tool_call>'
ANSWER = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |"


def script(role: str, turns: int, limit: int) -> str:
    """The message of an agent: it delegates or searches until its last turn, then answers or reports."""
    if turns == limit - 1:
        return ANSWER
    return DELEGATE if role == "lead" else SEARCH


def play_rules(rules: Rules) -> int:
    """Run one episode with `Episode` alone. Returns the number of agent turns."""
    episode = Episode(example_task(), rules=rules)
    while not episode.done:
        for agent in episode.ready():
            conversation = episode.conversation(agent)
            for call in episode.act(agent, script(conversation.role, conversation.turns, conversation.limit)):
                episode.deliver(call, "ok")
    assert episode.outcome is not None
    return episode.outcome.turns


def play_parallel(env: Any) -> int:
    """Run one episode with `parallel_env().step`. Returns the number of agent turns."""
    _, infos = env.reset(seed=0)
    turns = 0
    while env.agents:
        actions = {}
        for agent in env.acting_agents:
            info = infos[agent]
            actions[agent] = script(info["role"], info["turn"], info["turn"] + info["turns_left"])
        turns += len(actions)
        _, _, _, _, infos = env.step(actions)
    return turns


def report(benchmark: Any, turns: int) -> None:
    benchmark.extra_info["turns"] = turns
    benchmark.extra_info["turns_per_second"] = round(turns / benchmark.stats.stats.median)


def test_rules_alone(benchmark: Any) -> None:
    turns = benchmark(play_rules, Rules())
    assert turns == 10 + 9 * 8 * 20
    report(benchmark, turns)


def test_parallel_env(benchmark: Any) -> None:
    env = wideseek_env.parallel_env(tasks=[example_task()], executor=NoOpTools())
    turns = benchmark(play_parallel, env)
    assert turns == 10 + 9 * 8 * 20
    report(benchmark, turns)


@pytest.mark.parametrize("length", [20, 200, 2000])
def test_no_slow_down_with_the_length_of_an_episode(benchmark: Any, length: int) -> None:
    rules = {"subagent_turns": length, "lead_turns": 2, "context": 10**9}
    env = wideseek_env.parallel_env(tasks=[example_task()], executor=NoOpTools(), rules=rules)
    turns = benchmark.pedantic(play_parallel, (env,), rounds=5, iterations=1, warmup_rounds=1)
    assert turns == 2 + 8 * length
    report(benchmark, turns)


def test_memory_of_64_episodes(benchmark: Any) -> None:
    """Memory of 64 episodes: three delegations to 8 subagents that use all turns, and results of 2,000 characters."""

    def hold() -> float:
        tracemalloc.start()
        tools = NoOpTools("word " * 400)
        envs = [
            wideseek_env.parallel_env(tasks=[example_task()], executor=tools, rules={"lead_turns": 4})
            for _ in range(64)
        ]
        for env in envs:
            play_parallel(env)
        megabytes = tracemalloc.get_traced_memory()[0] / 1e6
        tracemalloc.stop()
        return megabytes

    megabytes = benchmark.pedantic(hold, rounds=1, iterations=1)
    benchmark.extra_info["megabytes"] = round(megabytes, 1)
    assert megabytes < 200
