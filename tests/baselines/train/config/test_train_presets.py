"""Presets, estimates without a model, and the commands."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from published_settings import DIFFERENT, PUBLISHED, table
from toy_game import toy_tasks
from training_parts import saved_model

from wideseek_baselines.engines.weights import tensor_shapes
from wideseek_baselines.model_settings import read_settings
from wideseek_baselines.policies.factories import transformers_policy
from wideseek_baselines.tokens.loading import load_tokenizer
from wideseek_baselines.train.cli import train
from wideseek_baselines.train.config import run
from wideseek_baselines.train.config.loading import (
    config_from,
    config_to_dict,
    explained,
    load_config,
    preset_file,
    preset_names,
)
from wideseek_baselines.train.config.resuming import changed_settings
from wideseek_baselines.train.config.run import policy_options
from wideseek_baselines.train.estimate import KNOWN, estimate, shape_of
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.objective.advantages import EPSILON
from wideseek_baselines.train.objective.losses import LARGEST
from wideseek_baselines.train.ppo import PpoConfig
from wideseek_baselines.train.reporting.untrained import UntrainedError
from wideseek_baselines.train.rollouts.manager import short_enough
from wideseek_env.errors import ConfigError
from wideseek_env.profiles import profile_named
from wideseek_env.rewards import reward_named
from wideseek_env.rules import Rules
from wideseek_env.tasks.jsonl import save_tasks
from wideseek_env.tasks.taskset import TaskSet

NEEDED = ("out=run", "model.path=Qwen/Qwen3-4B")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def test_the_presets_are_those_that_are_documented() -> None:
    assert preset_names() == ["nano-cpu", "nano-demo", "qwen3-4b-8gpu", "qwen3-4b-multinode", "smollm2-1gpu"]
    with pytest.raises(ConfigError, match="no preset 'big'; there are: nano-cpu"):
        preset_file("big")


@pytest.mark.parametrize("kind", [GrpoConfig, PpoConfig])
@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_configuration_of_a_game_that_there_is(name: str, kind: Any) -> None:
    needed = ["model.path=HuggingFaceTB/SmolLM2-135M-Instruct"] if name.startswith("nano-") else []
    config = load_config(kind, None, ["out=run", *needed], preset=preset_file(name))
    assert config_from(kind, config_to_dict(config)) == config
    assert isinstance(config.game.open_rules(), Rules)
    profile_named(config.game.profile)
    reward_named(config.game.reward)
    from wideseek_env.corpus.synthetic import SyntheticWorld

    SyntheticWorld.from_spec(config.game.tasks)
    assert estimate(config).episodes == config.tasks * config.group


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("command", ["grpo", "ppo"])
def test_a_dry_run_of_every_preset(command: str, name: str, model_folder: Path, tmp_path: Path) -> None:
    needed = [f"model.path={model_folder}"] if name.startswith("nano-") else []
    arguments = [command, "--preset", name, "--dry-run", f"out={tmp_path / 'run'}", *needed]
    done = CliRunner().invoke(train, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert re.search(r"trainer +about [\d.]+ [kMG]B", done.output)
    assert re.search(r"generated +at most [\d,]+ tokens", done.output)
    assert not (tmp_path / "run").exists()


R1 = ["qwen3-4b-8gpu", "qwen3-4b-multinode"]
"""The presets that are named as published."""
PAGE = Path(__file__).resolve().parents[4] / "docs" / "published-settings.md"


def setting(config: GrpoConfig, key: str) -> Any:
    """The value of a setting, such as "optim.lr", of a limit of the game or of a field of its reward."""
    first, _, rest = key.partition(".")
    found: Any = {"rules": config.game.open_rules(), "reward": reward_named(config.game.reward)}.get(
        first, config
    )
    for name in (rest if first in ("rules", "reward") else key).split("."):
        found = getattr(found, name)
    return found


def keys_of(table: dict[str, Any], prefix: str = "") -> set[str]:
    """The keys of all values in nested tables."""
    found: set[str] = set()
    for name, value in table.items():
        found |= keys_of(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


@pytest.mark.parametrize("name", R1)
def test_the_presets_have_the_published_settings(name: str) -> None:
    config = load_config(GrpoConfig, None, ["out=run"], preset=preset_file(name))
    found = {key: setting(config, key) for key in PUBLISHED}
    assert found == {key: value for key, (_, _, _, value) in PUBLISHED.items()}
    assert (EPSILON, LARGEST) == (1e-6, 20.0), "in the code, and not in a preset"
    named = {
        key.removeprefix("grpo.") for key in keys_of(tomllib.loads(preset_file(name).read_text("utf-8")))
    }
    assert named <= {*PUBLISHED, *DIFFERENT}, "a setting of the preset has no row in the documentation"


def test_the_documentation_has_the_table_of_published_settings() -> None:
    text = PAGE.read_text("utf-8")
    assert table() in text, "write published_settings.table() into docs/published-settings.md"
    letters = set(re.findall(r"^\| ([A-Z]) \| `\S+\.(?:py|yaml)`.* \| [0-9a-f]{8} \|$", text, re.MULTILINE))
    used = {letter for _, _, source, _ in PUBLISHED.values() for letter in source.split(", ")}
    assert used | {"F"} == letters, "a source without a file, or a file without a setting"
    assert all(name in text for name in R1)


def test_settings_for_one_algorithm_do_not_reach_the_other(tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text(
        'out = "o"\ngroup = 3\n[model]\npath = "m"\n[grpo]\ntasks = 5\n[grpo.advantage]\nstd = "sample"\n'
        "[ppo]\ngroup = 4\n[ppo.value]\nclip = 0.5\n",
        "utf-8",
    )
    grpo, ppo = (load_config(kind, preset=file) for kind in (GrpoConfig, PpoConfig))
    assert (grpo.tasks, grpo.group, grpo.advantage.std) == (5, 3, "sample")
    assert (ppo.tasks, ppo.group, ppo.value.clip) == (8, 4, 0.5)
    with pytest.raises(ConfigError, match="unknown key 'grpo'"):
        load_config(GrpoConfig, file)  # a user's file is for the algorithm that reads it
    for name in R1:
        config = load_config(PpoConfig, None, ["out=o"], preset=preset_file(name))
        assert config.selection == PpoConfig(out="o", model=config.model).selection
        assert config.loss.recompute_logprobs


def test_a_run_with_earlier_values_of_a_preset_is_not_continued_with_others() -> None:
    """New settings have the values that the trainer had before. So only what a preset itself changes is told. Two
    defaults have changed: a checkpoint has the earlier values."""
    now = load_config(GrpoConfig, None, ["out=run"], preset=preset_file("qwen3-4b-8gpu"))
    earlier = config_to_dict(load_config(GrpoConfig, None, [*NEEDED, "model.device=cuda"]))
    new = {
        "": ["prompt_tokens"],
        "advantage": ["std"],
        "selection": ["kl_denominator"],
        "loss": ["recompute_logprobs", "early_stop_imp_ratio"],
    }
    changed = {"selection": ("loss_denominator", "trained"), "loss": ("kl_clip", None)}
    for place, (name, value) in changed.items():
        earlier[place][name] = value
    for place, names in new.items():
        for name in names:
            del (earlier[place] if place else earlier)[name]
    again = load_config(GrpoConfig, None, [*NEEDED, "model.device=cuda"])
    assert list(changed_settings(again, earlier)) == ["loss.kl_clip", "selection.loss_denominator"]
    told = changed_settings(now, earlier)
    for place, names in new.items():
        assert {f"{place}.{name}".lstrip(".") for name in names} <= set(told)
    assert {
        "loss.kl_clip",
        "selection.loss_denominator",
        "loss.clip_high",
        "loss.dual_clip",
        "optim.eps",
        "optim.weight_decay",
        "selection.failures",
    } <= set(told)


def test_old_probabilities_of_the_engine_correct_for_prefetched_episodes() -> None:
    ahead = [*NEEDED, "max_off_policy_steps=1", "loss.importance_sampling=none"]
    with pytest.raises(ConfigError, match="set it to truncate or mask"):
        load_config(GrpoConfig, None, ahead)
    assert load_config(GrpoConfig, None, [*ahead, "loss.recompute_logprobs=false"]).max_off_policy_steps == 1


def test_tasks_with_long_questions_are_left_out(model_folder: Path) -> None:
    tasks = TaskSet(toy_tasks(4), "toy")
    lengths = [len(load_tokenizer(model_folder).encode(task.question)) for task in tasks]
    longer = dataclasses.replace(tasks[0], id="long", question=tasks[0].question * 3)
    every = TaskSet([*tasks, longer], "toy")
    kept = short_enough(every, str(model_folder), max(lengths))
    assert kept.ids == tasks.ids
    assert kept.name == "toy"
    assert short_enough(every, str(model_folder), 3 * max(lengths)).ids == every.ids
    with pytest.raises(
        ConfigError, match="all questions of toy have more than 1 tokens: raise prompt_tokens"
    ):
        short_enough(every, str(model_folder), 1)


def test_a_file_stands_over_a_preset_and_an_override_over_both(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('group = 3\n[model]\npath = "m"\n[engine]\nworkers = 2\n', "utf-8")
    config = load_config(GrpoConfig, file, ["out=o", "tasks=5"], preset=preset_file("qwen3-4b-multinode"))
    assert (config.group, config.tasks, config.model.path) == (3, 5, "m")
    assert (config.engine.workers, config.engine.worker_gpus) == (2, 1.0)
    assert config.model.precision == "bfloat16"


def test_the_count_of_weights_is_that_of_the_model(model_folder: Path) -> None:
    counted = 0
    for shape in tensor_shapes(model_folder).values():
        size = 1
        for length in shape:
            size *= length
        counted += size
    assert shape_of(str(model_folder)).weights == counted
    assert KNOWN["Qwen/Qwen3-4B"].weights == 4_022_468_096
    assert KNOWN["HuggingFaceTB/SmolLM2-135M-Instruct"].weights == 134_515_008


def test_an_estimate_by_hand() -> None:
    config = load_config(
        PpoConfig,
        None,
        [
            *NEEDED,
            *(
                "model.precision=bfloat16",
                "tasks=2",
                "group=4",
                "game.limits.width=3",
                "game.rules=width-benchmark",
            ),
            *("engine.context=1000", "engine.turn_tokens=100", "engine.dtype=bfloat16", "kl.coefficient=0"),
            *("value.critic=separate", "engine.tensor_parallel=2"),
        ],
    )
    found, weights = estimate(config), KNOWN["Qwen/Qwen3-4B"].weights
    assert found.trainer["weights"] == 2 * 2 * weights, "the policy and the critic"
    assert found.trainer["Adam"] == 2 * 8 * weights
    assert "reference" not in found.trainer
    assert found.engine["engine weights"] == weights
    assert found.engine["cache, one context"] == 1000 * 2 * 36 * 8 * 128
    assert (found.episodes, found.conversations) == (8, 4)
    assert found.generated == 8 * (3 * 100 + 3 * 6 * 100)
    assert found.read == 8 * 4 * 1000


def test_an_estimate_for_processes_and_for_adapters() -> None:
    config = load_config(GrpoConfig, None, ["out=run"], preset=preset_file("qwen3-4b-8gpu"))
    shape = KNOWN["Qwen/Qwen3-4B"]
    one, eight = estimate(config), estimate(config, 8)
    for name in ("weights", "gradients", "Adam", "float32 masters", "reference"):
        assert eight.trainer[name] == -(-one.trainer[name] // 8)
    for name in ("activations", "logits"):
        assert eight.trainer[name] == one.trainer[name], "every process has rows of its own"
    outer, layer = shape.vocab * 2560 + 2560, (shape.weights - shape.vocab * 2560 - 2560) // 36
    assert eight.trainer["gathered"] == 2 * (outer + 2 * layer) + 6 * outer
    assert "gathered" not in one.trainer
    command = ["grpo", "--preset", "qwen3-4b-8gpu", "out=run", "--dry-run", "--processes", "8"]
    done = CliRunner().invoke(train, command, catch_exceptions=False)
    assert done.output == "\n".join(eight.lines()) + "\n"
    assert re.search("each trainer process about 2[0-9][.][0-9] GB", done.output)

    lora = ["out=run", "model.lora.rank=16", 'model.lora.targets=["q_proj", "down_proj"]']
    found = estimate(load_config(GrpoConfig, None, lora, preset=preset_file("qwen3-4b-8gpu")))
    adapters = 36 * 16 * ((2560 + 4096) + (9728 + 2560))
    assert found.trainer["Adam"] == 8 * adapters
    assert found.trainer["weights"] == 2 * (shape.weights + adapters)
    assert "reference" not in found.trainer


def test_models_without_dimensions_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no estimate for"):
        shape_of(str(tmp_path))


def test_options_reach_the_policy() -> None:
    config = load_config(
        GrpoConfig, None, [*NEEDED, "engine.memory_share=0.5", "engine.thinking=false", "engine.history=keep"]
    )
    found = policy_options("m", config.engine)
    assert found == {
        "model": "m",
        "turn_tokens": 1024,
        "temperature": 1.0,
        "thinking": False,
        "history": "keep",
        "gpu_memory_utilization": 0.5,
        "tensor_parallel": 1,
    }


def test_the_demo_uses_the_engine_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(GrpoConfig, None, ["engine.vllm.block_size=32"], preset=preset_file("nano-demo"))
    assert (config.model.path, config.engine.kind, config.out) == ("nano-team-warm", "auto", "runs/nano-demo")
    assert config.game == load_config(GrpoConfig, None, NEEDED, preset=preset_file("nano-cpu")).game
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    assert config.engine.found == "transformers"
    options = policy_options("m", config.engine)
    assert {*options} - {"turn_tokens", "temperature", "history"} <= {
        *signature(transformers_policy).parameters
    }
    monkeypatch.setattr(run, "find_spec", lambda name: object())
    assert config.engine.found == "vllm"
    options = policy_options("m", config.engine)
    assert (options["kv_bytes"], options["engine_options"]) == (1_000_000_000, {"block_size": 32})


def test_the_commands(model_folder: Path, tmp_path: Path) -> None:
    save_tasks(toy_tasks(4), tmp_path / "tasks.jsonl")
    settings = [
        f"out={tmp_path / 'run'}",
        f"model.path={model_folder}",
        *("model.device=cpu", "model.precision=float32", "steps=1", "tasks=2", "group=2", "game.team=false"),
        *("game.limits.single_turns=1", "engine.kind=transformers", "engine.turn_tokens=4"),
        *(f"game.tasks={tmp_path / 'tasks.jsonl'}", "game.corpus=synthetic:seed=3,pages=400", "game.limit=3"),
    ]
    runner = CliRunner()
    done = runner.invoke(train, ["grpo", *settings])
    assert isinstance(done.exception, UntrainedError)
    assert "none of its 1 steps had anything to learn from" in str(done.exception)
    assert "the rewards in each of the 2 groups are equal (0)" in str(done.exception)
    head, line, warning, last = done.stdout.splitlines()[-4:]
    assert head.split()[:3] == ["step", "reward", "item-F1"]
    assert line.startswith("    1/1 ")
    assert "so this step trained nothing" in warning
    assert "1 steps, 0 tokens trained on" in last, "random answers all earn nothing: no group teaches"
    assert (tmp_path / "run" / "model" / "config.json").is_file()
    carried = read_settings(tmp_path / "run" / "model")
    assert carried is not None
    world = {"tasks": str(tmp_path / "tasks.jsonl"), "corpus": "synthetic:seed=3,pages=400"}
    rules = {"rules": "default", "limits": {"single_turns": 1}}
    assert carried.game == {**world, **rules, "profile": "default", "team": False}
    assert carried.options == {"temperature": 1.0, "turn_tokens": 4}
    wrong = runner.invoke(train, ["ppo", *settings, "kl.coeff=2"])
    assert isinstance(wrong.exception, ConfigError)
    assert "did you mean 'kl.coefficient'?" in str(wrong.exception)
    assert "engine.kind (default vllm)" in runner.invoke(train, ["ppo", "--explain"]).output


def test_all_settings_are_explained() -> None:
    for kind in (GrpoConfig, PpoConfig):
        text = explained(kind)
        assert "game.limits.subagent_turns (default of the rules)" in text
        assert "collapse.window (default 5)" in text
    assert "selection.failures (default all)" in explained(PpoConfig)
    assert "selection.failures (default failed_turns)" in explained(GrpoConfig)
