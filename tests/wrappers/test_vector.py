"""`SymbolicVec`: the same episodes as one by one, one batch of tool calls a step, and Gymnasium's vector API."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from greedy import greedy
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import iterate
from gymnasium.wrappers.vector import ClipReward, DictInfoToList, RecordEpisodeStatistics

import wideseek_env
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ActionError, ConfigError, TaskError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.task import Task
from wideseek_env.tools.executor import Executor
from wideseek_env.wrappers import Symbolic, SymbolicVec
from wideseek_env.wrappers.vector import Arrays

Make = Callable[..., Symbolic]


class Counting:
    """Passes calls on and notes how many came at once."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner
        self.batches: list[int] = []
        self.closed = 0

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.batches.append(len(calls))
        return self.inner.run(calls)

    def close(self) -> None:
        self.closed += 1
        self.inner.close()


def by_greed(vec: SymbolicVec, arrays: Arrays) -> np.ndarray:
    return np.array(
        [
            [
                greedy(vec.layout, {"observation": observation, "action_mask": mask})
                for observation, mask in zip(arrays["observation"][n], arrays["action_mask"][n], strict=True)
            ]
            for n in range(vec.num_envs)
        ]
    )


def test_episodes_are_those_that_are_played_alone(make: Make) -> None:
    env, alone = make(shaping=0.25), make(shaping=0.25)
    plays: list[EpisodeRun] = []
    vec = SymbolicVec(env, 3, on_end=plays.append)
    arrays, _ = vec.reset(seed=0)
    seen: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(3)]
    ended: list[str] = []
    lengths = [0] * 3
    while len(ended) < 5:
        actions = by_greed(vec, arrays)
        for n in range(3):
            seen[n].append((arrays["observation"][n], arrays["action_mask"][n], actions[n]))
        arrays, rewards, terminated, truncated, infos = vec.step(actions)
        lengths = [length + 1 for length in lengths]
        assert ("final_info" in infos) == terminated.any()
        for place in np.flatnonzero(terminated):
            final = {key: infos["final_info"][key][place] for key in ("task_id", "steps", "item_f1")}
            assert infos["_final_info"][place]
            assert infos["_final_obs"][place]
            assert infos["final_info"]["_item_f1"][place]
            assert final["steps"] == lengths[place]
            lengths[place] = 0
            assert rewards[place] >= infos["final_info"]["team_reward"][place] == final["item_f1"] == 1
            assert rewards[place] == infos["shaping"][place] + 1
            observations, _ = alone.reset(options={"task_id": final["task_id"]})
            record = seen[place][-final["steps"] :]
            for one, mask, row in record:
                for seat, agent in enumerate(alone.possible_agents):
                    assert np.array_equal(observations[agent]["observation"], one[seat])
                    assert np.array_equal(observations[agent]["action_mask"], mask[seat])
                observations, paid, *_ = alone.step(dict(zip(alone.possible_agents, row, strict=True)))
            assert not alone.agents
            assert set(paid.values()) == {rewards[place]}
            for seat, agent in enumerate(alone.possible_agents):
                for key, of_all in infos["final_obs"][place].items():
                    if key != "acting":
                        assert np.array_equal(observations[agent][key], of_all[seat])
            assert not infos["final_obs"][place]["acting"].any()
            # The next episode has begun: the lead acts and knows nothing yet.
            assert list(arrays["acting"][place]) == [True, False, False, False]
            ended.append(final["task_id"])
        assert not truncated.any()
    assert [play.task.id for play in plays] == ended
    assert all(play.trajectory().replay().outcome == play.episode.outcome for play in plays)


def test_a_step_is_one_batch_of_calls(make: Make) -> None:
    below = make().env.game
    counting = Counting(below.executor)
    env = Symbolic(wideseek_env.parallel_env(tasks=below.tasks, executor=counting, width=3, profile="terse"))
    vec = SymbolicVec(env, 4)
    arrays, _ = vec.reset(seed=1)
    for number in range(1, 9):
        arrays, *_ = vec.step(by_greed(vec, arrays))
        assert len(counting.batches) == number
    assert counting.batches[:4] == [0, 4, 4, 0]  # delegate, search, open, take
    assert max(counting.batches) >= 12


def test_seeds_repeat_and_differ(make: Make) -> None:
    def run(seed: int) -> list[np.ndarray]:
        vec = SymbolicVec(make(), 3)
        arrays, _ = vec.reset(seed=seed)
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


