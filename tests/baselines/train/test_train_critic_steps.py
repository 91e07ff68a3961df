"""The critic's own epochs: against a loop written out here, on states whose best prediction is known, and in runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_train_ppo import TEAM, head, policy, ppo
from toy_game import toy_game
from training_parts import saved_model

from wideseek_baselines.train.config.options import ModelOptions, OptimOptions, ValueOptions
from wideseek_baselines.train.critic_steps import CriticBatch, critic_metrics, fit_critic
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.forward import StateRow
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import PpoConfig, prepare, run_ppo, train_step
from wideseek_baselines.train.reporting.log import read_log
from wideseek_env.errors import ConfigError


def batch_of(states: torch.Tensor, returns: Any, values: Any, rows: int = 1) -> CriticBatch:
    """One sample for each state. Each has two trained tokens, of which only the first counts."""
    samples = [
        Sample(
            np.arange(4),
            np.array([1, 2]),
            {
                "value": np.array([value, 7], np.float32),
                "return": np.array([wanted, 99], np.float32),
                "critic_weight": np.array([1 / len(states), 0], np.float32),
            },
        )
        for wanted, value in zip(returns, values, strict=True)
    ]
    shares = np.array_split(np.arange(len(states)), rows)
    return CriticBatch(samples, [StateRow(states[share], tuple(share.tolist())) for share in shares])


@pytest.mark.parametrize("rows", [1, 3])
def test_its_epochs_are_those_of_a_loop_written_out(rows: int) -> None:
    torch.manual_seed(0)
    states, returns = torch.randn(7, 5), torch.rand(7).numpy() * 4
    critic = ValueHead(5, detach=True)
    critic.norm.update(returns[:3], np.ones(3))
    std, mean = critic.norm.std, critic.norm.mean
    options = OptimOptions(lr=0.05, max_norm=0)
    done = fit_critic(
        critic,
        Optimizer(critic.named_parameters(), options),
        [batch_of(states, returns, [mean] * 7, rows)],
        ValueOptions(epochs=4, clip=0.3),
        100,
        np.random.default_rng(0),
    )
    weight, bias = torch.zeros(5, requires_grad=True), torch.zeros((), requires_grad=True)
    plain = torch.optim.AdamW([weight, bias], lr=0.05, weight_decay=0)
    wanted = torch.tensor((returns - mean) / std, dtype=torch.float32)
    norms, losses = [], []
    for _ in range(4):
        plain.zero_grad()
        output = states @ weight + bias
        error = torch.maximum((output - wanted) ** 2, (output.clamp(-0.3, 0.3) - wanted) ** 2)
        loss = 0.5 * error.mean()
        loss.backward()
        losses.append(float(loss.detach()))
        norms.append(float(torch.cat([weight.grad, bias.grad.reshape(1)]).norm()))  # type: ignore[union-attr, list-item]
        plain.step()
    torch.testing.assert_close(critic.linear.weight[0], weight, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(critic.linear.bias[0], bias, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(done.norms, norms, rtol=1e-4)
    told = done.result()
    assert told["critic_gradient_norm"] == pytest.approx(np.mean(norms), rel=1e-4)
    assert told["value_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert told["critic_lr"] == 0.05


def test_metrics_by_hand() -> None:
    samples = batch_of(torch.zeros(3, 1), [0.0, 1.0, 2.0], [0.5, 1.0, 1.0]).samples
    found = critic_metrics(samples)
    assert found["value"] == pytest.approx(2.5 / 3)
    assert found["value_error"] == pytest.approx(1.25 / 3)
    assert found["explained_variance"] == pytest.approx(1 - 1.25 / 2)
    assert critic_metrics(batch_of(torch.zeros(2, 1), [1, 1], [0, 1]).samples)["explained_variance"] == 0


def explained_after(options: ValueOptions, lr: float, steps: int = 20) -> float:
    """Train on new states in each step, whose best linear prediction explains half of the variance of the returns.

    Returns the explained variance of the last steps, before they are trained on.
    """
    dice = np.random.default_rng(0)
    size, direction = 64, dice.normal(size=64) / 8
    critic = ValueHead(size, detach=True)
    optimizer = Optimizer(critic.named_parameters(), OptimOptions(lr=lr))
    found = []
    for step in range(steps):
        states = dice.normal(size=(200, size))
        returns = 0.5 + 0.15 * (states @ direction + dice.normal(size=200))
        tensor = torch.tensor(states, dtype=torch.float32)
        with torch.no_grad():
            outputs = critic.norm.outputs(critic(tensor).numpy())
        if options.normalize:
            critic.norm.update(returns, np.ones(200))
        batch = batch_of(tensor, returns, critic.norm.values(outputs))
        if step >= steps - 3:
            found.append(critic_metrics(batch.samples)["explained_variance"])
        fit_critic(critic, optimizer, [batch], options, 100, dice)
    return float(np.mean(found))


def test_new_episodes_are_explained_after_twenty_steps() -> None:
    assert explained_after(ValueOptions(epochs=1, normalize=False), 1e-4) < -0.5
    default = PpoConfig("out", ModelOptions("model"))
    assert explained_after(default.value, default.critic_optim.lr) > 0.2


def fitted(
    tmp_path: Path, *settings: str, critic: Any = None, step: int = 0
) -> tuple[Any, Any, dict[str, float]]:
    """A step on a small team. Returns the weights of policy and critic, and the metrics."""
    config = ppo(tmp_path, tmp_path, "game.team=true", "mini_batch=1", *settings)
    model, critic = policy(0), critic or head(0.0)
    optimizers = {
        "policy": Optimizer(model.named_parameters(), OptimOptions(lr=1e-3)),
        "critic": Optimizer(critic.named_parameters(), OptimOptions(lr=1e-2)),
    }
    batches = prepare(model, None, critic, TEAM, config, 0.0, step)
    metrics = train_step(model, critic, optimizers, batches, config, step)
    metrics["critic_steps"] = optimizers["critic"].step_number
    return model.state_dict(), critic.state_dict(), metrics


@pytest.mark.parametrize("settings", [[], ["value.critic=separate"]])
def test_the_critic_has_other_epochs_than_the_policy(settings: list[str], tmp_path: Path) -> None:
    def critic() -> Any:
        return Critic(policy(2).causal) if settings else head(0.0)

    few = fitted(tmp_path, "epochs=2", "value.epochs=1", *settings, critic=critic())
    many = fitted(tmp_path, "epochs=2", "value.epochs=5", *settings, critic=critic())
    for metrics, count in ((few[2], 2), (many[2], 10)):
        assert metrics["critic_steps"] == count
        assert metrics["optimizer_steps"] == 4
    for name, tensor in few[0].items():
        torch.testing.assert_close(many[0][name], tensor, rtol=0, atol=0)
    changed = [name for name in few[1] if not torch.equal(few[1][name], many[1][name])]
    assert any("linear" in name for name in changed)
    assert not any("norm.average" in name for name in changed)


def test_stored_states_give_the_gradient_of_a_pass(tmp_path: Path) -> None:
    """A head that is trained on stored states moves as the head of a separate critic with the same frozen layers."""
    stored = fitted(tmp_path, "value.epochs=3")[1]
    apart = Critic(policy(0).causal)
    apart.trunk.requires_grad_(False)
    passes = fitted(tmp_path, "value.epochs=3", "value.critic=separate", critic=apart)[1]
    for name in ("linear.weight", "linear.bias", "norm.average", "norm.variance"):
        torch.testing.assert_close(passes[f"head.{name}"], stored[name], rtol=1e-4, atol=1e-6)
    assert stored["linear.weight"].abs().max() > 0


@pytest.mark.parametrize("detach", ["true", "false"])
def test_a_warm_up_moves_the_critic_alone(detach: str, tmp_path: Path) -> None:
    before = policy(0).state_dict()
    settings = ("value.warmup_steps=2", f"value.detach={detach}")
    for step in (0, 1, 2):
        weights, critic, metrics = fitted(tmp_path, *settings, step=step)
        same = all(torch.equal(weights[name], tensor) for name, tensor in before.items())
        assert same == (step < 2)
        assert critic["linear.weight"].abs().max() > 0
        assert ("entropy" in metrics) == (step == 2)
        assert "explained_variance" in metrics


def test_the_first_advantages_are_those_of_a_critic_that_knows_the_mean(tmp_path: Path) -> None:
    config = ppo(tmp_path, tmp_path, "game.team=true", "whiten=false", "value.gae_lambda=1")
    (batch,) = prepare(policy(0), None, critic := head(0.0), TEAM, config, 0.0, 0)
    weights = np.concatenate([s.columns["critic_weight"] for s in batch.samples])
    returns = np.concatenate([s.columns["return"] for s in batch.samples])
    mean = np.average(returns, weights=weights)  # of 12 tokens, 9 belong to the reward 0.8
    assert mean == pytest.approx((9 * 0.8 + 3 * 0.2) / 12)
    assert critic.norm.mean == pytest.approx(mean)
    for sample in batch.samples:
        np.testing.assert_allclose(sample.columns["advantage"], sample.columns["return"] - mean, rtol=1e-5)


def test_a_run_warms_up_and_resumes_exactly(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "tiny")
    options = (
        "steps=3",
        "checkpoint.every=1",
        "value.warmup_steps=2",
        "optim.schedule=linear",
        "optim.lr=1e-2",
    )

    class Killed(Exception):
        """Ends the run."""

    def kill(values: Any) -> None:
        if values["step"] == 2:
            raise Killed

    whole, broken = (ppo(model, tmp_path / name, *options) for name in ("whole", "broken"))
    run_ppo(whole, game=toy_game())
    with pytest.raises(Killed):
        run_ppo(broken, game=toy_game(), on_step=kill)
    run_ppo(broken, game=toy_game())
    kept = [checkpoint.load_latest(Path(config.out) / "checkpoints") for config in (whole, broken)]
    assert kept[0] is not None and kept[1] is not None  # noqa: PT018
    for name, tensor in kept[0].weights.items():
        assert torch.equal(tensor, kept[1].weights[name]), name
    assert int(kept[0].weights["critic.norm.updates"]) == 3
    log = list(read_log(tmp_path / "whole" / "metrics.jsonl"))
    assert [record["optimizer_steps"] for record in log] == [0, 0, 1]
    assert [record["trained_tokens"] > 0 for record in log] == [False, False, True]
    assert log[-1]["lr"] == pytest.approx(1e-2), "the schedule begins after the warm-up"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("value.warmup_steps=3", "steps=3"), r"value\.warmup_steps=3 leaves none of the 3 steps"),
        (("value.context=100",), "context limits the joint state"),
        (("value.view=team",), "set critic='separate'"),
        (("value.epochs=0",), "epochs"),
        (("value.warmup_steps=-1",), "warmup_steps"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    settings: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        ppo(tmp_path, tmp_path, *settings)
