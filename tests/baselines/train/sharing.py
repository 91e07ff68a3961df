"""What the tests of several processes do in one process and in two: ``torchrun … sharing.py FOLDER`` does all of it.

Every scenario returns numbers and whole tensors, which must not depend on how many processes trained.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from test_train_grpo_step import episodes as team_episodes
from toy_game import toy_config, toy_game
from training_parts import examples, tiny_causal

from wideseek_baselines.train import distributed, grpo, ppo, sft
from wideseek_baselines.train.config.options import LoraOptions, OptimOptions
from wideseek_baselines.train.data.packing import rows_of
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.export import state_dict_for_engine
from wideseek_baselines.train.model.forward import reference_model
from wideseek_baselines.train.model.lora import add_adapters
from wideseek_baselines.train.model.model import TokenModel, layers_of
from wideseek_baselines.train.model.role_models import load_policy
from wideseek_baselines.train.model.sharding import gather, sharded
from wideseek_baselines.train.objective.losses import supervised_loss
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.rollouts.manager import RolloutManager
from wideseek_env.errors import ConfigError

LENGTHS = (40, 33, 5, 61, 17, 8, 29)
OPTIM = OptimOptions(lr=3e-3, eps=1e-2, max_norm=0.5, weight_decay=0.1)
"""A large `eps` keeps Adam's first steps in proportion to the gradients, as a comparison of gradients needs."""


def policy(
    seed: int, *, dtype: torch.dtype = torch.float32, lora: LoraOptions | None = None, recompute: bool = False
) -> TokenModel:
    causal = tiny_causal(seed, dtype=dtype)
    if lora is not None:
        add_adapters(causal, lora)
    use_attention(causal, "packed")
    if recompute:
        causal.gradient_checkpointing_enable({"use_reentrant": False})
    return sharded(TokenModel(causal, chunk=16), layers_of(causal))


