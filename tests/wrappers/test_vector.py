"""`SymbolicVec`: the same episodes as one by one, one batch of tool calls a step, a new episode at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from greedy import greedy

import wideseek_env
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.tools.executor import Executor
from wideseek_env.wrappers import Symbolic, SymbolicVec
from wideseek_env.wrappers.vector import Arrays

Make = Callable[..., Symbolic]


class Counting:
    """Passes calls on and notes how many came at once."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner
        self.batches: list[int] = []

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.batches.append(len(calls))
        return self.inner.run(calls)

    def close(self) -> None:
        self.inner.close()


def by_greed(vec: SymbolicVec, arrays: Arrays) -> np.ndarray:
    return np.array(
        [
            [
                greedy(vec.layout, {"observation": observation, "action_mask": mask})
                for observation, mask in zip(arrays["observation"][n], arrays["action_mask"][n], strict=True)
            ]
            for n in range(vec.number)
        ]
    )


def test_episodes_are_those_that_are_played_alone(make: Make) -> None:
    env, alone = make(shaping=0.25), make(shaping=0.25)
    plays: list[EpisodeRun] = []
    vec = SymbolicVec(env, 3, on_end=plays.append)
    arrays = vec.reset(seed=0)
    seen: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(3)]
    ended = []
    while len(ended) < 5:
        actions = by_greed(vec, arrays)
        for n in range(3):
            seen[n].append((arrays["observation"][n], arrays["action_mask"][n], actions[n]))
        arrays, rewards, terminated, truncated, now = vec.step(actions)
        for end in now:
            assert rewards[end.place, 0] >= end.team_reward == end.item_f1 == 1
            assert terminated[end.place]
            observations, _ = alone.reset(options={"task_id": end.task_id})
            record = seen[end.place][-end.steps :]
            for one, mask, row in record:
                for seat, agent in enumerate(alone.possible_agents):
                    assert np.array_equal(observations[agent]["observation"], one[seat])
                    assert np.array_equal(observations[agent]["action_mask"], mask[seat])
                observations, paid, *_ = alone.step(dict(zip(alone.possible_agents, row, strict=True)))
            assert not alone.agents
            assert rewards[end.place] == pytest.approx(list(paid.values()))
            # The next episode has begun: the lead acts and knows nothing yet.
            assert list(arrays["acting"][end.place]) == [True, False, False, False]
        assert not truncated.any()
        assert terminated.sum() == len(now)
        ended += now
    assert [play.task.id for play in plays] == [end.task_id for end in ended]
    assert all(play.trajectory().replay().outcome == play.episode.outcome for play in plays)


def test_a_step_is_one_batch_of_calls(make: Make) -> None:
    below = make().env.game
    counting = Counting(below.executor)
    env = Symbolic(wideseek_env.parallel_env(tasks=below.tasks, executor=counting, width=3, profile="terse"))
    vec = SymbolicVec(env, 4)
    arrays = vec.reset(seed=1)
    for number in range(1, 9):
        arrays, *_ = vec.step(by_greed(vec, arrays))
        assert len(counting.batches) == number
    assert counting.batches[:4] == [0, 4, 4, 0]  # delegate, search, open, take
    assert max(counting.batches) >= 12


def test_seeds_repeat_and_differ(make: Make) -> None:
    def run(seed: int) -> list[np.ndarray]:
        vec = SymbolicVec(make(), 3)
        arrays = vec.reset(seed=seed)
        rng = np.random.default_rng(0)
        out = []
        for _ in range(60):
            noise = rng.random(arrays["action_mask"].shape)
            arrays, rewards, *_ = vec.step((noise * arrays["action_mask"]).argmax(-1))
            out += [arrays["observation"], rewards]
        return out

    one, again, other = run(5), run(5), run(6)
    assert all(map(np.array_equal, one, again))
    assert not all(map(np.array_equal, one, other))


def test_mistakes_are_named(make: Make) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        SymbolicVec(make(), 0)
    vec = SymbolicVec(make(), 2)
    with pytest.raises(ActionError, match="reset"):
        vec.step(np.zeros((2, 4), int))
    vec.reset(seed=0)
    with pytest.raises(ActionError, match=r"shape \(2, 4\)"):
        vec.step(np.zeros((2, 3), int))
    with pytest.raises(ActionError, match="whole numbers"):
        vec.step(np.zeros((2, 4)))