def test_a_seed_is_that_of_each_episode(make: Make) -> None:
    vec, env = SymbolicVec(make(), 3), make()
    for seed in (7, [20, 3, 11]):
        _, infos = vec.reset(seed=seed)
        tasks = [[infos["task_id"][n]] for n in range(3)]
        while min(map(len, tasks)) < 4:
            actions = np.full((3, 4), env.layout.action("answer"))
            _, _, terminated, _, infos = vec.step(actions)
            assert terminated.all()
            for n in range(3):
                tasks[n].append(infos["task_id"][n])
        for n, each in enumerate(seed if isinstance(seed, list) else range(seed, seed + 3)):
            env.reset(seed=each)
            alone = [env.episode_run.task.id]
            for _ in range(3):
                env.reset()
                alone.append(env.episode_run.task.id)
            assert tasks[n] == alone


def test_a_reset_without_a_seed_goes_on_and_some_seeds_may_be_missing(make: Make) -> None:
    vec, other = SymbolicVec(make(), 3), SymbolicVec(make(), 3)
    firsts = [each.reset(seed=1)[1]["task_id"].tolist() for each in (vec, other)]
    assert firsts[0] == firsts[1]
    seconds = [each.reset()[1]["task_id"].tolist() for each in (vec, other)]
    assert seconds[0] == seconds[1] != firsts[0]
    mixed = vec.reset(seed=[1, None, 3])[1]["task_id"]
    plain = other.reset()[1]["task_id"]
    assert mixed[1] == plain[1]
    assert [mixed[0], mixed[2]] == [firsts[0][0], firsts[0][2]]
    unseeded = [SymbolicVec(make(), 3).reset()[1]["task_id"].tolist() for _ in range(4)]
    assert len({tuple(ids) for ids in unseeded}) > 1


def test_copies_of_an_environment_that_was_not_reset_choose_other_tasks(make: Make) -> None:
    env = make()
    ids = []
    for _ in range(6):
        twin = copy.copy(env)
        twin.reset()
        ids.append(twin.episode_run.task.id)
    assert len(set(ids)) > 1


def test_options_choose_the_task_of_every_episode(make: Make) -> None:
    vec = SymbolicVec(make(), 2)
    wanted = vec.env.game.tasks[3].id
    _, infos = vec.reset(options={"task_id": wanted})
    assert list(infos["task_id"]) == [wanted] * 2
    with pytest.raises(ConfigError, match="no option 'tasks'"):
        vec.reset(options={"tasks": wanted})
    with pytest.raises(TaskError, match="does not fit"):
        vec.reset(options={"task": Task(id="other", question="Who?", answers=("Ada",))})


def test_it_is_a_vector_environment_of_gymnasium(make: Make) -> None:
    vec = SymbolicVec(make(), 5)
    assert isinstance(vec, VectorEnv)
    assert (vec.num_envs, len(vec.agents)) == (5, 4)
    features, actions = vec.layout.features, vec.layout.actions
    shapes = {"observation": (4, features), "action_mask": (4, actions), "acting": (4,)}
    assert {key: space.shape for key, space in vec.single_observation_space.items()} == shapes
    assert {key: space.shape for key, space in vec.observation_space.items()} == {
        key: (5, *shape) for key, shape in shapes.items()
    }
    assert vec.single_action_space == spaces.MultiDiscrete([actions] * 4)
    assert vec.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert vec.spec is None
    assert vec.render_mode is None
    assert not vec.closed
    vec.action_space.seed(0)
    arrays, infos = vec.reset(seed=3, options={})
    for _ in range(12):
        assert vec.observation_space.contains(arrays)
        for key, space in vec.observation_space.items():
            assert arrays[key].dtype == space.dtype
        for one in iterate(vec.observation_space, arrays):
            assert vec.single_observation_space.contains(one)
        assert all(len(values) == 5 for values in infos.values() if not isinstance(values, dict))
        sample = vec.action_space.sample()
        assert vec.action_space.contains(sample)
        arrays, rewards, terminated, truncated, infos = vec.step(
            sample
        )  # most of it is impossible, and costs turns
        assert rewards.shape == terminated.shape == truncated.shape == (5,)
        assert (rewards.dtype, terminated.dtype, truncated.dtype) == (np.float64, bool, bool)
    with pytest.raises(ConfigError, match="no render mode"):
        vec.render()


def test_arrays_are_not_changed_later(make: Make) -> None:
    vec = SymbolicVec(make(), 2)
    arrays, _ = vec.reset(seed=0)
    before = {key: value.copy() for key, value in arrays.items()}
    for _ in range(3):
        vec.step(by_greed(vec, vec.step(by_greed(vec, arrays))[0]))
    assert all(np.array_equal(before[key], arrays[key]) for key in arrays)


