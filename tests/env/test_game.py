"""One game: a configuration survives JSON, TOML and the command line, and every field reaches every entry point."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import gymnasium
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import wideseek_env
from wideseek_env import GameConfig, run_episode, tool
from wideseek_env.cli import options
from wideseek_env.cli.app import app
from wideseek_env.entry_points import ENTRY_POINTS
from wideseek_env.errors import ConfigError, UnnamedPartError, WideSeekError
from wideseek_env.game import Game
from wideseek_env.messages import Message, count_characters
from wideseek_env.plugins import part_digest
from wideseek_env.profiles import PROFILES
from wideseek_env.rewards import ItemF1, WideSeekR1
from wideseek_env.rules import Rules
from wideseek_env.scoring import OfflineJudge
from wideseek_env.testing import NoOpTools, example_task
from wideseek_env.tools.custom import Tool

VALUES: dict[str, Any] = {
    "tasks": "synthetic:seed=3",
    "corpus": "synthetic:seed=4",
    "split": "validation",
    "where": ("rows>=2", "mode=pages"),
    "limit": 3,
    "width": 2,
    "rules": "width-benchmark",
    "limits": {"subagent_turns": 7, "episode_calls": 40, "episode_path": 9},
    "reward": "wideseek_r1",
    "credit": "cells",
    "profile": "terse",
    "texts": {
        "en": {"system": {"lead": "Lead {width} agents."}, "cut": '[cut\n"here"]'},
        "results": {"no_hits": "无"},
    },
    "judge": "recorded:verdicts.jsonl",
    "team": False,
    "roster": "fixed",
    "language": "zh",
    "counter": "test_game:words",
    "tools": ("test_game:LOOK_UP", "lead=test_game:look_up"),
    "executor": "test_game:EXECUTOR",
    "summariser": "openai:m@http://127.0.0.1:9/v1",
}
"""A value other than the default for every field."""

NAMES = [each.name for each in fields(GameConfig)]


def test_every_field_is_tested() -> None:
    assert list(VALUES) == NAMES
    usual = GameConfig()
    assert all(getattr(usual, name) != value for name, value in VALUES.items())


# --- plain values ----------------------------------------------------------------------------------------------------

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
count = st.integers(1, 10**6)
configs = st.builds(
    GameConfig,
    tasks=text,
    corpus=st.none() | text,
    split=st.sampled_from(("train", "validation", "test")),
    where=st.lists(text, max_size=3),
    limit=st.none() | count,
    width=st.none() | count,
    rules=text,
    limits=st.dictionaries(st.sampled_from(list(Rules.__annotations__)), count, max_size=4),
    reward=text,
    profile=text,
    judge=text,
    team=st.booleans(),
    roster=st.sampled_from(("dynamic", "fixed")),
    language=st.sampled_from((None, "en", "zh", "task")),
    counter=text,
    tools=st.lists(text, max_size=3),
    executor=st.none() | text,
)


def from_args(words: list[str]) -> GameConfig:
    """What a command with all options of the game makes of these words."""
    found: list[GameConfig] = []

    @click.command()
    @options.game_options("wideseek eval")
    def command(game: GameConfig) -> None:
        found.append(game)

    command.main(words, standalone_mode=False)
    return found[0]


@given(configs)
def test_a_configuration_comes_back(config: GameConfig) -> None:
    assert GameConfig.from_json(config.to_json()) == config
    assert GameConfig.from_toml(config.to_toml()) == config
    assert from_args(config.to_args()) == config
    assert GameConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert pickle.loads(pickle.dumps(config)) == copy.deepcopy(config) == config


def test_the_default_comes_back() -> None:
    assert GameConfig.from_dict({}) == GameConfig() == GameConfig.from_json(GameConfig().to_json())
    assert repr(GameConfig()) == "GameConfig()"
    assert repr(GameConfig(width=3)) == "GameConfig(width=3)"


def test_old_keys_are_read() -> None:
    assert GameConfig.from_dict({"own_tools": ["a:b"]}).tools == ("a:b",)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"widht": 3}, "unknown key 'widht'; did you mean 'width'"),
        ({"zzz": 3}, "unknown key 'zzz'; there are: tasks"),
        ({"width": 0}, "width must be a whole number of at least 1, not 0"),
        ({"width": True}, "width must be a whole number"),
        ({"width": "4"}, "width must be a whole number of at least 1, not '4'"),
        ({"limit": -1}, "limit must be"),
        ({"split": "dev"}, "split must be one of train, validation, test, not 'dev'"),
        ({"roster": "some"}, "roster must be one of dynamic, fixed"),
        ({"team": "no"}, "team must be true or false"),
        ({"where": 3}, "where must be a list of conditions"),
        ({"limits": [1]}, "limits must be a mapping"),
        ({"rules": 3}, "rules must be Rules, a preset's name or a mapping"),
        ({"tools": [3]}, "a tool must be module:name or made by wideseek_env.tool"),
        ({"tools": {"a": 1}}, "tools must be a list of custom tools"),
        ({"tools": [len]}, "made by wideseek_env.tool"),
    ],
)
def test_wrong_values_are_named(record: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GameConfig.from_dict(record)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limits": {"widht": 3}}, "rules have no limit 'widht'"),
        ({"limits": {"name": 3}}, "rules have no limit 'name'"),
        ({"limits": {"self": 3}}, "rules have no limit 'self'"),
        ({"limits": {"cls": 3}}, "rules have no limit 'cls'"),
        ({"limits": {"width": 0}}, "width must be a whole number"),
        ({"limits": {"width": "8"}}, "limits.width must be a whole number"),
        ({"limits": {1: 8}}, "the names in limits must be text"),
        ({"rules": {"lead_turns": True}}, "rules.lead_turns must be a whole number"),
        ({"rules": "mild"}, "no rules preset 'mild'"),
        ({"reward": "gold"}, "no reward 'gold'"),
        ({"reward": 5}, "reward must be a name, or an object"),
        ({"reward": ItemF1}, "reward must be a name, or an object"),
        ({"profile": "loud"}, "no profile 'loud'"),
        ({"profile": [1]}, "profile must be a name or a Profile"),
        ({"judge": "solomon"}, "no judge is called 'solomon'"),
        ({"judge": 3}, "judge must be a name, or an object"),
        ({"judge": OfflineJudge}, "judge must be a name, or an object"),
        ({"counter": "none"}, "no counter 'none'; there is: characters"),
        ({"counter": 3}, "counter must be a name, or a function"),
        ({"executor": "none"}, "no executor 'none'"),
        ({"executor": 3}, "executor must be a name, or an object with run"),
        ({"executor": NoOpTools}, "executor must be a name, or an object with run"),
        ({"corpus": 3}, "corpus must be a name"),
        ({"tasks": 5}, "tasks must be a list of Task objects"),
        ({"tasks": {}}, "tasks must be a list of Task objects"),
        ({"tasks": [3]}, "tasks must be Task objects"),
        ({"split": [1]}, "split must be one of"),
        ({"where": ("rows>=1000000",)}, "no task"),
        ({"tools": ("test_game:LOOK_UP",), "executor": NoOpTools()}, "an executor runs its own tools"),
        ({"summariser": "engine", "executor": NoOpTools()}, "a summariser reads the pages of a corpus"),
        ({"summariser": "best"}, "no summariser is called 'best'"),
        ({"summariser": "engine:nano"}, "no summariser is called 'engine:nano'"),
        ({"summariser": "openai:m"}, "does not have a model and an address"),
        ({"summariser": 3}, "summariser must be a name, or an object with name, summarise"),
        ({"tools": [NoOpTools()]}, "give it as executor"),
        ({"tools": ["test_game:untyped"]}, "write '-> str' after its arguments"),
        ({"tasks": [example_task()]}, "come without a corpus"),
        ({"tasks": Path("nowhere.jsonl")}, None),
        ({"width": 10**5000}, None),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str | None) -> None:
    """Where no message is given, any of the package's errors will do."""
    if message is None and "width" in settings:
        GameConfig(**settings).open()
        return
    with pytest.raises(WideSeekError, match=message):
        GameConfig(**settings).open()


