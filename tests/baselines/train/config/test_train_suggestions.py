"""Suggestions for misspelt keys look in all tables, and presets work with another engine."""

from __future__ import annotations

import pytest

from wideseek_baselines.train.config.loading import load_config, preset_file
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_env import ConfigError

NEEDED = ("model.path=m", "out=o")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lr=3", "'optim.lr'"),
        ("learning_rate=3", "'optim.lr'"),
        ("temperature=1", "'engine.temperature'"),
        ("num_generations=4", "'group'"),
        ("width=4", "'game.width' or 'game.limits.width'"),
        ("subagent_turns=4", "'game.limits.subagent_turns'"),
        ("game.subagent_turns=4", "'game.limits.subagent_turns'"),
        ("optim.lrr=3", "'optim.lr'"),
        ("optim.kl=3", "'loss.kl'"),
        ("loss.lr=3", "'optim.lr'"),
        ("engine.temprature=1", "'engine.temperature'"),
        ("temprature=1", "'engine.temperature'"),
        ("beta=0.1", "'loss.kl'"),
        ("game.task=x", "'game.tasks'"),
        ("game.limits.subagnt_turns=3", "'game.limits.subagent_turns'"),
        ("steeps=3", "'steps'"),
        ("optm.lr=3", "'optim'"),
    ],
)
def test_the_right_table_is_suggested(given: str, meant: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_config(GrpoConfig, None, [*NEEDED, given])
    assert str(found.value).startswith("unknown key ")
    assert all(each in str(found.value) for each in meant.split(" or "))


def test_a_key_that_resembles_nothing_lists_its_table() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'optim\.xyzzy'; there are: lr, matrices"):
        load_config(GrpoConfig, None, [*NEEDED, "optim.xyzzy=1"])


@pytest.mark.parametrize("preset", ["nano-cpu", "qwen3-4b-8gpu", "smollm2-1gpu"])
def test_presets_work_with_another_engine(preset: str) -> None:
    config = load_config(GrpoConfig, None, [*NEEDED, "engine.kind=transformers"], preset=preset_file(preset))
    assert config.engine.kind == "transformers"
    assert (config.engine.kv_bytes, config.engine.memory_share, config.engine.tensor_parallel) == (
        None,
        None,
        1,
    )
    usual = load_config(GrpoConfig, None, NEEDED, preset=preset_file(preset))
    assert usual.engine.kind == "vllm"
    assert usual.engine.turn_tokens == config.engine.turn_tokens


def test_settings_of_vllm_that_the_user_gives_are_refused() -> None:
    given = [*NEEDED, "engine.kind=transformers", "engine.kv_bytes=5"]
    with pytest.raises(ConfigError, match="kv_bytes is a setting of vLLM"):
        load_config(GrpoConfig, None, given, preset=preset_file("nano-cpu"))
