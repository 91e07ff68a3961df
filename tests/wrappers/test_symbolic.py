"""`Symbolic`: PettingZoo's tests, real trajectories, honest observations, and that the spaces are sufficient."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from greedy import greedy
from pettingzoo.test import parallel_api_test, parallel_seed_test

import wideseek_env
from wideseek_env.episode_run import run_episode
from wideseek_env.errors import ActionError, ConfigError, TaskError
from wideseek_env.policy import make_policy
from wideseek_env.task import Table, Task
from wideseek_env.testing import example_task
from wideseek_env.trajectory import Trajectory
from wideseek_env.wrappers import MarkdownReader, PageView, Symbolic

Make = Callable[..., Symbolic]
Choose = Callable[[Symbolic, Mapping[str, Any]], dict[str, int]]


def by_greed(env: Symbolic, observations: Mapping[str, Any]) -> dict[str, int]:
    return {agent: greedy(env.layout, observations[agent]) for agent in env.acting_agents}


def by_chance(seed: int, *, masked: bool = True) -> Choose:
    rng = np.random.default_rng(seed)

    def choose(env: Symbolic, observations: Mapping[str, Any]) -> dict[str, int]:
        return {
            agent: int(
                rng.choice(np.flatnonzero(observations[agent]["action_mask"]))
                if masked
                else rng.integers(env.layout.actions)
            )
            for agent in env.acting_agents
        }

    return choose


def play(env: Symbolic, choose: Choose, **reset: Any) -> list[tuple[Any, ...]]:
    """Play one episode; what every step gave back."""
    observations, _ = env.reset(**reset)
    steps: list[tuple[Any, ...]] = []
    while env.agents:
        for agent in env.agents:
            assert env.observation_space(agent).contains(observations[agent])
        steps.append(env.step(choose(env, observations)))
        observations = steps[-1][0]
    return steps


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other)


def test_pettingzoo_parallel_api(make: Make) -> None:
    parallel_api_test(make(), num_cycles=200)


def test_pettingzoo_seed(make: Make) -> None:
    parallel_seed_test(make, num_cycles=100)


@pytest.mark.parametrize(
    "world",
    [
        "synthetic:rows=6,columns=2,hops=1,pages=600",
        "synthetic:rows=6-8,columns=2-4,hops=3,pages=900,stale=0.5,conflicts=0.5,near_duplicates=0.4,page_size=4",
    ],
)
def test_the_spaces_are_sufficient_for_what_the_scripted_team_reaches(make: Make, world: str) -> None:
    env = make(world)
    scripted = make_policy("scripted")
    ours, theirs = [], []
    for seed in range(12):
        steps = play(env, by_greed, seed=seed)
        ours.append(steps[-1][4]["lead"]["item_f1"])
        score = run_episode(env.env.game, scripted, env.episode_run.task, seed=seed).score
        assert score is not None
        theirs.append(score.f1_by_item)
    assert np.mean(theirs) > 0.9
    assert np.mean(ours) >= 0.95 * np.mean(theirs)


def test_chance_is_far_below_and_always_legal(make: Make) -> None:
    env = make()
    scores = []
    for seed in range(20):
        steps = play(env, by_chance(seed), seed=seed)
        scores.append(steps[-1][4]["lead"]["item_f1"])
        outcome = env.episode_run.episode.outcome
        assert outcome is not None
        assert outcome.errors == 0, "a masked action was refused by the environment"
    assert np.mean(scores) < 0.2


def test_trajectories_are_real_and_replay(make: Make) -> None:
    env = make()
    play(env, by_greed, seed=1)
    trajectory = env.trajectory(policy="greedy")
    again = Trajectory.from_dict(json.loads(trajectory.to_json()))
    episode = again.replay()
    assert episode.outcome == env.episode_run.episode.outcome
    assert episode.outcome is not None
    assert episode.outcome.tool_calls["search"] >= 7
    assert episode.outcome.tool_calls["browse"] >= 7
    assert episode.outcome.subagents == 4


def test_the_last_step_pays_the_reward_of_the_environment(make: Make) -> None:
    env = make(reward="wideseek_r1")
    *before, last = play(env, by_greed, seed=2)
    assert all(not any(step[1].values()) for step in before)
    assert set(last[1]) == set(env.possible_agents)
    assert set(last[1].values()) == {env.episode_run.reward}
    assert env.episode_run.reward == pytest.approx(env.episode_run.score.f1_by_item + 0.15)  # type: ignore[union-attr]
    assert all(last[2].values())
    assert not any(last[3].values())


def test_running_out_of_turns_truncates(make: Make) -> None:
    env = make(rules={"lead_turns": 1})
    observations, _ = env.reset(seed=0)
    assert list(np.flatnonzero(observations["lead"]["action_mask"])) == [env.layout.action("answer")]
    _, rewards, terminated, truncated, _ = env.step({"lead": env.layout.action("find")})
    assert not env.agents
    assert rewards["lead"] == 0
    assert (terminated["lead"], truncated["lead"]) == (False, True)


def test_an_action_beyond_the_mask_costs_a_turn(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    env.step({"lead": env.layout.action("report")})
    conversation = env.episode_run.episode.conversation("lead")
    assert (conversation.turns, conversation.errors) == (1, 1)
    assert env.acting_agents == ["lead"]
    for seed in range(10):
        play(env, by_chance(seed, masked=False), seed=seed)


def test_taking_a_value_takes_no_turn_and_is_said_in_the_next_message(make: Make) -> None:
    env = make()
    observations, _ = env.reset(seed=0)
    takes = 0
    while env.agents:
        actions = by_greed(env, observations)
        takers = [a for a, n in actions.items() if a != "lead" and env.layout.choice(n).verb == "take"]
        before = {agent: env.episode_run.episode.conversation(agent).turns for agent in takers}
        observations, *_ = env.step(actions)
        assert all(env.episode_run.episode.conversation(agent).turns == before[agent] for agent in takers)
        takes += len(takers)
    written = [
        m["content"]
        for c in env.episode_run.episode.conversations
        for m in c.messages
        if m["role"] == "assistant"
    ]
    assert takes >= 12
    assert sum(text.count("Noted ") for text in written) == takes


def test_actions_of_agents_that_are_not_acting_change_nothing(make: Make) -> None:
    env, other = make(), make()

    def with_noise(env: Symbolic, observations: Mapping[str, Any]) -> dict[str, int]:
        return dict.fromkeys(env.agents, 3) | by_greed(env, observations)

    assert all(map(same, play(env, by_greed, seed=4), play(other, with_noise, seed=4)))


def test_observations_do_not_depend_on_the_gold_table(make: Make) -> None:
    env = make()
    env.reset(seed=5)
    task = env.episode_run.task
    assert task.gold is not None
    hidden = dataclasses.replace(task, gold=Table(task.columns, (("x",) * len(task.columns),)))
    one = play(env, by_greed, options={"task": task})
    other = play(env, by_greed, options={"task": hidden})
    assert [list(map(bool, step[2].values())) for step in one] == [
        list(map(bool, s[2].values())) for s in other
    ]
    assert all(same(mine[0], theirs[0]) for mine, theirs in zip(one, other, strict=True))
    assert one[-1][4]["lead"]["item_f1"] == 1
    assert other[-1][4]["lead"]["item_f1"] == 0


def test_a_subagent_knows_nothing_but_its_share(make: Make) -> None:
    env = make()
    observations, _ = env.reset(seed=6)
    while len(env.acting_agents) < 3:
        observations, *_ = env.step(by_greed(env, observations))
    for agent in env.acting_agents:
        parts = env.layout.parts(observations[agent]["observation"])
        assert parts["entities"][:, 0].sum() == 2
        assert env.episode_run.episode.conversation(agent).subtask.count("\n- ") == 2
        assert not parts["cells"][:, :, 0].any()


def test_shaping_is_apart_and_adds_up_to_the_right_cells(make: Make) -> None:
    plain, shaped = make(), make(shaping=0.5)
    one, other = play(plain, by_greed, seed=7), play(shaped, by_greed, seed=7)
    added = [theirs[1]["lead"] - mine[1]["lead"] for mine, theirs in zip(one, other, strict=True)]
    assert added == pytest.approx([step[4]["lead"]["shaping"] for step in other])
    assert sum(added) == pytest.approx(0.5)
    assert not any(step[4]["lead"]["shaping"] for step in one)
    assert other[-1][4]["lead"]["team_reward"] == one[-1][4]["lead"]["team_reward"]


class Blind(MarkdownReader):
    """Understands questions and results, and no page."""

    def page(self, text: str) -> PageView | None:
        return None


def test_what_is_known_is_what_the_reader_reads(make: Make) -> None:
    env = make(reader=Blind())
    steps = play(env, by_greed, seed=1)
    assert env.episode_run.episode.outcome is not None
    assert env.episode_run.episode.outcome.tool_calls["browse"] >= 1
    assert steps[-1][4]["lead"]["item_f1"] == 0
    assert not any(env.layout.parts(step[0]["lead"]["observation"])["entities"].any() for step in steps)
    with pytest.raises(ConfigError, match="question, hits and page"):
        make(reader=object())


def test_state_is_what_all_agents_see(make: Make) -> None:
    env = make()
    observations, _ = env.reset(seed=0)
    expected = np.concatenate([observations[agent]["observation"] for agent in env.possible_agents])
    assert np.array_equal(env.state(), expected)
    assert env.state_space.contains(env.state())


def test_tasks_that_do_not_fit_are_counted(make: Make) -> None:
    env = make()
    task = env.game.tasks[0]
    assert not env.left_out
    depth = Task(id="depth", question="Who?", answers=("me",))
    big = dataclasses.replace(task, id="big", meta={**task.meta, "list_rows": 9})
    mixed = make([task, depth, big, example_task()])
    assert len(mixed.game.tasks) == 1
    assert mixed.left_out == {
        "its answer is no table": 1,
        "more than 8 rows": 1,
        "its question is not understood": 1,
    }
    with pytest.raises(TaskError, match="more than 8 rows"):
        mixed.reset(options={"task": big})
    with pytest.raises(ConfigError, match="1: more than 8 rows"):
        make([big])
    with pytest.raises(ConfigError, match="more than 1 attributes"):
        make(max_attributes=1)


def test_mistakes_are_named(make: Make) -> None:
    env = make()
    with pytest.raises(ActionError, match="reset"):
        env.step({})
    env.reset(seed=0)
    with pytest.raises(ActionError, match="lead is acting"):
        env.step({})
    with pytest.raises(ActionError, match="no action 999"):
        env.step({"lead": 999})
    env.step({"lead": env.layout.action("answer")})
    with pytest.raises(ActionError, match="ended"):
        env.step({"lead": 1})
    with pytest.raises(ConfigError, match="not among possible_agents"):
        env.action_space("subagent_3")
    with pytest.raises(ConfigError, match="max_entities"):
        make(max_entities=0)
    with pytest.raises(ConfigError, match="chunks"):
        make(chunks=(0.5, 2))
    with pytest.raises(ConfigError, match="max_results"):
        make(max_results=11)
    with pytest.raises(ConfigError, match="wideseek-r1"):
        Symbolic(
            wideseek_env.parallel_env(
                tasks=env.env.game.tasks, executor=env.env.game.executor, profile="wideseek-r1"
            )
        )


def test_every_action_has_a_number_and_back(make: Make) -> None:
    layout = make().layout
    for number in range(layout.actions):
        assert layout.action(*layout.choice(number)) == number
    views = layout.parts(np.arange(layout.features, dtype=np.float32))
    assert sum(view.size for view in views.values()) == layout.features