def untyped(q):  # type: ignore[no-untyped-def]
    """A tool without annotations.

    Args:
        q: A text.
    """
    return q


def test_a_path_is_a_name(tmp_path: Path) -> None:
    assert GameConfig(tasks=tmp_path / "a.jsonl").tasks == str(tmp_path / "a.jsonl")  # type: ignore[arg-type]
    assert GameConfig(corpus=tmp_path).corpus == str(tmp_path)  # type: ignore[arg-type]


def test_rules_that_are_replaced_leave_nothing_behind() -> None:
    config = GameConfig(rules=Rules.preset("width-benchmark"))
    assert config == GameConfig(rules="width-benchmark")
    assert config.replace(rules="default").open_rules() == Rules()
    assert config.replace(rules=Rules()).open_rules() == Rules()
    few = GameConfig(rules={"lead_turns": 7}, limits={"subagent_turns": 3}, width=2)
    assert few.open_rules() == Rules(lead_turns=7, subagent_turns=3, width=2)
    assert few.replace(rules="width-benchmark").open_rules().lead_turns == 3
    for again in (GameConfig.from_toml(few.to_toml()), GameConfig.from_json(few.to_json())):
        assert again == few
    assert from_args(few.to_args()).open_rules() == few.open_rules()
    assert GameConfig(limits={"episode_calls": None}) == GameConfig()  # type: ignore[dict-item]


