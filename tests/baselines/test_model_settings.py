"""The names of shipped models, and the settings that a model folder carries: reading, writing, use by commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from wideseek_baselines import shipped_models
from wideseek_baselines.model_settings import GAME, NAME, read_settings, settings_text, suggest_settings
from wideseek_baselines.shipped_models import model_path
from wideseek_env.cli import options
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.policy import ModelSettings, settings_of_model
from wideseek_env.rules import Rules
from wideseek_env.tasks.taskset import TaskSet

WORLD = "synthetic:rows=5-9,columns=2,pages=400"
TRAINED = GameConfig(
    tasks=WORLD,
    where=("difficulty=easy",),
    profile="terse",
    limits={"width": 8, "lead_turns": 3, "subagent_turns": 4},
)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models, with one model. The working folder is an empty one."""
    folder = tmp_path / "models" / "nano-team"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / NAME).write_text(settings_text(TRAINED, {"temperature": 0.6, "context": 4096, "dtype": None}))
    monkeypatch.setattr(shipped_models, "MODELS", tmp_path / "models")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def test_a_short_name_is_a_shipped_model(shipped: Path) -> None:
    assert shipped_models.shipped_models() == ["nano-team"]
    assert model_path("nano-team") == str(shipped)
    Path("nano-team").mkdir()  # a folder of the user comes first
    assert model_path("nano-team") == "nano-team"


@pytest.mark.parametrize(
    "name",
    ["Qwen/Qwen3-4B", "./nano-team", "../nano-team", "/models/nano-team", "runs/a/model", "~/model", Path("gone"), ""],
)  # fmt: skip
def test_other_forms_stay_as_they_are(shipped: Path, name: str | Path) -> None:
    assert model_path(name) == str(name)


@pytest.mark.parametrize(
    "name",
    ["nano", "nano-teams", "Nano-Team", "nano_team", "nano-team-warm", "gpt2", "any", "0", "ñano", "a.b"],
)
def test_unknown_short_names_are_refused_with_the_known_ones(shipped: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"no model '{name}'.*owner/name.*nano-team"):
        model_path(name)


def test_every_loader_knows_the_names(shipped: Path) -> None:
    from wideseek_baselines.engines.weights import model_folder

    with pytest.raises(ConfigError, match=r"models/nano-team has no \*.safetensors"):
        model_folder("nano-team")
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from wideseek_baselines.engines.transformers_model import load_model
    from wideseek_baselines.tokens.loading import load_tokenizer
    from wideseek_baselines.train.config.options import ModelOptions
    from wideseek_baselines.train.estimate import shape_of
    from wideseek_baselines.train.model.model import load_causal

    for load in (
        lambda: load_model("nano", None, "cpu", "float32"),
        lambda: load_tokenizer("nano"),
        lambda: load_causal(ModelOptions("nano")),
        lambda: shape_of("nano"),
        lambda: model_folder("nano"),
    ):
        with pytest.raises(ConfigError, match=r"there is no model 'nano'.*nano-team"):
            load()


def test_a_file_has_what_was_written(shipped: Path) -> None:
    found = read_settings("nano-team")
    assert found is not None
    assert found.name == "nano-team"
    assert found.options == {"temperature": 0.6, "context": 4096}
    assert GameConfig(**found.game) == TRAINED
    assert read_settings(shipped) == ModelSettings(str(shipped), found.game, found.options)
    assert suggest_settings({"model": "nano-team"}) == found
    assert read_settings("Qwen/Qwen3-4B") is None
    assert suggest_settings({}) is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"tasks": "my_package:tasks"}, "tasks"),
        ({"tasks": TaskSet([])}, "tasks"),
        ({"profile": "my_package:profile"}, "profile"),
        ({"judge": "openai:m@http://127.0.0.1:1/v1"}, "judge"),
        ({"corpus": "remote:http://127.0.0.1:1"}, "corpus"),
        ({"corpus": "live:cache"}, "corpus"),
        ({"tools": ("my_package:tool",)}, "tools"),
        ({"executor": "my_package:executor"}, "executor"),
        ({"summariser": "engine"}, "summariser"),
        ({"counter": "my_package:count"}, "counter"),
        ({"reward": "my_package:reward"}, "reward"),
        ({"split": "validation"}, "split"),
        ({"limit": 3}, "limit"),
    ],
)
def test_code_addresses_and_what_a_command_chooses_are_not_written(
    changes: dict[str, Any], name: str
) -> None:
    text = settings_text(TRAINED.replace(**changes), {})
    assert f"\n{name} = " not in text
    assert "[policy]" not in text
    assert 'where = ["difficulty=easy"]' in text


