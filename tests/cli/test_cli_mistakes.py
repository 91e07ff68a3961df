"""What commands say about options of the wrong type, options without effect, and parts that return the wrong thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from wideseek_env import ConfigError, make_policy, parallel_env
from wideseek_env.audience import command_line, option
from wideseek_env.errors import ToolWarning
from wideseek_env.option_types import checked_options
from wideseek_env.policy import Turn
from wideseek_env.rewards import Sum, reward_parts
from wideseek_env.tools.custom import tool

Call = Callable[..., Result]
ONE = ("--tasks", "synthetic:pages=900", "--limit", 1)


class Number:
    """A reward that returns a number."""

    name = "number"

    def __init__(self, weight: float = 1.0, kind: str = "a", on: bool = True) -> None:
        self.weight = weight

    def __call__(self, episode: object, score: object) -> Any:
        return self.weight


class Few:
    """A policy that returns too few messages."""

    name = "few"

    def __init__(self, width: int | None = None, tags: Sequence[str] = ()) -> None:
        pass

    def reset(self, seed: int) -> None:
        pass

    def act(self, turns: Sequence[Turn]) -> list[str]:
        return []


def listed(query: str) -> str:
    """Look something up.

    Args:
        query: What to look up.
    """
    return [query]  # type: ignore[return-value]


def refused(call: Call, *arguments: object) -> str:
    done = call(*arguments)
    assert done.exit_code == 2, done.output
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("policy", "given", "told"),
    [
        ("openai", "temperature=hot", "the policy 'openai': temperature must be a number, not 'hot'"),
        ("openai", "turn_tokens=1.5", "turn_tokens must be a whole number, not 1.5"),
        ("openai", "turn_tokens=true", "turn_tokens must be a whole number, not True"),
        ("openai", "thinking=yes", "thinking must be true or false or none, not 'yes'"),
        ("openai", "history=keeps", "history must be one of template, keep, not 'keeps'"),
        ("openai", "fields=[1]", "fields must be a table of names and values or none, not [1]"),
        ("openai", "temprature=1", "has no option 'temprature' (did you mean 'temperature'?)"),
        ("vllm", "context=big", "context must be a whole number or none, not 'big'"),
        ("vllm", "sleep_level=3", "sleep_level must be one of 0, 1, 2, not 3"),
        ("random", "malformed=often", "malformed must be a number, not 'often'"),
        ("random", "temperature=1", "has no option 'temperature'; there are: malformed, end"),
        ("scripted", "context=x", "context must be a whole number, not 'x'"),
        ("test_cli_mistakes:Few", "width=wide", "width must be a whole number or none, not 'wide'"),
        ("test_cli_mistakes:Few", "tags=red", "tags must be a list, not 'red'"),
    ],
)
def test_options_of_policies(call: Call, policy: str, given: str, told: str) -> None:
    assert told in refused(call, "eval", *ONE, "--policy", policy, "--policy-arg", given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("weight=hot", "weight must be a number, not 'hot'"),
        ("on=1", "on must be true or false, not 1"),
        ("kind=true", "kind must be text, not True"),
        ("wieght=1", "has no option 'wieght' (did you mean 'weight'?)"),
    ],
)
def test_options_of_other_parts(call: Call, given: str, told: str) -> None:
    assert told in refused(call, "eval", *ONE, "--reward", f"test_cli_mistakes:Number,{given}")


def test_what_an_option_accepts() -> None:
    def part(a: int | str, b: float = 0, *, c: dict[str, int] | None = None, d: object = None) -> None: ...

    checked_options(part, {"a": "x", "b": 2, "c": None, "d": [1]}, "the part")
    checked_options(part, {"a": object()}, "the part")  # the part knows its types

    def named(name: str, size: int | None = None) -> None: ...

    assert checked_options(named, {"name": 5, "size": 5}, "the part") == {"name": "5", "size": 5}
    for options, told in (
        ({}, "needs the option 'a': a whole number or text"),
        ({"a": None}, "a must be a whole number or text, not None"),
        ({"a": 1, "c": [1]}, "c must be a table of names and values or none"),
        ({"a": 1, "e": 1}, "has no option 'e'; there are: a, b, c, d"),
    ):
        with pytest.raises(ConfigError, match=told):
            checked_options(part, options, "the part")


def test_a_part_that_cannot_be_made_is_no_traceback() -> None:
    with pytest.raises(ConfigError, match=r"cannot be made with seed='x': ValueError: invalid literal"):
        make_policy("test_cli_mistakes:broken", seed="x")


def broken(seed: Any) -> object:
    return int(seed)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("eval", *ONE, "--single", "--width", 3), "--width has no effect with --single"),
        (("eval", *ONE, "--single", "--roster", "fixed"), "--roster has no effect with --single"),
        (("eval", *ONE, "--single", "--credit", "cells"), "--credit has no effect with --single"),
        (("run", *ONE, "--single", "--tool", "lead=a:b"), "--tool lead=a:b has no effect with --single"),
        (("run", *ONE, "--tool", "single=a:b"), "--tool single=a:b has no effect without --single"),
        (
            ("eval", *ONE, "--width", 3, "--rule", "width=2"),
            "--width 3 and --rule width=… set the same limit",
        ),
        (("eval", *ONE, "--overwrite"), "has no effect without --out"),
        (("eval", "--tasks", "x.jsonl", "--split", "train"), "--split has no effect on x.jsonl"),
        (("eval", "--tasks", "wideseek-r1:x", "--split", "train"), "--split has no effect on wideseek-r1:x"),
        (("score", "--tasks", "x.jsonl", "--responses", "r", "--split", "train"), "--split has no effect"),
        (("score", "--tasks", "x.jsonl", "--responses", "r", "--overwrite"), "--overwrite has no effect"),
        (("tasks", "show", "x.jsonl", "--split", "train"), "--split has no effect"),
        (("tasks", "stats", "x.jsonl", "--split", "train"), "--split has no effect"),
        (
            ("tasks", "show", "synthetic", "--task-id", "x", "--limit", 2),
            "--limit has no effect with --task-id",
        ),
        (
            ("tasks", "build", "hybridqa:x", "--one-a-table", "--chinese", 1, "--out", "o.jsonl"),
            "--chinese has no",
        ),
        (("run", *ONE, "--render", "ansi", "--fps", 2), "--fps has no effect with --render ansi"),
        (("view", "x", "--port", 2), "--port has no effect without --serve"),
        (("watch", "x", "--once", "--interval", 2), "--interval has no effect with --once"),
        (
            ("corpus", "show", "synthetic", "u", "--chunk", 2, "--focus", "x"),
            "--focus has no effect with --chunk 2",
        ),
        (
            ("serve", "mcp", "--role", "tools", "--policy", "random"),
            "--policy has no effect with --role tools",
        ),
        (("serve", "mcp", "--role", "tools", "--out", "x"), "--out has no effect with --role tools"),
        (("serve", "mcp", "--role", "single", "--width", 3), "--width has no effect with --role single"),
        (("serve", "mcp", "--host", "0.0.0.0"), "--host has no effect without --port"),
        (("rollout", *ONE, "--gpus", 1, "--out", "r.jsonl"), "--gpus has no effect without --workers"),
        (
            ("rollout", *ONE, "--single", "--width", 3, "--out", "r.jsonl"),
            "--width has no effect with --single",
        ),
        (("eval", *ONE, "--model", "m"), "--model needs a policy with a language model"),
        (
            ("eval", *ONE, "--base-url", "u", "--policy", "random"),
            "--base-url needs a policy with a language model",
        ),
    ],
)
def test_options_without_effect_are_refused(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in refused(call, *arguments)


def test_defaults_that_are_given_are_not_refused(call: Call) -> None:
    assert call("eval", *ONE, "--single", "--roster", "dynamic", "--credit", "team").exit_code == 0


def test_a_reward_that_returns_no_parts(call: Call) -> None:
    done = call("eval", *ONE, "--reward", "test_cli_mistakes:Number")
    assert done.exit_code == 1
    assert "the reward 'number' returned 1.0: return the parts of the reward by name" in done.stderr
    assert "AttributeError" not in done.stderr


WRONG = [0.5, 1, None, "0.5", [0.5], {"a": "0.5"}, {"a": None}, {1: 0.5}, {"a": float("nan")}]


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_reward(value: object) -> None:
    def reward(episode: object, score: object) -> object:
        return value

    reward.name = "mine"  # type: ignore[attr-defined]
    for each in (reward, Sum(((1.0, reward),))):  # type: ignore[arg-type]
        with pytest.raises(
            ConfigError, match=r"the reward 'mine' returned .*return the parts of the reward by name"
        ):
            reward_parts(each, None, None)  # type: ignore[arg-type]


def test_a_policy_that_returns_too_few_messages(call: Call) -> None:
    done = call("eval", *ONE, "--policy", "test_cli_mistakes:Few")
    assert "policy few returned 0 messages for 1 turns: act(turns) must return a list" in done.stderr
    assert "in their order (lead)" in done.stderr


def test_a_tool_that_returns_a_list() -> None:
    looked_up = tool(listed)

    with pytest.raises(ConfigError, match=r"the tool counted returns list\[str\], but agents read text"):
        tool(counted)
    env = parallel_env(tasks="synthetic:pages=900", tools=[looked_up], roster="dynamic")
    env.reset(seed=0)
    executor = env.game.executor
    from wideseek_env.messages import ToolCall

    with pytest.warns(ToolWarning, match=r"the tool 'listed' returned \['x'\], so the agent got an error"):
        [result] = executor.run([ToolCall("a/0/0", "a", "listed", {"query": "x"})])
    assert not result.ok
    assert "listed must return text, not list" in result.text


def counted(query: str) -> list[str]:
    """Count something.

    Args:
        query: What to count.
    """
    return [query]


def test_messages_name_the_form_that_their_reader_can_use(call: Call, tmp_path: Path, world: Path) -> None:
    assert option("a=1", "--a") == "a=1"
    with command_line():
        assert option("a=1", "--a") == "--a"
    assert option("a=1", "--a") == "a=1"
    tasks = str(world / "tasks.jsonl")
    told = refused(call, "run", "--tasks", tasks)
    assert "name one with --corpus" in told
    assert "corpus=" not in told
    with pytest.raises(ConfigError, match=r"name one with corpus= \(or pass executor=\)") as found:
        parallel_env(tasks=tasks)
    assert "--corpus" not in str(found.value)


@pytest.mark.parametrize(("given", "meant"), [("evaluate", "eval"), ("veiw", "view"), ("task", "tasks")])
def test_commands_that_are_misspelt(call: Call, given: str, meant: str) -> None:
    assert f"No such command {given!r}; did you mean {meant!r}?" in refused(call, given, "x")


def test_a_class_where_an_object_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"make an object of it: Few\(…\)"):
        make_policy(Few)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"make an object of it: Number\(…\)"):
        parallel_env(reward=Number)  # type: ignore[arg-type]
