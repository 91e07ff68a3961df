"""A training step with WideSeek-R1's official settings, against an independent form of the official computation.

The reference works as the official trainer does: every conversation is a micro-batch, its loss is a mean over tokens,
and factors on advantages and losses make up for the number of micro-batches and of processes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_train_grpo_step import Watched, episodes, grpo, plain_logprobs
from training_parts import tiny_causal

from wideseek_baselines.train.data.packing import rows_of
from wideseek_baselines.train.grpo import train_step
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.objective.advantages import group_advantages

PLANNED = 2 * 4
"""Tasks × group of the configuration. Each task of `episodes` has three episodes: one of four is missing."""
SETTINGS = (
    *("game.team=true", "tasks=2", "group=4", "tokens_per_row=60"),
    *("advantage.std=sample", "advantage.zero_variance_groups=keep"),
    *(
        "selection.failures=wideseek_r1",
        "selection.loss_denominator=constant",
        "selection.kl_denominator=turns",
    ),
    *("loss.clip_low=0.2", "loss.clip_high=0.28", "loss.dual_clip=2.0", "loss.kl=0.5", "loss.kl_clip=1.5"),
    *("loss.recompute_logprobs=false", "loss.importance_sampling=none", "loss.early_stop_imp_ratio=3.0"),
)
"""The official settings, with stronger numbers where the tiny model would not reach the official ones."""


def official_gradients(
    causal: Any, reference: Any, made: list[Any], processes: int, causes: dict[str, int]
) -> list[torch.Tensor]:
    """The gradients of one step, averaged over processes, by micro-batches of one conversation each.

    `causes` counts the tokens that each rule of the loss has changed, so that a test can ask for some of each.
    """
    causal.zero_grad()
    work: list[tuple[Any, Any, float, int]] = []
    for group in ("a", "b"):
        members = [one for one in made if one.group == group]
        rewards = torch.tensor([one.reward for one in members], dtype=torch.float64)
        scores = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        for one, score in zip(members, scores.tolist(), strict=True):
            work += [(one, member, score, len(one.agents)) for member in one.agents]
    shares = [work[number::processes] for number in range(processes)]
    for share in shares:
        turns = sum(len(member.turns) for _, member, _, _ in share)
        for _, member, score, agents in share:
            folded = turns * processes / PLANNED  # the factor on the advantages
            new, engine, frozen = [], [], []
            for sequence in member.sequences:
                for turn in sequence.turns:
                    new.append(plain_logprobs(causal, sequence, turn))
                    engine.append(torch.tensor(turn.logprobs))
                    with torch.no_grad():
                        frozen.append(plain_logprobs(reference, sequence, turn))
            logprobs, old, base = torch.cat(new), torch.cat(engine), torch.cat(frozen)
            scale = (
                (1 / agents) * len(share) / turns
            )  # after folding: len(share) micro-batches of `turns` turns
            ratio = (logprobs - old).clamp(-20, 20).exp()
            if member.sequences and len(member.sequences) == 1 and ratio.mean() > 3.0:
                causes["stopped"] += len(ratio)
                continue
            advantage = torch.tensor(score * folded * scale, dtype=torch.float32)
            loss = torch.maximum(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.28))
            bounded = torch.minimum(loss, advantage.sign() * 2.0 * advantage)
            gap = base - logprobs
            divergence = gap.exp() - gap - 1
            causes["clipped"] += int(((ratio > 1.28) & (advantage > 0)).sum())
            causes["bounded"] += int((bounded < loss).sum())
            causes["kl clipped"] += int((divergence > 1.5).sum())
            total = bounded.mean() + 0.5 * (scale * divergence.clamp(max=1.5)).mean()
            (total / len(share) / processes).backward()
    return [parameter.grad.clone() for parameter in causal.parameters()]


def one_sequence_each(made: list[Any]) -> list[Any]:
    """Only episodes whose agents have one sequence each: then conversation, sequence and micro-batch are the same."""
    return [one for one in made if all(len(member.sequences) == 1 for member in one.agents)]


def step_gradients(
    tmp_path: Path, made: list[Any], *changes: str
) -> tuple[list[torch.Tensor], dict[str, float]]:
    model, reference = TokenModel(tiny_causal(0)), TokenModel(tiny_causal(1))
    for one in (model, reference):
        use_attention(one.causal, "packed")
    config = grpo(tmp_path, tmp_path, *SETTINGS, *changes)
    rewards, groups = [one.reward for one in made], [one.group for one in made]
    advantages = group_advantages(rewards, groups, [True] * len(made), config.advantage).values
    optimizer = Watched(model, lr=1e-3)
    metrics, _ = train_step(model, reference, optimizer, made, advantages, config, step=0)
    ((_, gradients),) = optimizer.seen
    return gradients, metrics


def spread_out(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    """The relative difference of two lists of gradients."""
    apart = sum(float((a - b).square().sum()) for a, b in zip(one, other, strict=True))
    return float(np.sqrt(apart / sum(float(b.square().sum()) for b in other)))


@pytest.fixture(scope="module")
def made() -> list[Any]:
    found = one_sequence_each(episodes())
    assert [one.group for one in found] == ["a", "a", "b", "b"], "two of three episodes of each task"
    # Every fourth turn is one that the engine found far less probable than the trainer.
    for number, one in enumerate(found):
        for member in one.agents:
            for turn in member.turns:
                model, shift = tiny_causal(0), 2.0 if (number + turn.turn) % 4 == 0 else 0.0
                with torch.no_grad():
                    known = plain_logprobs(model, member.sequences[0], turn)
                drawn = np.random.default_rng(number).normal(0, 0.8, turn.tokens)
                turn.logprobs[:] = (known.numpy() + drawn - shift).tolist()
    return found


@pytest.fixture(scope="module")
def wanted(made: list[Any]) -> list[torch.Tensor]:
    causes = dict.fromkeys(("stopped", "clipped", "bounded", "kl clipped"), 0)
    gradients = official_gradients(tiny_causal(0), tiny_causal(1), made, 1, causes)
    assert all(causes.values()), f"a rule is not exercised: {causes}"
    return gradients


@pytest.mark.parametrize("tokens_per_row", [1, 60, 10_000])
def test_the_step_is_the_official_one_however_it_is_packed(
    tokens_per_row: int, made: list[Any], wanted: list[torch.Tensor], tmp_path: Path
) -> None:
    found, metrics = step_gradients(tmp_path, made, f"tokens_per_row={tokens_per_row}")
    assert spread_out(found, wanted) < 1e-4
    assert 0 < metrics["early_stopped_share"] < 0.9


def test_the_official_computation_does_not_depend_on_the_number_of_processes(
    made: list[Any], wanted: list[torch.Tensor]
) -> None:
    """Its policy term. The KL term depends on the turns of each process, so both processes get the same number."""
    causes = dict.fromkeys(("stopped", "clipped", "bounded", "kl clipped"), 0)
    work = [member for one in made for member in one.agents]
    turns = [sum(len(member.turns) for member in work[number::2]) for number in range(2)]
    assert turns[0] == turns[1]
    by_two = official_gradients(tiny_causal(0), tiny_causal(1), made, 2, causes)
    assert spread_out(by_two, wanted) < 1e-5


@pytest.mark.parametrize(
    "change",
    [
        "advantage.std=population",
        "selection.loss_denominator=trained",
        "selection.kl_denominator=rollouts",
        "loss.clip_high=0.9",
        "loss.clip_low=0.9",
        "loss.dual_clip=none",
        "loss.kl_clip=none",
        "loss.recompute_logprobs=true",
        "loss.early_stop_imp_ratio=none",
        "group=3",
    ],
)
def test_every_setting_changes_the_step(
    change: str, made: list[Any], wanted: list[torch.Tensor], tmp_path: Path
) -> None:
    found, _ = step_gradients(tmp_path, made, change)
    assert spread_out(found, wanted) > 3e-3


def test_what_is_left_out_does_not_make_the_rest_count_more(made: list[Any], tmp_path: Path) -> None:
    """Without one of the tasks, the other has the gradient that it has together with it."""
    both, _ = step_gradients(tmp_path, made, "loss.kl=0")
    parts = [
        step_gradients(tmp_path, [one for one in made if one.group == name], "loss.kl=0")[0] for name in "ab"
    ]
    assert spread_out([a + b for a, b in zip(*parts, strict=True)], both) < 1e-5
    trained = "selection.loss_denominator=trained"
    other, _ = step_gradients(tmp_path, made, "loss.kl=0", trained)
    apart = [
        step_gradients(tmp_path, [one for one in made if one.group == name], "loss.kl=0", trained)[0]
        for name in "ab"
    ]
    assert spread_out([a + b for a, b in zip(*apart, strict=True)], other) > 0.5


@pytest.mark.parametrize("processes", [2, 3])
def test_the_rows_of_all_processes_together_are_the_rows_of_one(
    processes: int,
    made: list[Any],
    wanted: list[torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each process computes its rows alone. The sum of their gradients is that of one process."""
    from wideseek_baselines.train import distributed
    from wideseek_baselines.train.model import model as model_module

    total: list[torch.Tensor] | None = None
    for rank in range(processes):

        def rows(samples: Any, tokens: int, rank: int = rank) -> Any:
            if "reference" not in samples[0].columns:
                return rows_of(
                    samples, tokens
                )  # the reference model's pass, whose results processes exchange
            with monkeypatch.context() as patch:
                patch.setattr(distributed, "size", lambda: processes)
                patch.setattr(distributed, "rank", lambda: rank)
                return rows_of(samples, tokens)

        monkeypatch.setattr(model_module, "rows_of", rows)
        found, _ = step_gradients(tmp_path, copy.deepcopy(made))
        total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
    assert total is not None
    assert spread_out(total, wanted) < 1e-4
