"""Multi-agent PPO: advantages worked out by hand, both critics, KL control, and whole runs on a toy game."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_game import toy_config, toy_game
from training_parts import agent, rollout, saved_model, tiny_causal

from wideseek_baselines.train.config.options import OptimOptions
from wideseek_baselines.train.data.samples import rollout_samples
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.forward import logprobs_and_values, logprobs_of, values_of
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import KlOptions, PpoConfig, adapted, prepare, run_ppo, train_step
from wideseek_baselines.train.reporting.log import read_log


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def ppo(model: Path, out: Path, *overrides: str) -> PpoConfig:
    config = toy_config(PpoConfig, model, out, *overrides)
    assert isinstance(config, PpoConfig)
    return config


def policy(seed: int) -> TokenModel:
    model = TokenModel(tiny_causal(seed))
    use_attention(model.causal, "packed")
    return model


TEAM = [
    rollout(
        [agent("lead", [2, 3], split=True, clocks=[1, 3]), agent("subagent", [4], clocks=[2])],
        group="a",
        reward=0.8,
    ),
    rollout([agent("lead", [3], clocks=[1])], group="b", reward=0.2),
    rollout([agent("lead", [5], clocks=[1])], group="b", reward=0.9, trainable=False),
]


def head(value: float) -> ValueHead:
    """A critic that expects the same reward everywhere."""
    made = ValueHead(32)
    torch.nn.init.constant_(made.linear.bias, value)
    return made


def columns(prepared: Any, name: str) -> dict[int, list[float]]:
    """A column of every example, by the number of its trained tokens."""
    return {
        len(example.places): example.columns[name].tolist() for batch in prepared for example in batch.samples
    }


def test_advantages_of_a_team_by_hand(tmp_path: Path) -> None:
    config = ppo(
        tmp_path,
        tmp_path,
        "game.team=true",
        "whiten=false",
        "value.gamma=0.5",
        "value.gae_lambda=1",
        "value.steps=token",
        "value.normalize=false",
        "mini_batch=1",
    )
    prepared = prepare(policy(0), None, head(0.1), TEAM, config, 0.0, 0)
    assert len(prepared) == 2, "mini-batches are counted in tasks"
    # The lead's second turn is in a sequence of its own, and its first turn continues into it.
    returns, advantages = columns(prepared, "return"), columns(prepared, "advantage")
    for count, steps in ((2, [4, 3]), (4, [3, 2, 1, 0])):
        wanted = np.array([0.8 * 0.5**step for step in steps])
        np.testing.assert_allclose(returns[count], wanted, rtol=1e-5)
        np.testing.assert_allclose(advantages[count], wanted - 0.1, atol=1e-6)
    threes = sorted(
        example.columns["return"].tolist()
        for batch in prepared
        for example in batch.samples
        if len(example.places) == 3
    )
    np.testing.assert_allclose(threes, [[0.05, 0.1, 0.2], [0.2, 0.4, 0.8]], rtol=1e-5)


def test_turns_as_steps_share_their_advantage(tmp_path: Path) -> None:
    config = ppo(
        tmp_path,
        tmp_path,
        *("game.team=true", "whiten=false", "value.gamma=0.5", "value.gae_lambda=1", "value.steps=turn"),
    )
    prepared = prepare(policy(0), None, head(0.0), TEAM[:1], config, 0.0, 0)
    returns = columns(prepared, "return")
    np.testing.assert_allclose(returns[2], [0.4, 0.4], rtol=1e-5)
    np.testing.assert_allclose(returns[3], [0.8] * 3, rtol=1e-5)
    np.testing.assert_allclose(returns[4], [0.8] * 4, rtol=1e-5)
    # The critic is asked once a turn, and taught there: for all of the turn's tokens, each of which is one of nine.
    asked = columns(prepared, "critic_weight")
    for count in (2, 3, 4):
        np.testing.assert_allclose(asked[count], [count / 9] + [0] * (count - 1), rtol=1e-5)


@pytest.mark.parametrize("detach", ["true", "false"])
def test_the_critic_is_taught_at_the_beginnings_of_turns_alone(detach: str, tmp_path: Path) -> None:
    config = ppo(
        tmp_path,
        tmp_path,
        *("game.team=true", "value.gae_lambda=1", "value.steps=turn", "value.normalize=false"),
        f"value.detach={detach}",
    )
    errors, heads = [], []
    for changed in (False, True):
        model, critic = policy(0), head(0.0)
        (batch,) = prepare(model, None, critic, TEAM[:2], config, 0.0, 0)
        assert {len(example.places) for example in batch.samples} == {2, 3, 4}
        for example in batch.samples:
            if changed:
                example.columns["return"][1:] = 100.0
        for example in batch.critic.samples if changed else ():
            example.columns["return"][1:] = 100.0
        optimizers = {
            "policy": Optimizer(model.named_parameters(), OptimOptions(lr=1e-6)),
            "critic": Optimizer(critic.named_parameters(), OptimOptions(lr=1e-3)),
        }
        figures = train_step(model, critic, optimizers, [batch], config, 0)
        errors.append(figures["value_error"])
        heads.append(critic.linear.weight.detach().clone())
        assert critic.linear.weight.abs().max() > 0
    # Three turns of the first team and one of the second.
    assert errors == [pytest.approx((3 * 0.8**2 + 0.2**2) / 4, rel=1e-4)] * 2
    torch.testing.assert_close(heads[0], heads[1])


def test_one_pass_scores_as_two_do(tmp_path: Path) -> None:
    model, critic = policy(0), head(0.1)
    torch.nn.init.normal_(critic.linear.weight)
    samples = rollout_samples(TEAM, np.zeros(3), ppo(tmp_path, tmp_path, "game.team=true").selection)
    logprobs, values = logprobs_and_values(model, critic, samples.samples, 30)
    apart = Critic(policy(0).causal)
    apart.head = critic
    for found, wanted in (
        (logprobs, logprobs_of(model, samples.samples, 30)),
        (values, values_of(apart, samples.samples, 30)),
    ):
        assert len(found) == len(wanted) == len(samples.samples)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_penalty_is_paid_token_by_token(tmp_path: Path) -> None:
    config = ppo(
        tmp_path,
        tmp_path,
        *("game.team=true", "whiten=false", "value.gamma=1", "value.gae_lambda=1", "value.steps=token"),
    )
    (batch,) = prepare(policy(0), policy(1), head(0.0), TEAM[:1], config, 0.3, 0)
    example = next(example for example in batch.samples if len(example.places) == 4)
    gaps = example.columns["old"] - example.columns["reference"]
    assert abs(gaps).max() > 0.1
    wanted = [0.8 - 0.3 * gaps[at:].sum() for at in range(4)]
    np.testing.assert_allclose(example.columns["return"], wanted, rtol=1e-4)
    every = np.concatenate([one.columns["old"] - one.columns["reference"] for one in batch.samples])
    exact = np.exp(-every) - 1 + every
    assert exact.max() > 10
    assert batch.divergence == pytest.approx(exact.clip(max=10).mean(), rel=1e-4)


@pytest.mark.parametrize("average", ["token", "agent"])
def test_whitened_advantages(average: str, tmp_path: Path) -> None:
    config = ppo(
        tmp_path, tmp_path, "game.team=true", "mini_batch=1", f"selection.loss_aggregation={average}"
    )
    prepared = prepare(policy(0), None, head(0.0), TEAM, config, 0.0, 0)
    examples = [example for batch in prepared for example in batch.samples]
    every, weights = (np.concatenate([e.columns[name] for e in examples]) for name in ("advantage", "weight"))
    assert len(prepared) == 2
    assert np.average(every, weights=weights) == pytest.approx(0, abs=1e-6)
    assert np.average(every**2, weights=weights) == pytest.approx(1, abs=1e-4)
    assert every.mean() > 0.1, "the team that earned more has most of the tokens, but not of the weight"
    assert sum(every > 0) == 9, "tokens of the team that earned more"


@pytest.mark.parametrize("view", ["own", "team"])
def test_a_separate_critic_learns_what_the_team_is_paid(view: str, tmp_path: Path) -> None:
    config = ppo(
        tmp_path,
        tmp_path,
        *(
            "game.team=true",
            "value.critic=separate",
            f"value.view={view}",
            "value.clip=0",
            "value.normalize=false",
            "tokens_per_row=30",
        ),
    )
    model, critic = policy(0), Critic(policy(2).causal)
    optimizers = {
        "policy": Optimizer(model.named_parameters(), OptimOptions(lr=1e-6)),
        "critic": Optimizer(critic.named_parameters(), OptimOptions(lr=1e-3)),
    }
    errors = []
    for step in range(4):
        batches = prepare(model, None, critic, TEAM[:2], config, 0.0, step)
        (subagent,) = (e for b in batches for e in b.critic.samples if len(e.places) == 4)
        assert len(subagent) == (7 if view == "own" else 7 + 5), "the lead up to the end of its first turn"
        errors.append(train_step(model, critic, optimizers, batches, config, step)["value_error"])
    assert errors[-1] < 0.3 * errors[0]


def test_the_coefficient_follows_the_divergence() -> None:
    options = KlOptions(coefficient=0.2, target=0.01, gain=0.1)
    assert adapted(0.2, 0.5, options) == pytest.approx(0.22)
    assert adapted(0.2, 0.0, options) == pytest.approx(0.18)
    assert adapted(0.2, 0.011, options) == pytest.approx(0.2 * 1.01)
    assert adapted(0.2, None, options) == 0.2
    assert adapted(0.2, 0.5, KlOptions(coefficient=0.2)) == 0.2


@pytest.mark.parametrize("detach", ["true", "false"])
def test_it_learns(detach: str, model_folder: Path, tmp_path: Path) -> None:
    rewards: list[float] = []
    config = ppo(
        model_folder,
        tmp_path / "run",
        *("steps=20", "optim.lr=2e-2", "kl.coefficient=0", "critic_optim.lr=1e-2", "checkpoint.every=0"),
        f"value.detach={detach}",
    )
    run_ppo(config, game=toy_game(), on_step=lambda values: rewards.append(values["reward"]))
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4]) + 0.1


class Killed(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_a_broken_run_goes_on_to_the_same_result(critic: str, model_folder: Path, tmp_path: Path) -> None:
    options = (
        "steps=3",
        "checkpoint.every=1",
        "kl.target=0.001",
        "epochs=2",
        "value.epochs=3",
        f"value.critic={critic}",
    )
    whole = ppo(model_folder, tmp_path / "whole", *options)
    result = run_ppo(whole, game=toy_game())

    def kill(values: Mapping[str, Any]) -> None:
        if values["step"] == 2:
            raise Killed

    broken = ppo(model_folder, tmp_path / "broken", *options)
    with pytest.raises(Killed):
        run_ppo(broken, game=toy_game(), on_step=kill)
    again = run_ppo(broken, game=toy_game())
    assert dataclasses.replace(again, model=result.model) == result
    for name in ("model/model.safetensors", "checkpoints/step-00000003/weights.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    logs = [
        [
            {name: value for name, value in record.items() if "second" not in name}
            for record in read_log(Path(config.out) / "metrics.jsonl")
        ]
        for config in (whole, broken)
    ]
    assert logs[0] == logs[1]
    assert len({record["kl_coefficient"] for record in logs[0]}) == 3, "the coefficient was never adapted"
    assert {"value_error", "value_clip_share", "explained_variance", "kl_penalty"} <= set(logs[0][-1])
    kept = checkpoint.load_latest(tmp_path / "whole" / "checkpoints")
    assert kept is not None
    head_weight = next(tensor for name, tensor in kept.weights.items() if name.endswith("linear.weight"))
    assert head_weight.abs().max() > 0, "the critic was never trained"
