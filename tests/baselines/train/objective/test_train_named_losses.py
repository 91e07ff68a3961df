"""The published losses by name: their settings, and their formulas against hand-computed values."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from test_train_losses import PLAIN, logs
from toy_game import toy_config
from training_parts import agent, rollout, tiny_causal

from wideseek_baselines.train.config.loading import (
    config_from,
    config_to_dict,
    load_config,
    preset_file,
    preset_names,
)
from wideseek_baselines.train.config.named_losses import LOSSES, LossName
from wideseek_baselines.train.config.options import AdvantageOptions, PolicyLossOptions, SelectionOptions
from wideseek_baselines.train.data.loss_weights import Owner, token_weights
from wideseek_baselines.train.grpo import GrpoConfig, train_step
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.objective.advantages import group_advantages
from wideseek_baselines.train.objective.losses import policy_loss, sequence_means
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import PpoConfig
from wideseek_env.errors import ConfigError

NEEDED = ("out=run", "model.path=Qwen/Qwen3-4B")


def named(name: str, *overrides: str, **more: Any) -> GrpoConfig:
    return load_config(GrpoConfig, None, [*NEEDED, f"loss.name={name}", *overrides], **more)


# --- formulas ----------------------------------------------------------------------------------------------------


def test_gspo_has_one_ratio_for_each_sequence() -> None:
    """Two sequences of two and three tokens. s = (product of the ratios) ** (1 / tokens), clipped per sequence."""
    new = logs(1.2, 1.1, 0.9, 0.8, 1.0).requires_grad_()
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0])
    weights = torch.tensor(
        [1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6]
    )  # mean over tokens, then over the two sequences
    options = replace(PLAIN, ratio="sequence", clip_low=0.05, clip_high=0.2)
    loss = policy_loss(new, torch.zeros(5), advantages, weights, options, counts=[2, 3])
    first, second = (1.2 * 1.1) ** (1 / 2), (0.9 * 0.8 * 1.0) ** (1 / 3)
    assert second < 0.95 < 1 < first < 1.2
    # min(s A, clip(s) A): the first is inside the bounds, the second is clipped to 0.95 and has no gradient.
    assert loss.value.item() == pytest.approx(-(first - 0.95) / 2)
    loss.value.backward()
    assert new.grad is not None
    torch.testing.assert_close(new.grad, -torch.tensor([first / 4, first / 4, 0.0, 0.0, 0.0]))
    found = loss.metrics.result()
    assert found["ratio_max"] == pytest.approx(first)
    assert found["clip_low_share"] == pytest.approx(3 / 5)
    with pytest.raises(ValueError, match="number of tokens of each sequence"):
        policy_loss(new, torch.zeros(5), advantages, weights, options)


def test_gspo_does_not_depend_on_packing() -> None:
    rng = np.random.default_rng(0)
    counts = [3, 1, 5, 2]
    new, old, advantage, weight = (
        torch.tensor(rng.normal(0, 0.1, 11), dtype=torch.float64) for _ in range(4)
    )
    options = replace(PLAIN, ratio="sequence", clip_low=3e-4, clip_high=4e-4)
    whole = policy_loss(new, old, advantage, weight, options, counts=counts).value
    parts, start = 0.0, 0
    for size in counts:
        part = slice(start, start + size)
        parts += policy_loss(
            new[part], old[part], advantage[part], weight[part], options, counts=[size]
        ).value.item()
        start += size
    assert whole.item() == pytest.approx(parts)
    torch.testing.assert_close(
        sequence_means(torch.tensor([1.0, 3.0, 5.0]), [2, 1]), torch.tensor([2.0, 2.0, 5.0])
    )


def test_cispo_clips_the_weight_and_keeps_the_gradient() -> None:
    start = logs(0.5, 0.25, 0.1, 0.4)
    new = (start + logs(7.0, 0.05, 7.0, 1.1)).requires_grad_()
    advantages = torch.tensor([1.0, 1.0, -1.0, -2.0])
    options = replace(PLAIN, objective="cispo", clip_low=1.0, clip_high=4.0)
    loss = policy_loss(new, start, advantages, torch.full((4,), 0.25), options)
    # sum of w * sg(clip(r, 0, 5)) * A * log p
    log_p = [math.log(each) for each in (0.5 * 7, 0.25 * 0.05, 0.1 * 7, 0.4 * 1.1)]
    parts = [5 * 1 * log_p[0], 0.05 * 1 * log_p[1], 5 * -1 * log_p[2], 1.1 * -2 * log_p[3]]
    assert loss.value.item() == pytest.approx(-sum(parts) / 4, rel=1e-5)
    loss.value.backward()
    assert new.grad is not None
    torch.testing.assert_close(new.grad, -torch.tensor([5.0, 0.05, -5.0, -2.2]) / 4)
    found = loss.metrics.result()
    assert (found["clip_share"], found["clip_high_share"], found["clip_low_share"]) == (0.5, 0.5, 0)
    both = policy_loss(new, start, advantages, torch.full((4,), 0.25), replace(options, clip_low=0.2))
    assert both.metrics.result()["clip_low_share"] == 0.25
    with pytest.raises(ConfigError, match="dual_clip"):
        PolicyLossOptions(objective="cispo", dual_clip=3.0)


def test_dr_grpo_divides_by_a_constant_and_not_by_lengths_or_the_spread() -> None:
    owners = [Owner("a", 0, 0), Owner("a", 0, 1), Owner("a", 1, 0), Owner("b", 2, 0)]
    options = SelectionOptions(loss_aggregation="constant", loss_tokens=100)
    weights = token_weights(owners, [10, 30, 7, 50], options)
    # 1 / (2 tasks * rollouts of the task * 100), whatever the number of tokens and agents
    assert weights == pytest.approx([1 / 400, 1 / 400, 1 / 400, 1 / 200])
    constant = replace(options, loss_denominator="constant")
    assert token_weights(owners, [10, 30, 7, 50], constant, planned=8) == pytest.approx([1 / 800] * 4)
    config = named("dr_grpo")
    found = group_advantages([1.0, 0.0, 0.5, 0.2, 0.2], list("aaabb"), [True] * 5, config.advantage)
    np.testing.assert_allclose(found.values, [0.5, -0.5, 0, 0, 0])


def test_dapo_clips_higher_and_averages_over_tokens() -> None:
    config = named("dapo")
    new = logs(1.27, 1.29, 0.79, 0.81).requires_grad_()
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0])
    owners = [Owner("a", 0, 0), Owner("a", 1, 0)]
    weights = torch.tensor(token_weights(owners, [1, 3], config.selection)).repeat_interleave(
        torch.tensor([1, 3])
    )
    assert weights.tolist() == [0.25] * 4, "a token counts the same in short and in long sequences"
    options = replace(config.loss, importance_sampling="none")
    loss = policy_loss(new, torch.zeros(4), advantages, weights, options)
    assert loss.value.item() == pytest.approx(-(1.27 + 1.28 - 0.8 - 0.81) / 4)
    loss.value.backward()
    assert new.grad is not None
    torch.testing.assert_close(new.grad, -torch.tensor([1.27, 0.0, 0.0, -0.81]) / 4)


# --- names -------------------------------------------------------------------------------------------------------


def test_the_settings_of_each_name() -> None:
    assert set(LOSSES) == set(get_args(LossName))
    keys = (
        "loss.objective", "loss.ratio", "loss.clip_low", "loss.clip_high", "loss.kl", "selection.loss_aggregation",
        "advantage.scale", "advantage.zero_variance_groups", "max_draws",
    )  # fmt: skip
    found = {name: tuple(value_of(named(name), key) for key in keys) for name in LOSSES}
    assert found == {
        "dr_grpo": ("clip", "token", 0.2, 0.2, 0.0, "constant", "none", "keep", 1),
        "dapo": ("clip", "token", 0.2, 0.28, 0.0, "token", "std", "drop", 10),
        "gspo": ("clip", "sequence", 3e-4, 4e-4, 0.0, "agent", "std", "drop", 1),
        "cispo": ("cispo", "token", 1.0, 4.0, 0.0, "token", "std", "drop", 1),
    }
    plain = load_config(GrpoConfig, None, NEEDED)
    assert plain.loss == PolicyLossOptions()
    assert plain.selection == SelectionOptions()
    assert plain.advantage == AdvantageOptions()


def value_of(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_names_in_files_presets_and_python(name: str, tmp_path: Path) -> None:
    config = named(name)
    assert config_from(GrpoConfig, config_to_dict(config)) == config
    file = tmp_path / "run.toml"
    file.write_text(f'out = "run"\n[model]\npath = "Qwen/Qwen3-4B"\n[loss]\nname = "{name}"\n')
    assert load_config(GrpoConfig, file) == config
    record = {"out": "run", "model": {"path": "Qwen/Qwen3-4B"}, "loss": {"name": name}}
    assert config_from(GrpoConfig, record) == config
    assert record == {"out": "run", "model": {"path": "Qwen/Qwen3-4B"}, "loss": {"name": name}}
    for preset in preset_names():  # the loss replaces that of a preset
        mixed = named(name, preset=preset_file(preset))
        for table, values in LOSSES[name].items():  # type: ignore[index]
            for key, value in values.items() if isinstance(values, dict) else ():
                assert value_of(mixed, f"{table}.{key}") == value, (preset, key)
    file.write_text(file.read_text() + "clip_high = 0.5\n")
    assert load_config(GrpoConfig, file).loss.clip_high == 0.5, "settings next to the name win"
    assert named(name, "loss.clip_high=0.7", "max_draws=1").loss.clip_high == 0.7
    assert load_config(GrpoConfig, file, ["loss.name=none"]).loss.clip_low == 0.2
    other = tmp_path / "preset.toml"
    other.write_text(f'[grpo.loss]\nname = "{name}"\nkl = 0.5\n')
    assert load_config(GrpoConfig, None, NEEDED, preset=other).loss == replace(config.loss, kl=0.5)


@pytest.mark.parametrize(
    "wrong", ["ppo", "DAPO", "grpo", "", "3", "true", "[]", "dr-grpo", "gspo_token", "dapo cispo"]
)
def test_names_that_do_not_exist(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"loss\.name must be one of dr_grpo, dapo, gspo, cispo, not"):
        named(wrong)


def test_ppo_has_no_named_losses() -> None:
    with pytest.raises(ConfigError, match=r"loss\.name=gspo is a loss of GRPO: leave it out"):
        load_config(PpoConfig, None, [*NEEDED, "loss.name=gspo"])
    config = load_config(PpoConfig, None, [*NEEDED, "loss.ratio=sequence", "loss.objective=cispo"])
    assert (config.loss.ratio, config.loss.objective) == ("sequence", "cispo")


@pytest.mark.parametrize("name", ["gspo", "cispo"])
def test_a_step_with_the_losses_that_have_their_formula(name: str, tmp_path: Path) -> None:
    """Two updates on teams with several sequences. The second meets a policy that has moved."""
    config = toy_config(
        GrpoConfig, tmp_path, tmp_path, f"loss.name={name}", "game.team=true", "epochs=2", "tokens_per_row=60"
    )
    model = TokenModel(tiny_causal(0))
    use_attention(model.causal, "packed")
    teams = [
        rollout([agent("lead", [4, 9], split=True), agent("subagent", [3, 2])], group=group, reward=reward)
        for group, reward in (("a", 1.0), ("a", 0.0), ("b", 0.5), ("b", 0.2))
    ]
    optimizer = Optimizer(model.named_parameters(), config.optim)
    metrics, tokens = train_step(model, None, optimizer, teams, [1.0, -1.0, 1.0, -1.0], config, 0)
    assert tokens == sum(one.tokens for one in teams)
    assert metrics["gradient_norm"] > 0
    assert metrics["ratio_max"] > 1
