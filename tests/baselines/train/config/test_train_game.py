"""The table [game] of a training configuration is a `GameConfig`: from TOML, key=value, and stored settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_game import Letters, toy_config, toy_game, toy_tasks
from training_parts import saved_model

from wideseek_baselines.train.config.loading import config_from, config_to_dict, explained, load_config
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.rollouts.manager import RolloutManager
from wideseek_env.docstrings import field_docstrings
from wideseek_env.errors import ConfigError, UnnamedPartError
from wideseek_env.game import GameConfig
from wideseek_env.rules import Rules
from wideseek_env.tasks.jsonl import save_tasks
from wideseek_env.tools.custom import tool

NEEDED = ("model.path=m", "out=o")


@tool
def look_up(word: str) -> str:
    """Look a word up.

    Args:
        word: The word.
    """
    return f"{word}: nothing."


class Lenient:
    """Every pair is equal."""

    name = "lenient"

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """One verdict for each pair."""
        return [True] * len(pairs)


LENIENT = Lenient()

TOML = f"""
[game]
tasks = "synthetic:rows=4,pages=400"
judge = "{__name__}:LENIENT"
tools = ["{__name__}:look_up"]

[game.limits]
width = 3
episode_calls = 40
episode_path = 12
"""
OVERRIDES = (
    "game.tasks=synthetic:rows=4,pages=400",
    f"game.judge={__name__}:LENIENT",
    f'game.tools=["{__name__}:look_up"]',
    "game.limits.width=3",
    "game.limits.episode_calls=40",
    "game.limits.episode_path=12",
)


@pytest.mark.parametrize("source", ["toml", "overrides"])
def test_budgets_judge_and_tools_reach_the_game_that_is_played(source: str, tmp_path: Path) -> None:
    file = tmp_path / "grpo.toml"
    file.write_text(TOML if source == "toml" else "", "utf-8")
    config = load_config(GrpoConfig, file, [*NEEDED, *(OVERRIDES if source == "overrides" else ())])
    assert type(config.game) is GameConfig
    game = config.game.open()
    assert (game.rules.episode_calls, game.rules.episode_path, game.rules.width) == (40, 12, 3)
    assert game.judge is LENIENT
    schemas = json.dumps(game.profile.schemas("subagent", game.rules, "en"))
    assert "look_up" in schemas
    assert config_from(GrpoConfig, json.loads(json.dumps(config_to_dict(config)))) == config


def test_episodes_of_a_run_have_the_budget_of_calls(tmp_path: Path) -> None:
    save_tasks(toy_tasks(2), tmp_path / "tasks.jsonl")
    config = toy_config(
        GrpoConfig,
        saved_model(tmp_path / "tiny"),
        tmp_path / "run",
        *(f"game.tasks={tmp_path / 'tasks.jsonl'}", "game.corpus=synthetic:seed=3,pages=400"),
        *("game.limits.episode_calls=7", "game.limits.episode_path=5", f"game.judge={__name__}:LENIENT"),
        *(f"game.tools={__name__}:look_up", "game.limit=1"),
    )
    with RolloutManager(config) as manager:
        game: Any = manager._rollouts.game  # type: ignore[attr-defined]
        assert (game.rules.episode_calls, game.rules.episode_path) == (7, 5)
        assert game.judge is LENIENT
        assert len(manager.tasks) == 1
        assert "look_up" in json.dumps(game.profile.schemas("single", game.rules, "en"))


FIELDS = {
    "tasks": ("synthetic:seed=1", "synthetic:seed=1"),
    "corpus": ("folder", "folder"),
    "split": ("test", "test"),
    "where": ('["rows>=4", "mode=pages"]', ("rows>=4", "mode=pages")),
    "limit": ("5", 5),
    "width": ("7", 7),
    "rules": ("width-benchmark", "width-benchmark"),
    "limits": ("{lead_turns = 4}", {"lead_turns": 4}),
    "reward": ("wideseek_r1", "wideseek_r1"),
    "credit": ("cells", "cells"),
    "profile": ("terse", "terse"),
    "texts": ('{results = {no_hits = "Nothing."}}', {"results": {"no_hits": "Nothing."}}),
    "judge": ("recorded:verdicts.jsonl", "recorded:verdicts.jsonl"),
    "team": ("true", True),
    "roster": ("fixed", "fixed"),
    "language": ("zh", "zh"),
    "counter": ("package.module:count", "package.module:count"),
    "tools": ('["package.module:tool"]', ("package.module:tool",)),
    "executor": ("package.module:executor", "package.module:executor"),
    "summariser": ("engine", "engine"),
}


def test_every_field_is_tried() -> None:
    assert set(FIELDS) == {each.name for each in dataclasses.fields(GameConfig)}


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_can_be_set_in_both_ways_and_is_explained(name: str, tmp_path: Path) -> None:
    text, value = FIELDS[name]
    config = load_config(GrpoConfig, None, [*NEEDED, f"game.{name}={text}"])
    assert getattr(config.game, name) == value
    quoted = text if text[0] in "[{" or text in ("true", "5", "7") else json.dumps(text)
    (tmp_path / "a.toml").write_text(f"[game]\n{name} = {quoted}\n", "utf-8")
    assert load_config(GrpoConfig, tmp_path / "a.toml", NEEDED) == config
    first = " ".join(field_docstrings(GameConfig)[name].split())[:40]
    shown = " ".join(explained(GrpoConfig).split())
    assert f"game.{name}" in shown
    assert name == "limits" or first in shown


def test_every_limit_is_explained_and_can_be_left_at_the_value_of_the_rules() -> None:
    shown = explained(GrpoConfig)
    for each in dataclasses.fields(Rules):
        assert f"game.limits.{each.name} (default of the rules)" in shown
        config = load_config(GrpoConfig, None, [*NEEDED, f"game.limits.{each.name}=none"])
        assert config.game.open_rules() == Rules()
        assert load_config(GrpoConfig, None, [*NEEDED, f"game.limits.{each.name}=10"]).game.limits == {
            each.name: 10
        }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("game.taks=x", r"unknown key 'game\.taks'; did you mean 'game\.tasks'\?"),
        ("game.limits.widht=3", r"unknown key 'game\.limits\.widht'; did you mean 'game\.limits\.width'\?"),
        ("game.limits.episode_calls=0", r"game\.limits\.episode_calls must be at least 1, not 0"),
        ("game.limits.width=many", r"game\.limits\.width must be a whole number, not 'many'"),
        ("game.limits=3", r"game\.limits must be a table, not 3"),
        ("game.limits.width.x=3", r"game\.limits\.width is a single value, not a table"),
        ("game.split=dev", r"game\.split must be one of train, validation, test, not 'dev'"),
        ("game.team=yes", r"game\.team must be true or false, not 'yes'"),
        ("game.limit=0", r"game\.limit must be a whole number of at least 1, not 0"),
        ("game.tools=3", r"game\.tools must be a list of custom tools, not 3"),
        ("game.widht=3", r"unknown key 'game\.widht'; did you mean 'game\.width'\?"),
        ("game=3", "game must be a table, not 3"),
    ],
)
def test_mistakes_have_their_full_path(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(GrpoConfig, None, [*NEEDED, override])


def test_an_override_changes_one_limit_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[game]\nlimits.width = 8\nlimits.lead_turns = 3\n", "utf-8")
    config = load_config(GrpoConfig, tmp_path / "a.toml", [*NEEDED, "game.limits.width=4"])
    assert config.game.limits == {"width": 4, "lead_turns": 3}


def test_a_live_object_without_a_name_cannot_be_stored() -> None:
    config = load_config(GrpoConfig, None, NEEDED)
    live = dataclasses.replace(config, game=config.game.replace(judge=Lenient()))
    with pytest.raises(UnnamedPartError, match="or pass it in game= of run_grpo"):
        config_to_dict(live)


def test_python_replaces_fields_of_the_game(tmp_path: Path) -> None:
    config = toy_config(GrpoConfig, saved_model(tmp_path / "tiny"), tmp_path / "run", "steps=1")
    assert run_grpo(config, game=toy_game(3)).steps == 1
    with pytest.raises(ConfigError, match="bord"):
        run_grpo(config, game={"bord": 3})


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (5, "a mapping of fields of GameConfig, or a GameConfig, not 5"),
        ([("reward", "item_f1")], "a mapping of fields of GameConfig"),
        ({"rewrd": "item_f1"}, r"unknown key 'rewrd'; did you mean 'reward'\?"),
        ({1: 2}, "unknown key 1"),
        ({"limit": "many"}, "limit must be a whole number"),
        (
            {"team": False, "width": None},
            "selection.roles names lead, subagent, but the game is played by single",
        ),
        (GameConfig(team=False), "widths are for teams|played by single"),
    ],
)
def test_a_wrong_game_is_refused_before_an_engine_starts(game: Any, message: str) -> None:
    config = load_config(GrpoConfig, None, [*NEEDED, 'selection.roles=["lead", "subagent"]'])
    for run in (lambda: run_grpo(config, game=game), lambda: RolloutManager(config, game)):
        with pytest.raises(ConfigError, match=message):
            run()


def test_a_run_resumes_only_with_the_game_that_it_played(tmp_path: Path) -> None:
    config = toy_config(GrpoConfig, saved_model(tmp_path / "tiny"), tmp_path / "run", "steps=1")
    whole = config.game.replace(**toy_game(3))
    first = run_grpo(config, game=toy_game(3))
    assert run_grpo(config, game=whole) == first, "the same game in another form"
    others: dict[str, dict[str, Any]] = {
        "game.reward": {"reward": Letters(wanted="x")},
        "game.limits": {"limits": {"single_turns": 2}},
        "game.profile": {"profile": "default"},
        "game.tasks": {"tasks": [dataclasses.replace(each, question="Who?") for each in toy_tasks(3)]},
    }
    for name, change in others.items():
        with pytest.raises(ConfigError, match=rf"other data or settings: .*{name} was .* and is now "):
            run_grpo(config, game={**toy_game(3), **change})