def test_replace_names_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="unknown key 'wdth'; did you mean 'width'"):
        GameConfig().replace(wdth=3)
    for broken in (None, [1], {1: 2}, "game"):
        with pytest.raises(ConfigError):
            GameConfig.from_dict(broken)  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            GameConfig.from_json(broken)  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            GameConfig.from_toml(broken)  # type: ignore[arg-type]


def test_an_unopened_game_is_told_apart() -> None:
    with pytest.raises(ConfigError, match="open"):
        wideseek_env.WideSeekEnv(GameConfig())  # type: ignore[arg-type]


@pytest.mark.parametrize("words", ["{", "[1]", "3", '{"width": 0}', "[" * 100_000])
def test_broken_json_is_refused(words: str) -> None:
    with pytest.raises(ConfigError):
        GameConfig.from_json(words)


@pytest.mark.parametrize(
    "words", ["[game", "game = 3", "[other]\na = 1", "[game]\nwidth = 0", "[game]\nwidth = " + "1" * 5000]
)
def test_broken_toml_is_refused(words: str) -> None:
    with pytest.raises(ConfigError):
        GameConfig.from_toml(words)


# --- live objects ----------------------------------------------------------------------------------------------------


def words(message: Message) -> int:
    """The words of a message."""
    return len(str(message["content"]).split())


def look_up(name: str) -> str:
    """Look a name up.

    Args:
        name: The name.
    """
    return f"{name} is in the registry"


LOOK_UP = tool(look_up)
BONUS = WideSeekR1(format_bonus=0.2)


def test_live_objects_are_stored_by_name() -> None:
    config = GameConfig(
        reward=BONUS, counter=words, tools=[LOOK_UP, "a:b"], profile=PROFILES["terse"], judge="offline",
        rules=Rules(width=3),
    )  # fmt: skip
    record = config.to_dict()
    assert record["reward"] == f"{__name__}:BONUS"
    assert record["counter"] == f"{__name__}:words"
    assert record["tools"] == [f"{__name__}:LOOK_UP", "a:b"]
    assert record["profile"] == "terse"
    assert (record["rules"], record["limits"]) == ({"width": 3}, {})
    again = GameConfig.from_json(config.to_json()).replace(tools=())
    assert again.open().reward is BONUS
    assert again.open().counter is words
    assert GameConfig(reward=wideseek_env.rewards.PRESETS["item_f1"]).to_dict()["reward"] == "item_f1"
    assert GameConfig(counter=count_characters).open().counter is count_characters


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reward", WideSeekR1(format_bonus=0.3)),
        ("counter", lambda message: 1),
        ("judge", OfflineJudge(threshold=0.5)),
        ("tools", [tool(look_up, name="other")]),
        ("executor", NoOpTools()),
        ("tasks", [example_task()]),
    ],
)
def test_without_a_name_they_are_not_stored(field: str, value: Any) -> None:
    config = GameConfig(**{field: value})
    for store in (config.to_dict, config.to_json, config.to_toml, config.to_args):
        with pytest.raises(UnnamedPartError, match="module:name"):
            store()


def test_without_a_name_they_are_recorded_with_a_digest() -> None:
    def game(bonus: float) -> Game:
        return GameConfig(tasks=[example_task()], executor=NoOpTools(), reward=WideSeekR1(bonus)).open()

    first, same, other = (game(bonus).record()["game"]["reward"] for bonus in (0.3, 0.3, 0.4))
    assert first.startswith("wideseek_r1@")
    assert first == same != other
    one, two = (GameConfig(counter=each).open().record()["counter"] for each in (lambda m: 1, lambda m: 2))
    assert one != two
    assert "<lambda>@" in one


