"""The face of the package: what can be imported, made by id, evaluated in one call and rendered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pettingzoo
import pytest

import wideseek_env
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.evaluation import Summary, read_run
from wideseek_env.testing import NoOpTools, example_task
from wideseek_env.wrappers import Symbolic

TOWNS = "synthetic:seed=1,pages=800,rows=4-6,columns=2-3"


@pytest.mark.parametrize(
    "name",
    [
        "raw_env", "env", "parallel_env", "load_tasks", "evaluate", "tool", "Judge", "GameConfig", "Game",
        "run_episode", "EpisodeRun", "WideSeekError", "ConfigError", "ActionError", "TaskError", "CorpusError",
        "ServiceError", "MissingDependencyError", "TrajectoryError", "EpisodeError", "UnnamedPartError",
    ],
)  # fmt: skip
def test_the_package_exports_it(name: str) -> None:
    assert name in wideseek_env.__all__
    assert getattr(wideseek_env, name).__module__.startswith("wideseek_env.")


def test_every_error_that_a_user_catches_is_exported() -> None:
    from wideseek_env import errors

    named = {
        name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)
    }
    assert named <= set(wideseek_env.__all__)


def python(code: str) -> str:
    """What a new process prints; warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_gymnasium_finds_the_environment_without_an_import() -> None:
    code = "import gymnasium; env = gymnasium.make('wideseek_env:WideSeek-v0'); print(env.reset(seed=0)[1]['role'])"
    assert python(code) == "single"


@pytest.mark.skipif(not hasattr(pettingzoo, "register"), reason="this PettingZoo has no registry")
@pytest.mark.parametrize(("kind", "type_name"), [("parallel", "WideSeekEnv"), ("aec", "OrderedAECEnv")])
def test_pettingzoo_finds_the_environments(kind: str, type_name: str) -> None:
    code = (
        "import pettingzoo, wideseek_env\n"
        f"env = pettingzoo.make({kind!r}, 'wideseek_v0', width=3)\n"
        "env.reset(seed=0)\n"
        "print(type(env).__name__, env.possible_agents[-1])"
    )
    assert python(code) == f"{type_name} subagent_29"


def test_importing_twice_registers_once() -> None:
    code = (
        "import importlib, wideseek_env\n"
        "from wideseek_env.registration import register_environments\n"
        "register_environments(); importlib.reload(wideseek_env); print('quiet')"
    )
    assert python(code) == "quiet"


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_is_one_call(tmp_path: Path) -> None:
    seen: list[Any] = []
    summary = wideseek_env.evaluate(
        "scripted", tasks=TOWNS, width=8, limit=2, trials=2, out=tmp_path / "run", on_episode=seen.append
    )
    assert isinstance(summary, Summary)
    assert (summary.episodes, len(seen)) == (4, 4)
    assert summary.item_f1 == 1.0
    run = read_run(tmp_path / "run")
    assert run.settings["policy"] == "scripted"
    assert run.settings["rules"]["width"] == 8
    again = wideseek_env.evaluate(
        "scripted", tasks=TOWNS, width=8, limit=2, trials=2, out=tmp_path / "run", on_episode=seen.append
    )
    assert (again.item_f1, len(seen)) == (1.0, 4)  # resumed: nothing was left to run