def optimizer_of(module: torch.nn.Module) -> Optimizer:
    return Optimizer(module.named_parameters(), OPTIM)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Whole tensors on the first process."""
    return gather({name: tensor.detach().clone() for name, tensor in module.state_dict().items()})


def supervised(folder: Path) -> dict[str, Any]:
    """Steps on batches of many rows, of one sequence (a process has nothing), and of three over two passes."""
    model = policy(0)
    optimizer = optimizer_of(model)
    made = examples(LENGTHS)
    told = [sft.train_step(model, optimizer, batch, 64) for batch in (made, made[:1], made[1:4], made[2:])]
    return {
        "held_out": sft.held_out_loss(model, made, 64),
        "loss": [values["loss"] for values in told],
        "norm": [values["gradient_norm"] for values in told],
        "weights": weights(model),
    }


def bfloat16(folder: Path) -> dict[str, Any]:
    model = policy(0, dtype=torch.bfloat16)
    optimizer = optimizer_of(model)
    made = examples(LENGTHS)
    told = [sft.train_step(model, optimizer, made, 64) for _ in range(2)]
    masters = gather(optimizer.state_dict()["masters"])
    rounded = weights(model)
    if distributed.is_main():
        assert all(torch.equal(rounded[name], master.bfloat16()) for name, master in masters.items())
        assert any((rounded[name].float() != master).any() for name, master in masters.items())
    return {"loss": [values["loss"] for values in told], "weights": masters}


def adapters(folder: Path) -> dict[str, Any]:
    """GRPO on adapters, whose reference is the model without them."""
    model = policy(0, lora=LoraOptions(rank=4, alpha=16))
    config = toy_config(grpo.GrpoConfig, folder, folder, "game.team=true", "loss.kl=0.5", "tokens_per_row=30")
    optimizer = optimizer_of(model)
    made = team_episodes()
    figures = []
    for step in range(2):
        reference = reference_model(config.model, model)
        figures.append(grpo.train_step(model, reference, optimizer, made, [1, -1, 0.5] * 2, config, step)[0])
    whole = {name: tensor.clone() for name, tensor in state_dict_for_engine(model.causal)}
    return {"figures": figures, "weights": whole, "kept": sorted(weights(model))}


def group_relative(folder: Path) -> dict[str, Any]:
    """Mini-batches of one task, each trained on twice, with a reference."""
    model, reference = policy(0, recompute=True), policy(1)
    reference.requires_grad_(False)
    config = toy_config(
        grpo.GrpoConfig,
        folder,
        folder,
        *("game.team=true", "mini_batch=1", "epochs=2", "loss.kl=0.05", "tokens_per_row=30"),
    )
    optimizer = optimizer_of(model)
    figures, tokens = grpo.train_step(
        model, reference, optimizer, team_episodes(), [1, -1, 0.5] * 2, config, 0
    )
    return {"figures": figures, "tokens": tokens, "weights": weights(model)}


def published(folder: Path) -> dict[str, Any]:
    """Settings of WideSeek-R1: a constant denominator, sequences that are left out, the engine as old policy."""
    model, reference = policy(0), policy(1)
    reference.requires_grad_(False)
    config = toy_config(
        grpo.GrpoConfig,
        folder,
        folder,
        *("game.team=true", "group=4", "tasks=2", "loss.kl=0.05", "loss.kl_clip=1", "loss.dual_clip=3"),
        *("loss.recompute_logprobs=false", "loss.importance_sampling=none", "loss.early_stop_imp_ratio=2"),
        *("selection.loss_denominator=constant", "selection.kl_denominator=turns", "tokens_per_row=30"),
    )
    optimizer = optimizer_of(model)
    made = team_episodes()
    told = [
        grpo.train_step(model, reference, optimizer, made, [1, -1, 0.5] * 2, config, n)[0] for n in (0, 1)
    ]
    return {"figures": told, "weights": weights(model)}


def with_critic(
    folder: Path, *settings: str, recompute: bool = False, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    config = toy_config(
        ppo.PpoConfig,
        folder,
        folder,
        *("game.team=true", "epochs=2", "tokens_per_row=40", "kl.coefficient=0.1", "mini_batch=1", *settings),
    )
    model, reference = policy(0, recompute=recompute, dtype=dtype), policy(1, dtype=dtype)
    reference.requires_grad_(False)
    critic: ValueHead | Critic
    if config.value.critic == "shared":
        critic = sharded(ValueHead(32, detach=config.value.detach))
    else:
        causal = tiny_causal(2, dtype=dtype)
        use_attention(causal, "packed")
        critic = sharded(Critic(causal), layers_of(causal))
    optimizers = {"policy": optimizer_of(model), "critic": optimizer_of(critic)}
    figures = []
    for step in range(2):
        batches = ppo.prepare(model, reference, critic, team_episodes(), config, 0.1, step)
        figures.append(ppo.train_step(model, critic, optimizers, batches, config, step))
    return {"figures": figures, "policy": weights(model), "critic": weights(critic)}


def shared_critic(folder: Path) -> dict[str, Any]:
    return with_critic(folder, "value.detach=false")


def detached_critic(folder: Path) -> dict[str, Any]:
    return with_critic(folder, "value.warmup_steps=1", "value.epochs=3")


def separate_critic(folder: Path) -> dict[str, Any]:
    return with_critic(
        folder,
        "value.critic=separate",
        "value.view=team",
        "value.epochs=2",
        "value.context=20",
        recompute=True,
    )


def bfloat16_critic(folder: Path) -> dict[str, Any]:
    """Its value head is float32, and everything else is bfloat16."""
    settings = ("value.critic=separate", "value.view=team", "value.epochs=2")  # more would add up rounding
    return with_critic(folder, *settings, dtype=torch.bfloat16)


def mixed_types(folder: Path) -> dict[str, Any]:
    """A bfloat16 model with float32 parts, and a layer whose own tensors differ."""
    causal = tiny_causal(0, dtype=torch.bfloat16)
    for layer in layers_of(causal):
        layer.mlp.float()
    causal.model.norm.float()
    use_attention(causal, "packed")
    for layer in layers_of(causal):
        layer.mlp.register_forward_pre_hook(lambda module, given: (given[0].float(),))
        layer.mlp.register_forward_hook(lambda module, given, result: result.bfloat16())
    causal.model.norm.register_forward_hook(lambda module, given, result: result.bfloat16())
    model = sharded(TokenModel(causal, chunk=16), layers_of(causal))
    told = [sft.train_step(model, optimizer_of(model), examples(LENGTHS), 64)["loss"]]
    odd = torch.nn.Sequential(torch.nn.Linear(4, 4, dtype=torch.bfloat16), torch.nn.Linear(4, 4))
    odd[1].bias = torch.nn.Parameter(torch.zeros(4, dtype=torch.bfloat16))
    refused = ""
    try:
        sharded(odd)
    except ConfigError as error:
        refused = str(error)
    return {"loss": told, "types": sorted({str(one.dtype) for one in model.parameters()}), "refused": refused}


def first_half(folder: Path, name: str) -> dict[str, Any]:
    """Two steps, and a checkpoint."""
    model = policy(0)
    optimizer = optimizer_of(model)
    for _ in range(2):
        sft.train_step(model, optimizer, examples(LENGTHS), 64)
    checkpoint.save(folder / name, 2, model, {"policy": optimizer.state_dict()}, {"at": 2})
    return {"weights": weights(model)}


def second_half(folder: Path, name: str) -> dict[str, Any]:
    """Two steps more, from the checkpoint."""
    model = policy(5)
    optimizer = optimizer_of(model)
    found = checkpoint.load_latest(folder / name)
    assert found is not None
    found.restore(model)
    optimizer.load_state_dict(found.optimizer["policy"])
    for _ in range(2):
        told = sft.train_step(model, optimizer, examples(LENGTHS), 64)
    return {"loss": told["loss"], "weights": weights(model)}


def written(folder: Path) -> dict[str, Any]:
    return first_half(folder, f"by-{distributed.size()}")


def continued(folder: Path) -> dict[str, Any]:
    """What one process wrote."""
    return second_half(folder, "by-1")


def broken(folder: Path) -> dict[str, Any]:
    """A gradient that is not finite on the last process alone, and then a good one."""
    model = policy(0)
    optimizer = optimizer_of(model)
    before = weights(model)
    done = []
    for factor in (math.nan, 1.0):
        for row in rows_of(examples(LENGTHS), 64):
            logprobs = model(row).logprobs
            loss = supervised_loss(logprobs, torch.full_like(logprobs, 0.01)).value
            bad = distributed.rank() == distributed.size() - 1
            (loss * (factor if bad else 1.0)).backward()
        done.append(optimizer.step().done)
        if factor != 1.0:
            after = weights(model)
            if distributed.is_main():
                assert all(torch.equal(before[name], after[name]) for name in before)
    assert distributed.gathered((done, optimizer.skipped)) == [([False, True], 1)] * distributed.size()
    return {"weights": weights(model)}


def played(folder: Path) -> dict[str, Any]:
    """Episodes with new weights, and two steps of a whole run with evaluation, checkpoint and export."""
    config = toy_config(
        grpo.GrpoConfig,
        folder / "model",
        folder / f"run-{distributed.size()}",
        *("steps=2", "tasks=3", "optim.eps=1e-2", "checkpoint.every=1", "tokens_per_row=200"),
    )
    model = load_policy(config)
    with RolloutManager(config, toy_game(5)) as manager:
        jobs = TaskSampler(manager.tasks, 0).jobs(0, 3, 2)
        with torch.no_grad():
            for parameter in model.causal.parameters():
                parameter.mul_(1.5)
        manager.start()
        manager.update(model, 3)
        rollouts, errors = manager.run(jobs)
    assert not errors
    assert [(one.task_id, one.trial) for one in rollouts] == [(job.task.id, job.trial) for job in jobs]
    told: list[Any] = []
    result = grpo.run_grpo(config, game=toy_game(5), on_step=told.append)
    assert len(told) == (2 if distributed.is_main() else 0), "only the first process reports"
    return {
        "ids": [agent.sequences[0].ids for one in rollouts for agent in one.agents],
        "versions": [turn.versions for one in rollouts for agent in one.agents for turn in agent.turns],
        "result": dataclasses.replace(result, model=Path()),
        "rewards": [values["reward"] for values in told],
        "kl": [values["kl_reference"] for values in told],
    }


SCENARIOS: tuple[Callable[[Path], dict[str, Any]], ...] = (
    supervised,
    detached_critic,
    bfloat16,
    adapters,
    group_relative,
    published,
    shared_critic,
    separate_critic,
    bfloat16_critic,
    mixed_types,
    written,
    continued,
    broken,
    played,
)


def main(folder: Path) -> None:
    """All scenarios; the first process writes down what came of each."""
    torch.set_num_threads(1)
    with distributed.processes("cpu"):
        assert distributed.size() == 2
        for scenario in SCENARIOS:
            try:
                came = scenario(folder)
            except Exception:
                came = {"error": traceback.format_exc()}
            if distributed.is_main() or "error" in came:
                torch.save(came, folder / f"{scenario.__name__}-{distributed.rank()}.pt")
            if "error" in came:
                raise SystemExit(came["error"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