def counting(step: int) -> Callable[[Message], int]:
    return lambda message: step


def other_look_up(name: str) -> str:
    """Look a name up.

    Args:
        name: The name.
    """
    return f"{name} is unknown"


class Stepped:
    """A counter with a state that cannot be pickled."""

    def __init__(self, step: int) -> None:
        self.step, self.hook = step, lambda: step

    def __call__(self, message: Message) -> int:
        return self.step

    def count(self, message: Message) -> int:
        return self.step


@pytest.mark.parametrize(
    ("make", "same"),
    [
        (lambda: counting(4), True),
        (lambda: counting(400), False),
        (lambda: functools.partial(counting(4)), None),
        (lambda: Stepped(4), True),
        (lambda: Stepped(5), False),
        (lambda: Stepped(4).count, True),
        (lambda: Stepped(5).count, False),
        (lambda: tool(look_up, name="x"), True),
        (lambda: tool(other_look_up, name="x"), False),
        (lambda: tool(look_up, name="x", roles=("lead",)), False),
    ],
)
def test_digests_are_of_code_and_state(make: Callable[[], Any], same: bool | None) -> None:
    first = part_digest(make())
    assert first == part_digest(make())
    usual = {type(counting(4)): counting(4), Stepped: Stepped(4), Tool: tool(look_up, name="x")}
    made = make()
    reference = Stepped(4).count if inspect.ismethod(made) else usual.get(type(made))
    if same is not None:
        assert (first == part_digest(reference)) is same


def test_two_tools_of_one_name_are_refused() -> None:
    lead, subagent = (tool(each, name="x", roles=("lead",)) for each in (look_up, other_look_up))
    with pytest.raises(ConfigError, match="two custom tools are called 'x'"):
        GameConfig(tools=[lead, Tool(subagent.spec, subagent.run, ("subagent",))]).open()
    GameConfig(tools=[lead, tool(look_up, name="x", roles=("subagent",))]).open()


def test_presets_and_defaults_given_as_objects_are_named() -> None:
    record = GameConfig(reward=ItemF1(), judge=OfflineJudge(), counter=count_characters).to_dict()
    assert (record["reward"], record["judge"], record["counter"]) == ("item_f1", "offline", "characters")
    assert GameConfig(judge=OfflineJudge()).open().judge is None


class Odd:
    """Compares like an array and shows itself in two lines."""

    name = "odd\x1b[31m\nname"

    def __eq__(self, other: object) -> Any:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "two\nlines"

    def __call__(self, *anything: Any) -> Any:
        return {"part": 1.0} if len(anything) == 2 else 1


def test_odd_objects_do_no_harm() -> None:
    for config in (GameConfig(reward=Odd()), GameConfig(counter=Odd())):
        assert "\n" not in repr(config)
        game = config.open()
        assert "\n" not in repr(game)
        assert "\x1b" not in repr(game)
        with pytest.raises(UnnamedPartError) as refused:
            config.to_dict()
        assert "\n" not in str(refused.value)


def test_a_record_opens_the_same_game() -> None:
    config = GameConfig(
        tasks="synthetic:seed=3", split="test", limit=4, width=2, limits={"subagent_turns": 7}
    )
    record = json.loads(json.dumps(config.open().record()))
    assert GameConfig.from_dict(record["game"]) == config
    assert record["limit"] == 4
    assert record["rules"]["width"] == 2
    assert "counter" not in record  # the default needs no line in every run.json


# --- entry points ----------------------------------------------------------------------------------------------------


class Opened(Exception):
    """Raised instead of opening a game."""

    def __init__(self, config: GameConfig) -> None:
        super().__init__("opened")
        self.config = config


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], GameConfig]:
    """Calls an entry point and gives the configuration that it opens."""

    def stop(self: GameConfig, *how: Any, **named: Any) -> Any:
        raise Opened(self)

    monkeypatch.setattr(GameConfig, "open", stop)
    monkeypatch.setattr(GameConfig, "open_tasks", stop)

    def call(function: Callable[[], Any]) -> GameConfig:
        with pytest.raises(Opened) as found:
            function()
        return found.value.config

    return call