def test_evaluate_takes_a_policy_object() -> None:
    policy = wideseek_env.make_policy("scripted")
    by_object = wideseek_env.evaluate(policy, tasks=TOWNS, width=2, limit=2, rules="width-benchmark")
    by_name = wideseek_env.evaluate("scripted", tasks=TOWNS, width=2, limit=2, rules="width-benchmark")
    assert by_object.item_f1 == by_name.item_f1 > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "nobody"}, "no policy 'nobody'"),
        ({"trials": 0}, "trials must be a whole number of at least 1, not 0"),
        ({"width": 0}, "width must be"),
        ({"policy_options": {"depth": 3}}, "has no option 'depth'"),
        ({"policy": "toy_team:__doc__"}, "name a class of policies, or a function"),
    ],
)
def test_evaluate_names_what_is_wrong(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        wideseek_env.evaluate(**({"policy": "scripted", "tasks": TOWNS, "limit": 1} | settings))


# --- render ----------------------------------------------------------------------------------------------------------


def shells() -> dict[str, Any]:
    return {
        "parallel": wideseek_env.parallel_env(),
        "aec": wideseek_env.env(),
        "raw": wideseek_env.raw_env(),
        "single": gymnasium.make("wideseek_env:WideSeek-v0", disable_env_checker=True).unwrapped,
        "symbolic": Symbolic(wideseek_env.parallel_env(tasks=TOWNS, profile="terse", width=2)),
    }


def made(render_mode: str | None = None) -> dict[str, Any]:
    return {
        "parallel": wideseek_env.parallel_env(render_mode=render_mode),
        "aec": wideseek_env.env(render_mode=render_mode),
        "raw": wideseek_env.raw_env(render_mode=render_mode),
        "single": gymnasium.make("wideseek_env:WideSeek-v0", render_mode=render_mode),
        "unchecked": gymnasium.make(
            "wideseek_env:WideSeek-v0", render_mode=render_mode, disable_env_checker=True
        ),
    }


@pytest.mark.parametrize("name", ["parallel", "aec", "raw", "single", "unchecked"])
@pytest.mark.filterwarnings("ignore")  # Gymnasium's checker warns when render comes first
def test_render_before_reset_is_the_same_everywhere(name: str) -> None:
    with pytest.raises(ConfigError, match="nothing to render"):
        made()[name].render()
    env = made("ansi")[name]
    assert env.render() == ""
    env.reset(seed=0)
    assert env.render().startswith("[")


@pytest.mark.parametrize("name", ["parallel", "aec", "raw", "single", "unchecked"])
def test_a_step_before_reset_is_the_same_everywhere(name: str) -> None:
    env = made()[name]
    with pytest.raises(ActionError, match=r"call reset\(\) first"):
        env.step({} if name == "parallel" else "text")


@pytest.mark.parametrize(
    "read",
    [
        lambda env: env.agent_selection, lambda env: env.rewards, lambda env: env.infos,
        lambda env: env.last(), lambda env: env.state(), lambda env: env.unwrapped.parallel.task,
    ],
)  # fmt: skip
def test_an_aec_environment_has_nothing_before_reset(read: Any) -> None:
    for env in (wideseek_env.env(), wideseek_env.raw_env()):
        with pytest.raises(ActionError, match=r"call reset\(\) first"):
            read(env)
        assert env.acting_agents == []
        assert not hasattr(env, "terminations")
        assert not hasattr(env, "colour")
        env.reset(seed=0)
        assert read(env) is not None
        assert env.acting_agents == [env.agent_selection] == ["lead"]


def test_the_ordered_environment_checks_its_own_methods() -> None:
    env = wideseek_env.env()
    for call in (lambda: env.agents, lambda: env.num_agents, lambda: env.observe("lead"), env.agent_iter):
        with pytest.raises(ActionError, match=r"call reset\(\) first"):
            call()
    assert str(env) == "wideseek_v0"
    assert repr(env) == repr(env.unwrapped)
    assert repr(env).startswith("<WideSeekAECEnv <WideSeekEnv <Game synthetic")
    assert repr(env).endswith(": before reset>>")


def test_a_hostile_name_makes_one_line() -> None:
    env = wideseek_env.env(
        tasks=wideseek_env.TaskSet([example_task(2)], name="a\x1b[2J\nb"), executor=NoOpTools()
    )
    assert repr(env).isprintable()


@pytest.mark.parametrize("name", ["parallel", "aec", "raw", "single", "symbolic"])
def test_render_without_a_mode_is_the_same_everywhere(name: str) -> None:
    env = shells()[name]
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="nothing to render"):
        env.render()


class Silent:
    """A policy whose actions are those that it was made with."""

    name = "silent"

    def __init__(self, actions: Any) -> None:
        self.actions = actions

    def reset(self, seed: int) -> None:
        pass

    def act(self, turns: Any) -> Any:
        return self.actions


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("scripted", "policy must be a policy object.*not 'scripted'.*make_policy"),
        (Silent, "policy must be a policy object.*not the class Silent"),
        (None, "policy must be a policy object.*not a NoneType"),
        (
            Silent("| Name |"),
            r"a list with one message for each turn, in their order \(lead\), not '| Name |'",
        ),
        (Silent({"role": "assistant"}), r"in their order \(lead\), not a dict"),
        (Silent(None), r"in their order \(lead\), not a NoneType"),
        (
            Silent([]),
            r"returned 0 messages for 1 turns: act\(turns\) must return a list with one message for each turn",
        ),
    ],
)
def test_run_episode_says_what_is_wrong_with_the_policy(policy: Any, told: str) -> None:
    game = wideseek_env.GameConfig(tasks=TOWNS).open()
    with pytest.raises(ConfigError, match=told.replace("|", r"\|")):
        wideseek_env.run_episode(game, policy, game.tasks[0])


def test_run_episode_asks_for_an_opened_game() -> None:
    config = wideseek_env.GameConfig(tasks=TOWNS)
    game = config.open()
    for unopened, told in ((config, "not a GameConfig"), ("synthetic", "not 'synthetic'")):
        with pytest.raises(ConfigError, match=rf"GameConfig\(…\)\.open\(\) returns it, {told}"):
            wideseek_env.run_episode(unopened, Silent(["x"]), game.tasks[0])  # type: ignore[arg-type]
