"""Runs of multi-agent GRPO on a toy game with a real engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_game import Letters, toy_config, toy_game, toy_tasks
from training_parts import saved_model

from wideseek_baselines.train.data.samples import rollout_samples
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.grpo import GrpoConfig, draw, run_grpo
from wideseek_baselines.train.model.forward import logprobs_of
from wideseek_baselines.train.model.model import load_model
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.rollouts.manager import RolloutError, RolloutManager
from wideseek_baselines.train.rollouts.metrics import rollout_metrics
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.scoring import TableScore
from wideseek_env.tasks.jsonl import save_tasks


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def grpo(model: Path, out: Path, *overrides: str) -> GrpoConfig:
    config = toy_config(GrpoConfig, model, out, *overrides)
    assert isinstance(config, GrpoConfig)
    return config


def test_three_steps_of_a_run(model_folder: Path, tmp_path: Path) -> None:
    told: list[Mapping[str, Any]] = []
    config = grpo(model_folder, tmp_path / "run", "checkpoint.every=2")
    result = run_grpo(config, game=toy_game(), on_step=told.append)
    records = read_log(tmp_path / "run" / "metrics.jsonl")
    assert [record["step"] for record in records] == [1, 2, 3] == [values["step"] for values in told]
    wanted = {
        *("reward", "item_f1", "failed_share", "subagents", "episode_tokens", "turn_tokens", "stale_share"),
        *(
            "groups",
            "zero_variance_groups",
            "failed_episodes",
            "entropy",
            "clip_share",
            "ratio_max",
            "mismatch",
        ),
        *("mismatch_max", "mismatch_masked_share", "kl_reference", "gradient_norm", "lr", "dropped_turns"),
        *(
            "optimizer_steps",
            "rollout_seconds",
            "train_seconds",
            "update_seconds",
            "trained_tokens",
            "skipped",
        ),
        "generated_tokens_per_second",
    }
    for record in records:
        assert wanted <= set(record)
        assert record["groups"] == 2
        assert record["stale_share"] == 0, "tokens of a step are those of the policy before it"
        assert record["mismatch_max"] < 1e-4, "the engine does not have the trainer's weights"
    assert [record["kl_reference"] > 1e-6 for record in records] == [False, True, True]
    assert result.steps == 3
    assert result.tokens == sum(record["trained_tokens"] for record in records)
    before, after = (
        load_model(config.model),
        load_model(dataclasses.replace(config.model, path=str(result.model))),
    )
    assert not torch.equal(before.causal.lm_head.weight, after.causal.lm_head.weight)


def test_engines_get_the_trainers_weights_and_say_their_version(model_folder: Path, tmp_path: Path) -> None:
    config = grpo(model_folder, tmp_path / "run")
    model = load_model(config.model)
    with RolloutManager(config, toy_game()) as manager:
        jobs = TaskSampler(manager.tasks, 0).jobs(0, 2, 2)
        old, _ = manager.run(jobs)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
        manager.update(model, 3)
        new, _ = manager.run(jobs)
    assert {turn.versions[0][0] for one in old for turn in one.agents[0].turns} == {0}
    assert {turn.versions for one in new for turn in one.agents[0].turns} == {((3, 6),)}
    assert [one.trial for one in new] == [job.trial for job in jobs], "rollouts are in the order of the jobs"
    assert rollout_metrics(new, 3)["stale_share"] == 0
    assert rollout_metrics(old, 3)["stale_share"] == 1
    samples = rollout_samples(new, np.zeros(len(new)), config.selection)
    for example, found in zip(samples.samples, logprobs_of(model, samples.samples, 999), strict=True):
        np.testing.assert_allclose(example.columns["engine"], found, atol=1e-4)


def test_it_learns(model_folder: Path, tmp_path: Path) -> None:
    rewards: list[float] = []
    config = grpo(
        model_folder, tmp_path / "run", "steps=22", "optim.lr=2e-2", "loss.kl=0", "checkpoint.every=0"
    )
    run_grpo(config, game=toy_game(), on_step=lambda values: rewards.append(values["reward"]))
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4]) + 0.12


class Killed(Exception):
    """Stands for whatever ends a process."""


def test_a_broken_run_goes_on_to_the_same_result(model_folder: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held-out.jsonl"
    save_tasks([dataclasses.replace(task, id=f"new-{task.id}") for task in toy_tasks(2)], held_out)
    options = (
        *("steps=5", "checkpoint.every=2", "mini_batch=1", "collapse.window=2", "evaluation.every=2"),
        *(f"evaluation.source={held_out}", "evaluation.temperature=0"),
    )
    whole = grpo(model_folder, tmp_path / "whole", *options)
    run_grpo(whole, game=toy_game(3))

    def kill(values: Mapping[str, Any]) -> None:
        if values["step"] == 4:
            raise Killed

    broken = grpo(model_folder, tmp_path / "broken", *options)
    with pytest.raises(Killed):
        run_grpo(broken, game=toy_game(3), on_step=kill)
    seen: list[int] = []
    again = run_grpo(broken, game=toy_game(3), on_step=lambda values: seen.append(values["step"]))
    assert seen[0] == 3, "steps 1 and 2 are not done again"
    for name in ("model/model.safetensors", "checkpoints/step-00000005/weights.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    logs = [[timeless(record) for record in read_log(Path(c.out) / "metrics.jsonl")] for c in (whole, broken)]
    assert logs[0] == logs[1]
    evaluated = [record["step"] for record in logs[0] if "eval_item_f1" in record]
    assert evaluated == [0, 2, 4, 5]
    assert run_grpo(broken, game=toy_game(3)) == again, "a run that is done is not done again"
    with pytest.raises(ConfigError, match=r"other data or settings: seed was 0 and is now 1\. Set"):
        run_grpo(dataclasses.replace(broken, seed=1), game=toy_game(3))
    with pytest.raises(ConfigError, match="other data or settings: the tasks or episodes are others"):
        run_grpo(broken, game=toy_game(4))
    with pytest.raises(ConfigError, match="has a run already"):
        run_grpo(dataclasses.replace(broken, resume=False), game=toy_game(3))


def timeless(record: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a clock says."""
    return {name: value for name, value in record.items() if "second" not in name}


