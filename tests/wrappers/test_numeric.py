"""`NumericPolicy`: the same messages and scores as the symbolic episodes, at every width and under every driver."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from greedy import greedy
from gymnasium import spaces

import wideseek_env
from wideseek_env.cli.app import app
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.errors import ActionError, ConfigError, TaskError, WideSeekError
from wideseek_env.evaluation import EpisodeError, evaluate
from wideseek_env.game import Game
from wideseek_env.policy import Policy
from wideseek_env.profiles import PROFILES
from wideseek_env.testing import check_policy
from wideseek_env.wrappers import Layout, NumericPolicy, Symbolic

SMALL = "synthetic:seed=3,pages=400,rows=6,columns=2,hops=1"
CHAINS = "synthetic:seed=5,pages=400,rows=6,columns=2,hops=2"
Decide = Callable[[np.ndarray, np.ndarray], int]


def greedily(layout: Layout) -> Decide:
    return lambda seen, mask: greedy(layout, {"observation": seen, "action_mask": mask})


def strangely(layout: Layout) -> Decide:
    """Random actions that depend only on the observation; one in eight is one that the mask may exclude."""

    def decide(seen: np.ndarray, mask: np.ndarray) -> int:
        rng = np.random.default_rng(zlib.crc32(seen.tobytes() + mask.tobytes()))
        return int(rng.choice(layout.actions if rng.random() < 1 / 8 else np.flatnonzero(mask)))

    return decide


def symbolic_run(env: Symbolic, decide: Decide, task_id: str) -> EpisodeRun:
    observations, _ = env.reset(options={"task_id": task_id})
    while env.agents:
        chosen = {a: decide(o["observation"], o["action_mask"]) for a, o in observations.items()}
        observations, *_ = env.step(chosen)
    return env.episode_run


def game_of(**options: Any) -> Game:
    return wideseek_env.parallel_env(**{"tasks": SMALL, "profile": "terse", **options}).game


def conversations(run: EpisodeRun) -> list[list[dict[str, Any]]]:
    return [list(each.messages) for each in run.episode.conversations]


def assert_same(run: EpisodeRun, other: EpisodeRun) -> None:
    assert conversations(run) == conversations(other)
    assert run.score == other.score
    assert run.reward == other.reward
    assert run.episode.outcome == other.episode.outcome


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.parametrize("way", [greedily, strangely])
def test_messages_and_scores_are_those_of_the_symbolic_episodes(
    width: int, way: Callable[[Layout], Decide]
) -> None:
    limits = {"subagent_turns": 12, "lead_turns": 6}
    below = wideseek_env.parallel_env(tasks=SMALL, width=width, limits=limits, profile="terse")
    env = Symbolic(below, max_entities=6, max_attributes=3)
    decide = way(env.layout)
    policy = NumericPolicy(decide, env.layout)
    scores = []
    for task in env.game.tasks[:4]:
        alone = symbolic_run(env, decide, task.id)
        run = run_episode(below.game, policy, task, seed=width)
        assert_same(run, alone)
        assert run.score is not None
        scores.append(run.score.f1_by_item)
    if way is greedily and width > 1:
        assert max(scores) > 0.9


@pytest.mark.parametrize("options", [
    {"profile": "default"},
    {"profile": "default", "tasks": CHAINS},
    {"profile": dataclasses.replace(PROFILES["default"], language="zh")},
    {"limits": {"episode_path": 14}},
    {"limits": {"episode_calls": 20}},
    {"limits": {"context": 9000}},
    {"limits": {"result_chars": 400}},
    {"limits": {"action_chars": 60}},
])  # fmt: skip
@pytest.mark.parametrize("way", [greedily, strangely])
def test_prompts_rosters_and_budgets_do_not_matter(
    options: dict[str, Any], way: Callable[[Layout], Decide]
) -> None:
    below = wideseek_env.parallel_env(**{"tasks": SMALL, "profile": "terse", "width": 3, **options})
    env = Symbolic(below, max_entities=6, max_attributes=3)
    decide = way(env.layout)
    for task in env.game.tasks[:3]:
        alone = symbolic_run(env, decide, task.id)
        assert_same(run_episode(below.game, NumericPolicy(decide, env.layout), task), alone)
        assert_same(run_episode(env.game, NumericPolicy(decide, env.layout), task), alone)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_wider_layout_delegates_no_more_than_the_game_allows(width: int) -> None:
    wide = Layout(6, 3, 5, 8)
    env = Symbolic(
        wideseek_env.parallel_env(tasks=SMALL, width=width, profile="terse"), max_entities=6, max_attributes=3
    )
    policy = NumericPolicy(greedily(wide), wide)
    for task in env.game.tasks[:3]:
        run = run_episode(env.game, policy, task)
        assert_same(run, symbolic_run(env, greedily(env.layout), task.id))
        assert run.episode.outcome is not None
        assert run.episode.outcome.errors == 0


def test_a_narrow_layout_in_a_wide_game_uses_its_own_width() -> None:
    narrow = Layout(6, 3, 5, 2)
    run = run_episode(
        game := game_of(width=8), NumericPolicy(greedily(narrow), narrow), game.tasks[0], seed=0
    )
    spawned = [c.started for c in run.episode.conversations if c.role == "subagent"]
    assert len(spawned) == 3  # one that finds the list, then two
    assert run.score is not None
    assert run.score.f1_by_item == 1


def test_it_keeps_the_rules_of_policies() -> None:
    layout = Layout(6, 3, 5, 3)
    for way in (greedily, strangely):
        check_policy(lambda way=way: NumericPolicy(way(layout), layout), game_of(width=3))


def test_interleaved_episodes_and_conversations_that_have_begun() -> None:
    game, layout = game_of(width=3), Layout(6, 3, 5, 3)
    expected = [run_episode(game, NumericPolicy(greedily(layout), layout), task) for task in game.tasks[:3]]
    shared = NumericPolicy(greedily(layout), layout)
    runs = [EpisodeRun(game, task) for task in game.tasks[:3]]
    while not all(run.done for run in runs):
        for run in runs:
            if not run.done:
                turns = [run.turn(agent) for agent in run.episode.ready()]
                run.step(dict(zip(run.episode.ready(), shared.act(turns), strict=True)))
    for run, other in zip(runs, expected, strict=True):
        assert_same(run, other)
    fresh = EpisodeRun(game, game.tasks[0])
    while not fresh.done:  # every turn has another policy, which has seen nothing of the episode
        turns = [fresh.turn(agent) for agent in fresh.episode.ready()]
        messages = NumericPolicy(greedily(layout), layout).act(turns)
        fresh.step(dict(zip(fresh.episode.ready(), messages, strict=True)))
    assert_same(fresh, expected[0])


def test_a_conversation_of_another_policy_is_refused() -> None:
    layout, game = Layout(6, 3, 5, 3), game_of(width=3)
    run = EpisodeRun(game, game.tasks[0])
    run.step({"lead": "<tool_call>{}</tool_call>"})
    with pytest.raises(ActionError, match="turn 1 of this conversation"):
        NumericPolicy(greedily(layout), layout).act([run.turn("lead")])
    run.step({"lead": '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["Do it"]}}</tool_call>'})
    with pytest.raises(ActionError, match="subtasks of its own lead, not 'Do it'"):
        NumericPolicy(greedily(layout), layout).act([run.turn("subagent_0")])


class Model:
    """Has what a model of Stable-Baselines3 has."""

    def __init__(self, layout: Layout, features: int, actions: int) -> None:
        self.observation_space = spaces.Box(0, 1, (features,))
        self.action_space = spaces.Discrete(actions)
        self.decide, self.features = strangely(layout), layout.features

    def predict(self, observation: np.ndarray, *, deterministic: bool) -> tuple[np.ndarray, None]:
        assert deterministic
        assert observation.shape == self.observation_space.shape
        assert observation.dtype == np.float32
        mask = observation[self.features :].astype(np.int8)
        return np.array([self.decide(observation[: self.features], mask)]), None


def test_a_model_with_predict_gets_what_it_was_trained_on() -> None:
    layout, game = Layout(6, 3, 5, 3), game_of(width=3)
    whole = layout.features + layout.actions
    for task in game.tasks[:2]:
        run = run_episode(game, NumericPolicy(Model(layout, whole, layout.actions), layout), task)
        assert_same(run, run_episode(game, NumericPolicy(strangely(layout), layout), task))
    unmasked = Model(layout, layout.features, layout.actions)
    unmasked.decide = lambda seen, mask: layout.action("answer")
    run = run_episode(game, NumericPolicy(unmasked, layout), game.tasks[0])
    assert run.episode.outcome is not None
    assert run.episode.outcome.turns == 1
    for features, actions in [(whole - 1, layout.actions), (whole, layout.actions + 1), (3, 4)]:
        with pytest.raises(ConfigError, match="the layout of the environment in which the model was trained"):
            NumericPolicy(Model(layout, features, actions), layout)


@pytest.mark.parametrize("returned", [
    -1, 10_000, 1.0, True, None, "3", [1, 2], np.array([0.5]), np.zeros(0, int), (np.array(1), None),
])  # fmt: skip
def test_what_is_no_action_is_named(returned: Any) -> None:
    layout, game = Layout(6, 3, 5, 3), game_of(width=3)
    policy = NumericPolicy(lambda seen, mask: returned, layout)
    with pytest.raises(ActionError, match=r"number of an action|there is no action"):
        policy.act([EpisodeRun(game, game.tasks[0]).turn("lead")])
    with pytest.raises(EpisodeError, match="ActionError"):
        evaluate(policy, tasks=SMALL, limit=1, width=3)


@pytest.mark.parametrize("returned", [2, np.int64(2), np.array(2), np.array([2]), np.array([[2]], np.int8)])
def test_numbers_of_every_kind_are_actions(returned: Any) -> None:
    layout, game = Layout(6, 3, 5, 3), game_of(width=3)
    assert layout.choice(2).verb == "find"
    (message,) = NumericPolicy(lambda seen, mask: returned, layout).act(
        [EpisodeRun(game, game.tasks[0]).turn("lead")]
    )
    assert "Find the list" in message


@pytest.mark.parametrize(("options", "layout", "error", "message"), [
    ({"team": False}, Layout(6, 3, 5, 3), ConfigError, "not a single agent"),
    ({"profile": "wideseek-r1"}, Layout(6, 3, 5, 3), ConfigError, "profiles 'default' and 'terse'"),
    ({}, Layout(6, 1, 5, 3), TaskError, "max_attributes=1"),
    ({"limits": {"max_results_per_query": 4}}, Layout(6, 3, 5, 3), ConfigError, "max_results_per_query"),
])  # fmt: skip
def test_games_that_do_not_fit(
    options: dict[str, Any], layout: Layout, error: type[WideSeekError], message: str
) -> None:
    policy = NumericPolicy(greedily(layout), layout)
    with pytest.raises(EpisodeError, match=message) as raised:
        evaluate(policy, **{"tasks": SMALL, "profile": "terse", "limit": 1, "width": 3, **options})
    assert isinstance(raised.value.__cause__, error)


def test_questions_of_another_kind_are_named() -> None:
    layout, game = Layout(6, 3, 5, 3), game_of(width=3)
    task = wideseek_env.Task(id="other", question="Who painted it?", answers=("Ada",))
    with pytest.raises(TaskError, match="does not understand the question"):
        run_episode(game, NumericPolicy(greedily(layout), layout), task)


def test_what_is_no_network_and_no_layout_is_named() -> None:
    layout = Layout(6, 3, 5, 3)
    with pytest.raises(ConfigError, match="act must be a function"):
        NumericPolicy(3, layout)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="layout must be a Layout"):
        NumericPolicy(greedily(layout), (6, 3, 5, 3))  # type: ignore[arg-type]


def test_a_network_that_draws_is_seeded_by_the_episode() -> None:
    layout, game = Layout(6, 3, 5, 3), game_of(width=3)

    class Sampler:
        def __init__(self) -> None:
            self.rng = np.random.default_rng()

        def reset(self, seed: int) -> None:
            self.rng = np.random.default_rng(seed)

        def __call__(self, seen: np.ndarray, mask: np.ndarray) -> int:
            return int(self.rng.choice(np.flatnonzero(mask)))

    runs = [
        run_episode(game, NumericPolicy(Sampler(), layout), game.tasks[0], seed=seed) for seed in (4, 4, 5)
    ]
    assert_same(runs[0], runs[1])
    assert conversations(runs[0]) != conversations(runs[2])


@pytest.fixture
def module() -> Iterator[str]:
    name = "numeric_policy_of_a_test"
    module = types.ModuleType(name)

    def make(width: int = 8, **options: Any) -> Policy:
        layout = Layout(6, 3, 5, width)
        return NumericPolicy(greedily(layout), layout, **options)

    module.make = make  # type: ignore[attr-defined]
    sys.modules[name] = module
    yield name
    del sys.modules[name]


def test_the_commands_measure_it_by_name(module: str, tmp_path: Path) -> None:
    common = ["--policy", f"{module}:make,name=greedy", "--tasks", SMALL, "--limit", "2"]
    done = CliRunner().invoke(app, ["eval", *common, "--width", "3", "--out", str(tmp_path / "eval")])
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "eval" / "summary.json").read_text())
    layout = Layout(6, 3, 5, 3)
    again = evaluate(NumericPolicy(greedily(layout), layout), tasks=SMALL, limit=2, width=3)
    assert summary["item_f1"] == again.item_f1 == 1
    done = CliRunner().invoke(
        app, ["bench", "width", *common, "--widths", "1,4", "--out", str(tmp_path / "width")]
    )
    assert done.exit_code == 0, done.output
    points = json.loads((tmp_path / "width" / "width.json").read_text())["points"]
    assert [point["width"] for point in points] == [1, 4]
    done = CliRunner().invoke(
        app, ["bench", "width", *common, "--widths", "1", "--single", "--out", str(tmp_path / "single")]
    )
    assert done.exit_code != 0
    assert "not a single agent" in done.output
    assert "Traceback" not in done.output
