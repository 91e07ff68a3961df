"""An executor that breaks its contract: an exception is a failed result, anything else is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from toy_team import town_setup, town_task

from wideseek_env import parallel_env
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError, ServiceError
from wideseek_env.messages import ToolCall, ToolResult

SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "Alder"}}</tool_call>'
Run = Callable[[Sequence[ToolCall]], Any]


class Faulty:
    """An executor whose `run` is given."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def close(self) -> None:
        """Nothing is open."""


def fail(calls: Sequence[ToolCall]) -> list[ToolResult]:
    raise RuntimeError("index on fire")


def lose(calls: Sequence[ToolCall]) -> list[ToolResult]:
    raise ServiceError("the service is gone")


WRONG: list[tuple[Run, str]] = [
    (lambda calls: None, "the executor Faulty returned None; run"),
    (lambda calls: "text", "the executor Faulty returned 'text'"),
    (lambda calls: iter([]), "the executor Faulty returned <list_iterator"),
    (lambda calls: [], r"the executor Faulty gave 0 results for \d calls"),
    (lambda calls: [ToolResult("")] * 5, r"the executor Faulty gave 5 results for \d calls"),
    (lambda calls: [None] * len(calls), "the executor Faulty gave None for a call of search"),
    (lambda calls: [ToolResult(5)] * len(calls), r"gave ToolResult\(text=5.* for a call of search"),  # type: ignore[arg-type]
]


def episode_run(run: Run) -> EpisodeRun:
    game = town_setup(count=1, team=False).replace(executor=Faulty(run))
    return EpisodeRun(game, town_task(0))


def test_an_exception_is_a_failed_result_of_every_call() -> None:
    run = episode_run(fail)
    run.step({"agent": SEARCH})
    assert not run.done
    told = run.episode.root.messages[-1]["content"]
    assert told.count("Error: the tool failed (RuntimeError: index on fire)") >= 1
    assert run.episode.root.errors >= 1


def test_text_counts_as_a_result() -> None:
    run = episode_run(lambda calls: tuple("found it" for _ in calls))
    run.step({"agent": SEARCH})
    assert "found it" in run.episode.root.messages[-1]["content"]


def test_errors_of_this_package_end_the_episode() -> None:
    with pytest.raises(ServiceError, match="the service is gone"):
        episode_run(lose).step({"agent": SEARCH})


@pytest.mark.parametrize(("run", "message"), WRONG)
def test_wrong_results_are_named(run: Run, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        episode_run(run).step({"agent": SEARCH})
    env = parallel_env(tasks=[town_task(0)], executor=Faulty(run))
    env.reset(seed=0)
    env.step({"lead": '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["a"]}}</tool_call>'})
    with pytest.raises(ConfigError, match=message):
        env.step(dict.fromkeys(env.acting_agents, SEARCH))


@pytest.mark.parametrize(("run", "message"), [*WRONG, (lose, "the service is gone")])
def test_the_asynchronous_driver_loses_the_tool(run: Run, message: str) -> None:
    tools = pytest.importorskip("wideseek_baselines.rollout.tools")

    async def call() -> ToolResult:
        pool = tools.ToolPool(Faulty(run))
        try:
            return await pool.run(ToolCall("c", "agent", "search", {"query": "Alder", "count": 5}))  # type: ignore[no-any-return]
        finally:
            await pool.close()

    with pytest.raises(tools.ToolLostError, match=message):
        asyncio.run(call())