def test_wrappers_of_gymnasium_work(make: Make) -> None:
    plain = SymbolicVec(make(), 3)
    wrapped = RecordEpisodeStatistics(SymbolicVec(make(), 3))
    clipped = ClipReward(SymbolicVec(make(), 3), max_reward=0.5)
    listed = DictInfoToList(SymbolicVec(make(), 3))
    arrays, _ = plain.reset(seed=2)
    for each in (wrapped, clipped, listed):
        each.reset(seed=2)
    returns, episodes = np.zeros(3), 0
    for _ in range(60):
        actions = by_greed(plain, arrays)
        arrays, rewards, terminated, truncated, infos = plain.step(actions)
        returns += rewards
        *_, statistics = wrapped.step(actions)
        assert np.array_equal(clipped.step(actions)[1], np.minimum(rewards, 0.5))
        *_, lists = listed.step(actions)
        for n in np.flatnonzero(terminated | truncated):
            assert statistics["episode"]["r"][n] == pytest.approx(returns[n])
            assert lists[n]["final_info"]["item_f1"] == infos["final_info"]["item_f1"][n]
            returns[n] = 0
            episodes += 1
    assert episodes > 3


def test_closing_ends_it(make: Make) -> None:
    below = make().env.game
    counting = Counting(below.executor)
    env = Symbolic(wideseek_env.parallel_env(tasks=below.tasks, executor=counting, width=3, profile="terse"))
    vec = SymbolicVec(env, 2)
    vec.reset(seed=0)
    del vec
    gc.collect()
    assert counting.closed == 0, "the environment may be used elsewhere"
    vec = SymbolicVec(env, 2)
    vec.close()
    vec.close()
    assert vec.closed
    assert counting.closed == 1
    for call in (vec.reset, lambda: vec.step(np.zeros((2, 4), int))):
        with pytest.raises(ActionError, match="closed"):
            call()


def test_mistakes_are_named(make: Make) -> None:
    for number in (0, -1, True, 2.0, "2"):
        with pytest.raises(ConfigError, match="at least 1"):
            SymbolicVec(make(), number)
    vec = SymbolicVec(make(), 2)
    with pytest.raises(ActionError, match="reset"):
        vec.step(np.zeros((2, 4), int))
    vec.reset(seed=0)
    with pytest.raises(ConfigError, match="needs 2 seeds, not 3"):
        vec.reset(seed=[1, 2, 3])
    with pytest.raises(ActionError, match=r"shape \(2, 4\)"):
        vec.step(np.zeros((2, 3), int))
    with pytest.raises(ActionError, match="whole numbers"):
        vec.step(np.zeros((2, 4)))
    before = [episode.steps for episode in vec._episodes]
    for action in (-1, vec.layout.actions):
        with pytest.raises(ActionError, match=f"lead: there is no action {action}"):
            vec.step([[0, 0, 0, 0], [action, 0, 0, 0]])
    assert [episode.steps for episode in vec._episodes] == before, "no episode has moved"
    vec.step([[0, -1, 10_000, 0], [0, 0, 0, 0]])  # agents that are not acting


@pytest.mark.parametrize("seed", [np.arange(2), (0, 1), [np.int64(0), 1], np.int64(0)])
def test_forms_of_seeds(make: Make, seed: object) -> None:
    vec, other = SymbolicVec(make(), np.int64(2)), SymbolicVec(make(), 2)  # type: ignore[arg-type]
    first, _ = vec.reset(seed=seed)  # type: ignore[arg-type]
    second, _ = other.reset(seed=0)
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("seed", [-1, [-1, 0], 1.5, "ab", [0.5, 1], [0], {0: 1, 1: 2}])
def test_wrong_seeds_are_named(make: Make, seed: object) -> None:
    vec = SymbolicVec(make(), 2)
    with pytest.raises(ConfigError, match="seed"):
        vec.reset(seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"depth": 1}, {"task_id": "none"}])
def test_a_failed_reset_changes_nothing(make: Make, options: dict[str, object]) -> None:
    vec, other = SymbolicVec(make(), 2), SymbolicVec(make(), 2)
    arrays, _ = vec.reset(seed=1)
    other.reset(seed=1)
    with pytest.raises((ConfigError, TaskError)):
        vec.reset(seed=2, options=options)
    ended = 0
    for _ in range(200):
        actions = by_greed(vec, arrays)
        arrays, *_, infos = vec.step(actions)
        expected, *_, others = other.step(actions)
        assert all(np.array_equal(arrays[name], expected[name]) for name in arrays)
        assert infos["task_id"].tolist() == others["task_id"].tolist()
        ended += "final_info" in infos
        if ended == 2:
            return
    raise AssertionError("no episode ended")