@pytest.mark.parametrize(
    "changes",
    [
        {"rules": "width-benchmark"},
        {"rules": Rules(width=3, lead_turns=7)},
        {"team": False},
        {"width": 5},
        {"language": "zh"},
        {"tasks": "hybridqa:data/hybridqa"},
        {"tasks": "my tasks.jsonl.gz", "corpus": "runs/my corpus"},
        {"corpus": "synthetic:seed=3"},
        {"texts": {"en": {"last_turn": 'A "result"\n{turn} \\'}}},
    ],
)
def test_all_kinds_of_values_are_read_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    game = TRAINED.replace(**changes)
    (tmp_path / NAME).write_text(settings_text(game, {"thinking": False, "history": "keep"}))
    found = read_settings(tmp_path)
    assert found is not None
    assert GameConfig(**found.game) == game
    assert found.options == {"thinking": False, "history": "keep"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[game", "cannot be read"),
        ("[engine]\nkind = 'vllm'", "'engine'"),
        ("game = 3", "'game'"),
        ("[game]\nreward = 'item_f1'", r"unknown setting game\.reward"),
        ("[game]\njudge = 'openai:m@http://x'", r"unknown setting game\.judge"),
        ("[game]\ncorpus = 'remote:http://x'", "can name no code and no address"),
        ("[game]\ncorpus = 'live:wikipedia'", "can name no code and no address"),
        ("[game]\ncorpus = 'os:system'", "can name no code and no address"),
        ("[game]\ntools = ['os:system']", r"unknown setting game\.tools"),
        ("[game]\ntasks = 'os:system'", "can name no code"),
        ("[game]\ntasks = ['a']", "can name no code"),
        ("[game]\nprofile = 'os:system'", "can name no code"),
        ("[game]\nprofile = 'terse,a=b'", "can name no code"),
        ("[game]\nwidth = 0", "width must be"),
        ("[game.limits]\nwidth = 'many'", "limits"),
        ("[policy]\nmodel = 'other'", r"unknown setting policy\.model"),
        ("[policy]\nengine_options = {}", r"unknown setting policy\.engine_options"),
        ("[policy]\ncontext = true", r"policy\.context cannot be True"),
        ("[policy]\ntemperature = '1'", r"policy\.temperature"),
        ("[policy]\nthinking = 1", r"policy\.thinking"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ConfigError, match=f"{NAME}.*{told}"):
        read_settings(tmp_path)


def make_policy_with_settings(**_: Any) -> None:
    """A policy of which only the settings are read."""


vars(make_policy_with_settings)["suggest"] = suggest_settings
POLICY = f"{__name__}:make_policy_with_settings"


def chosen(entry: str, *arguments: str) -> tuple[GameConfig, dict[str, Any], str]:
    """The game and the policy's options of a command, and what the command printed on stderr."""
    found: list[tuple[GameConfig, dict[str, Any]]] = []

    @click.command()
    @options.game_options(entry)
    @options.policy_choice()
    def command(game: GameConfig, policy: str, policy_args: tuple[tuple[str, str], ...]) -> None:
        found.append((game, options.policy_options(policy_args)))

    result = CliRunner().invoke(command, ["--policy", POLICY, "--model", "nano-team", *arguments])
    assert result.exit_code == 0, result.output + str(result.exception)
    return *found[0], result.stderr


def test_a_command_uses_the_settings_and_says_so(shipped: Path) -> None:
    game, policy, told = chosen("wideseek eval")
    assert game == TRAINED.replace(split="test")
    assert policy == {"model": "nano-team", "temperature": 0.6, "context": 4096}
    assert told.count("\n") == 1
    for part in (
        "nano-team",
        f"--tasks {WORLD}",
        "--where difficulty=easy",
        "--rule lead_turns=3",
        "temperature=0.6",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["--tasks", "synthetic"], {"tasks": "synthetic", "where": ()}),
        (["--corpus", "elsewhere"], {"corpus": "elsewhere"}),
        (["--where", "rows>=8"], {"where": ("rows>=8",)}),
        (["--profile", "default"], {"profile": "default"}),
        (["--rules", "width-benchmark"], {"rules": "width-benchmark", "limits": {}}),
        (["--rules", "default"], {"rules": "default", "limits": {}}),
        (["--rule", "lead_turns=9"], {"limits": {**TRAINED.limits, "lead_turns": 9}}),
        (["--rule", "width=2"], {"limits": {**TRAINED.limits, "width": 2}}),
        (["--rule", "searches=9"], {"limits": {**TRAINED.limits, "searches": 9}}),
        (["--single"], {"team": False}),
        (["--split", "validation"], {"split": "validation"}),
        (["--reward", "wideseek_r1"], {"reward": "wideseek_r1"}),
    ],
)  # fmt: skip
def test_an_option_of_the_user_wins(shipped: Path, arguments: list[str], changes: Mapping[str, Any]) -> None:
    game, _, told = chosen("wideseek eval", *arguments)
    assert game == TRAINED.replace(**{"split": "test", **changes})
    for name, value in zip(arguments[::2], arguments[1::2], strict=False):
        assert f"{name} {value}" not in told