def test_groups_that_teach_nothing_are_counted_and_replaced(model_folder: Path, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Some(Letters):
        """Pays only for two of the tasks."""

        def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
            paid = super().__call__(episode, score)
            return paid if episode.task.id in ("toy-2", "toy-3") else {"letters": 0.0}

    game = {**toy_game(4), "reward": Some()}
    told: list[Mapping[str, Any]] = []
    config = grpo(model_folder, tmp_path / "run", "steps=1", "tasks=4", "checkpoint.every=0")
    run_grpo(config, game=game, on_step=told.append)
    assert (told[0]["groups"], told[0]["zero_variance_groups"]) == (2, 2)

    drawn = paid = 0
    for _ in range(3):  # as many again as were missing
        following = [TaskSampler(toy_tasks(4), 0)[at].id for at in range(drawn, drawn + 4 - paid)]
        drawn += len(following)
        paid += sum(name in ("toy-2", "toy-3") for name in following)
    config = dataclasses.replace(config, max_draws=3)
    with RolloutManager(config, game) as manager:
        batch, position = draw(manager, TaskSampler(manager.tasks, 0), 0, config)
    assert position == drawn > 4
    assert (batch.advantages.groups, batch.advantages.zero_variance) == (paid, drawn - paid)
    assert len(batch.rollouts) == config.group * drawn


def test_a_step_without_anything_to_learn_changes_nothing(model_folder: Path, tmp_path: Path) -> None:
    told: list[Mapping[str, Any]] = []
    config = grpo(model_folder, tmp_path / "run", "steps=2")
    result = run_grpo(config, game={**toy_game(), "reward": Letters(wanted="")}, on_step=told.append)
    assert [(v["groups"], v["zero_variance_groups"], v["optimizer_steps"]) for v in told] == [
        (0, 2, 0),
        (0, 2, 0),
    ]
    before = load_model(config.model).causal.state_dict()
    after = load_model(dataclasses.replace(config.model, path=str(result.model))).causal.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_whose_episodes_all_fail_ends(model_folder: Path, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Broken(Letters):
        def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
            raise RuntimeError("the judge is out")

    with pytest.raises(RolloutError, match=r"none of 8 episodes could be played.*the judge is out"):
        run_grpo(grpo(model_folder, tmp_path / "run"), game={**toy_game(), "reward": Broken()})


def test_held_out_tasks_must_be_others(model_folder: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    save_tasks(toy_tasks(3), tasks)
    config = grpo(model_folder, tmp_path / "run", "evaluation.every=1", f"evaluation.source={tasks}")
    with pytest.raises(ConfigError, match="among those that are trained on"):
        run_grpo(config, game=toy_game(3))
    config = grpo(model_folder, tmp_path / "run", "evaluation.every=1")
    with pytest.raises(ConfigError, match=r"name one with evaluation\.source"):
        run_grpo(config, game=toy_game(3))