PYTHON: dict[str, Callable[..., Any]] = {
    "parallel_env": wideseek_env.parallel_env,
    "raw_env": wideseek_env.raw_env,
    "env": wideseek_env.env,
    "WideSeek-v0": lambda **settings: gymnasium.make("wideseek_env:WideSeek-v0", **settings),
    "evaluate": lambda **settings: wideseek_env.evaluate("random", **settings),
}
SIGNATURES: dict[str, Callable[..., Any]] = {
    **PYTHON,
    "WideSeek-v0": wideseek_env.WideSeekSingleEnv,
    "evaluate": wideseek_env.evaluate,
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "wideseek run": ("run",),
    "wideseek eval": ("eval",),
    "wideseek bench width": ("bench", "width", "--out", "out"),
    "wideseek bench depth": ("bench", "depth", "--out", "out"),
    "wideseek demo": ("demo",),
    "wideseek rollout": ("rollout", "--out", "out.jsonl"),
    "wideseek serve agents": ("serve", "agents"),
    "wideseek serve mcp": ("serve", "mcp", "--role", "lead"),
}
ELSEWHERE = {"wideseek-openenv", "wideseek train", "rollout workers"}
"""Tested beside their packages."""


def test_every_entry_point_is_tested() -> None:
    assert ENTRY_POINTS.keys() == PYTHON.keys() | COMMANDS.keys() | ELSEWHERE