def test_the_width_of_the_user_wins(shipped: Path) -> None:
    for arguments in (["--width", "2"], ["--rule", "width=2"]):
        game, _, told = chosen("wideseek eval", *arguments)
        assert game.open_rules().width == 2
        assert game.open_rules().subagent_turns == 4
        assert "width=8" not in told
    (shipped / NAME).write_text(settings_text(TRAINED.replace(width=6, limits={}), {}))
    assert chosen("wideseek eval")[0].open_rules().width == 6
    assert chosen("wideseek eval", "--rule", "width=2")[0].open_rules().width == 2


def test_a_policy_option_of_the_user_wins(shipped: Path) -> None:
    _, policy, told = chosen("wideseek eval", "--policy-arg", "temperature=1", "--policy-arg", "note=a=b")
    assert policy == {"model": "nano-team", "temperature": 1, "note": "a=b", "context": 4096}
    assert "temperature" not in told


def test_all_settings_replaced_says_nothing(shipped: Path) -> None:
    arguments = ["--tasks", "synthetic", "--profile", "default", "--rules", "default"]
    arguments += ["--policy-arg", "temperature=1", "--policy-arg", "context=99"]
    assert chosen("wideseek rollout", *arguments)[2] == ""


def test_sweeps_use_what_they_do_not_vary(shipped: Path) -> None:
    for entry in ("wideseek bench width", "wideseek bench depth"):
        game, _, _ = chosen(entry)
        assert (game.tasks, game.rules, game.split) == (WORLD, "default", "test")
        assert game.open_rules().lead_turns == 3
    assert chosen("wideseek bench depth")[0].team is False


def test_other_policies_and_models_carry_nothing(shipped: Path) -> None:
    assert settings_of_model("scripted", model="nano-team") is None
    assert settings_of_model("openai", model="nano-team") is None  # the name of a model at a server
    for policy in ("transformers", "vllm"):
        assert settings_of_model(policy, model="nano-team") is not None
        with pytest.raises(ConfigError, match="nano-team"):
            settings_of_model(policy, model="nano")
    (shipped / NAME).unlink()
    game, policy_options, told = chosen("wideseek eval")
    assert (game, policy_options, told) == (GameConfig(split="test"), {"model": "nano-team"}, "")
    assert set(GAME) <= set(GameConfig.__dataclass_fields__)