def test_the_docs_list_the_entry_points() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "concepts.md").read_text()
    table = page.partition("| entry point | own defaults |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    shown = {entry.strip("`"): (defaults, fixed) for entry, defaults, fixed in rows}
    assert list(shown) == list(ENTRY_POINTS)
    for entry, (defaults, fixed) in shown.items():
        point = ENTRY_POINTS[entry]
        assert defaults == ", ".join(f"`{name}={value!r}`" for name, value in point.defaults.items())
        taken = (
            "all but `tasks`" if point.names == ("tasks",) else ", ".join(f"`{name}`" for name in point.fixed)
        )
        assert fixed == taken, entry


@pytest.mark.parametrize("entry", PYTHON)
def test_signatures_are_those_of_the_configuration(entry: str) -> None:
    usual = ENTRY_POINTS[entry].config()
    parameters = inspect.signature(SIGNATURES[entry]).parameters
    known = {name: each for name, each in parameters.items() if name in NAMES}
    assert tuple(known) == ENTRY_POINTS[entry].names
    for name, parameter in known.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        default = parameter.default if name != "limits" else parameter.default or {}
        assert default == getattr(usual, name), name


def changed(entry: str) -> list[str]:
    return [
        name
        for name in ENTRY_POINTS[entry].names
        if VALUES[name] != getattr(ENTRY_POINTS[entry].config(), name)
    ]


@pytest.mark.parametrize(("entry", "name"), [(entry, name) for entry in PYTHON for name in changed(entry)])
def test_every_field_reaches_python(entry: str, name: str, opened: Callable[..., GameConfig]) -> None:
    config = opened(lambda: PYTHON[entry](**{name: VALUES[name]}))
    assert config == ENTRY_POINTS[entry].config(**{name: VALUES[name]})


@pytest.mark.parametrize(("entry", "name"), [(entry, name) for entry in COMMANDS for name in changed(entry)])
def test_every_field_reaches_the_commands(
    entry: str, name: str, opened: Callable[..., GameConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if entry == "wideseek rollout":
        pytest.importorskip("wideseek_baselines")
    wanted = ENTRY_POINTS[entry].config(**{name: VALUES[name]})
    defaults = GameConfig().to_args()
    arguments = [word for word in GameConfig(**{name: VALUES[name]}).to_args() if word not in defaults]
    assert arguments
    name_of_policy = "transformers" if entry == "wideseek rollout" else "random"
    policy = () if entry == "wideseek demo" else ("--policy", name_of_policy)

    def call() -> None:
        result = CliRunner().invoke(app, [*COMMANDS[entry], *policy, *arguments])
        if isinstance(result.exception, Opened):
            raise result.exception
        raise AssertionError(result.output) from result.exception

    found = opened(call)
    if entry == "wideseek demo":
        assert found.tasks == VALUES["tasks"]
    else:
        assert found == wanted


# --- tools and executors ---------------------------------------------------------------------------------------------


def test_an_executor_given_as_tools_is_told_apart() -> None:
    for make in (
        wideseek_env.parallel_env,
        wideseek_env.env,
        wideseek_env.raw_env,
        wideseek_env.WideSeekSingleEnv,
    ):
        with pytest.raises(ConfigError, match="as executor"):
            make(tools=NoOpTools())


class Asks:
    """Delegates once; the subagent calls the custom tool and searches."""

    name = "asks"

    def reset(self, seed: int) -> None:
        """Nothing to reset."""

    def act(self, turns: Any) -> list[str]:
        """One message a turn."""
        answers = []
        for turn in turns:
            calls = [each for each in turn.tools if each["function"]["name"] == "look_up"]
            if turn.role == "lead" and len(turn.messages) < 3:
                answers.append(call("delegate", subtasks=["look Ann up"]))
            elif calls and turn.messages[-1]["role"] == "user" and turn.observation.count("registry") == 0:
                answers.append(call("look_up", name="Ann") + call("search", query="Ann"))
            else:
                answers.append("| Name |\n| --- |\n| Ann |")
        return answers


def call(name: str, /, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def test_the_environments_run_custom_tools() -> None:
    env = wideseek_env.parallel_env(tools=[tool(look_up)])
    env.reset(seed=0)
    env.step({"lead": call("delegate", subtasks=["look Ann up"])})
    observations, *_ = env.step({"subagent_0": call("look_up", name="Ann") + call("search", query="Ann")})
    assert "Ann is in the registry" in observations["subagent_0"]
    single = gymnasium.make("wideseek_env:WideSeek-v0", tools=[tool(look_up)])
    single.reset(seed=0)
    observation, *_ = single.step(call("look_up", name="Ann"))
    assert "Ann is in the registry" in observation
    aec = wideseek_env.env(tools=[LOOK_UP])
    aec.reset(seed=0)
    aec.step(call("delegate", subtasks=["look Ann up"]))
    aec.step(call("look_up", name="Ann"))
    assert "Ann is in the registry" in aec.observe("subagent_0")


def test_one_tool_needs_no_list() -> None:
    assert GameConfig(tools=LOOK_UP).tools == (LOOK_UP,)  # type: ignore[arg-type]
    assert GameConfig(tools="a:b").tools == ("a:b",)


def test_a_judge_is_a_name_or_an_object() -> None:
    assert GameConfig(judge="offline").open().judge is GameConfig(judge=None).open().judge is None
    judge = OfflineJudge(threshold=0.5)
    assert wideseek_env.parallel_env(judge=judge).game.judge is judge
    assert wideseek_env.parallel_env(judge="offline").game.judge is None


# --- the opened game -------------------------------------------------------------------------------------------------


def test_the_limit_keeps_the_digest_of_all_tasks() -> None:
    few, all_of_them = (GameConfig(split="test", limit=limit).open() for limit in (3, None))
    assert len(few.tasks) == 3
    assert few.record()["tasks_digest"] == all_of_them.record()["tasks_digest"]
    assert GameConfig(split="test", limit=3).open_tasks().ids == few.tasks.ids


def test_reprs_are_one_line() -> None:
    game = GameConfig(split="test").open()
    run = run_episode(game, Asks(), game.tasks[0])
    for thing in (game, game.config, run, wideseek_env.parallel_env(), wideseek_env.WideSeekSingleEnv()):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 300
        assert " object at 0x" not in repr(thing)
    assert "team of width 10" in repr(game)
    assert isinstance(LOOK_UP, Tool)
    assert isinstance(game.reward, ItemF1)


@pytest.mark.parametrize("name", ["name", "template", "self", "values", "query", "url", "detail", "count"])
def test_an_argument_of_a_tool_may_have_any_name(name: str) -> None:
    namespace: dict[str, Any] = {}
    body = f'    """Shout.\n\n    Args:\n        {name}: A text.\n    """\n    return {name}.upper()\n'
    exec(f"def shout({name}: str) -> str:\n{body}", namespace)
    env = wideseek_env.WideSeekSingleEnv(tools=[tool(namespace["shout"])])
    env.reset(seed=0)
    observation, *_ = env.step(call("shout", **{name: "quiet words"}))
    assert "QUIET WORDS" in observation
