"""Episodes played ahead: one version old, none lost or repeated, and corrected for; errors and early ends."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from toy_game import Letters, toy_config, toy_game, toy_tasks
from training_parts import saved_model

from wideseek_baselines.engines.base import Generation, Request
from wideseek_baselines.engines.transformers import TransformersEngine
from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.data.samples import rollout_samples
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo, train_step
from wideseek_baselines.train.loop import Run
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.forward import logprobs_of
from wideseek_baselines.train.model.model import load_model
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.ppo import PpoConfig, run_ppo
from wideseek_baselines.train.prefetch import RolloutPrefetcher
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.rollouts.manager import RolloutError, RolloutManager
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.scoring import TableScore

RUNS = {"grpo": (GrpoConfig, run_grpo), "ppo": (PpoConfig, run_ppo)}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


@dataclass(frozen=True)
class Counted(Letters):
    """Notes whose episodes it has paid."""

    paid: list[str] = field(default_factory=list)

    def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
        self.paid.append(episode.task.id)
        return super().__call__(episode, score)


class Killed(Exception):
    """Stands for whatever ends a process."""


def timeless(record: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a clock says, and what only a run that plays ahead has."""
    return {name: value for name, value in record.items() if "second" not in name and name != "version_lag"}


def drawn(out: Path) -> int:
    """The position in the data of a run's newest checkpoint."""
    found = checkpoint.load_latest(out / "checkpoints")
    assert found is not None
    return int(found.position["drawn"])


@pytest.mark.parametrize("name", RUNS)
def test_episodes_are_one_version_old_and_every_task_is_trained_once(
    name: str, model_folder: Path, tmp_path: Path
) -> None:
    kind, run = RUNS[name]
    reward = Counted()
    config = toy_config(kind, model_folder, tmp_path / "run", "steps=4", "group=2", "max_off_policy_steps=1")
    run(config, game={**toy_game(8), "reward": reward})
    records = read_log(tmp_path / "run" / "metrics.jsonl")
    assert [record["version_lag"] for record in records] == [0, 1, 1, 1]
    assert [record["stale_share"] for record in records] == [0, 1, 1, 1]
    assert Counter(reward.paid) == {task.id: 2 for task in toy_tasks(8)}, (
        "nothing is played beyond the last step"
    )
    assert drawn(tmp_path / "run") == 8
    # The trainer has moved on since these were played, and measures that.
    assert records[0]["mismatch_max"] < 1e-4 < records[1]["mismatch_max"]
    # The first step is that of a run that plays nothing ahead, which has no figures of its own for it.
    alone = toy_config(kind, model_folder, tmp_path / "alone", "steps=1", "group=2")
    run(alone, game=toy_game(8))
    (first,) = read_log(tmp_path / "alone" / "metrics.jsonl")
    assert timeless(first) == timeless(records[0])
    assert not {"version_lag", "wait_seconds"} & set(first)


def test_old_log_probabilities_are_of_the_policy_that_is_trained_and_the_engines_of_the_one_that_played(
    model_folder: Path, tmp_path: Path
) -> None:
    config = toy_config(
        GrpoConfig, model_folder, tmp_path / "run", "max_off_policy_steps=1", "loss.is_cap=1.2"
    )
    model = load_model(config.model)
    with RolloutManager(config, toy_game()) as manager:
        rollouts, _ = manager.run(TaskSampler(manager.tasks, 0).jobs(0, 2, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    examples = rollout_samples(rollouts, np.ones(len(rollouts)), config.selection).samples
    now = np.concatenate(logprobs_of(model, examples, 4096))
    then = np.concatenate([example.columns["engine"] for example in examples])
    gaps = np.abs(now - then)
    assert gaps.mean() > 0.01
    for mini_batch in (2, 1):
        again = load_model(config.model)
        again.load_state_dict(model.state_dict())
        figures, _ = train_step(
            again,
            None,
            Optimizer(again.named_parameters(), dataclasses.replace(config.optim, lr=1e-9), 2),
            rollouts,
            np.ones(len(rollouts)),
            dataclasses.replace(config, mini_batch=mini_batch, loss=dataclasses.replace(config.loss, kl=0)),
            1,
        )
        assert figures["mismatch"] == pytest.approx(gaps.mean(), rel=1e-3)
        assert figures["mismatch_masked_share"] == pytest.approx((now - then > np.log(1.2)).mean())
        assert figures["ratio_max"] == pytest.approx(1, abs=1e-3), (
            "the ratio is not to the policy that played"
        )


def test_a_broken_run_goes_on_with_the_batch_that_was_under_way(model_folder: Path, tmp_path: Path) -> None:
    def kill(values: Mapping[str, Any]) -> None:
        if values["step"] == 4:
            raise Killed

    reward = Counted()
    game = {**toy_game(10), "reward": reward}
    config = toy_config(
        GrpoConfig,
        model_folder,
        tmp_path / "run",
        "steps=5",
        "group=2",
        "max_off_policy_steps=1",
        "checkpoint.every=2",
    )
    with pytest.raises(Killed):
        run_grpo(config, game=game, on_step=kill)
    assert drawn(tmp_path / "run") == 4, "the position is that of the steps that were trained"
    reward.paid.clear()
    seen: list[int] = []
    run_grpo(config, game=game, on_step=lambda values: seen.append(values["step"]))
    assert seen == [3, 4, 5]
    rest = [TaskSampler(toy_tasks(10), 0)[at].id for at in range(4, 10)]
    assert Counter(reward.paid) == dict.fromkeys(rest, 2)
    records = read_log(tmp_path / "run" / "metrics.jsonl")
    assert [(record["step"], record["version_lag"]) for record in records] == [
        (1, 0), (2, 1), (3, 0), (4, 1), (5, 1),
    ]  # fmt: skip
    assert drawn(tmp_path / "run") == 10


def test_it_draws_other_tasks_for_those_that_teach_nothing(model_folder: Path, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Some(Letters):
        """Pays only for two of the tasks."""

        def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
            paid = super().__call__(episode, score)
            return paid if episode.task.id in ("toy-2", "toy-3") else {"letters": 0.0}

    game = {**toy_game(4), "reward": Some()}
    position: list[int] = []
    for ahead in (0, 1):
        config = toy_config(
            GrpoConfig,
            model_folder,
            tmp_path / f"run-{ahead}",
            "max_draws=3",
            f"max_off_policy_steps={ahead}",
        )
        run_grpo(config, game=game)
        position.append(drawn(tmp_path / f"run-{ahead}"))
    assert position[0] == position[1] > 6


def test_what_fails_while_playing_ahead_ends_the_run_after_the_step(
    model_folder: Path, tmp_path: Path
) -> None:
    first = {TaskSampler(toy_tasks(8), 0)[at].id for at in range(2)}

    @dataclass(frozen=True)
    class Broken(Letters):
        """Fails beyond the first step's tasks."""

        def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
            if episode.task.id not in first:
                raise RuntimeError("the judge is out")
            return super().__call__(episode, score)

    config = toy_config(
        GrpoConfig, model_folder, tmp_path / "run", "max_off_policy_steps=1", "checkpoint.every=1"
    )
    with pytest.raises(RolloutError, match=r"none of 8 episodes could be played.*the judge is out"):
        run_grpo(config, game={**toy_game(8), "reward": Broken()})
    assert [record["step"] for record in read_log(tmp_path / "run" / "metrics.jsonl")] == [1]
    assert drawn(tmp_path / "run") == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "wideseek-prefetch"]


def test_leaving_early_ends_the_episodes_under_way(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    usual = TransformersEngine.generate

    async def generate(engine: TransformersEngine, request: Request) -> Generation:
        begun.set()
        return await usual(engine, request)

    monkeypatch.setattr(TransformersEngine, "generate", generate)
    config = toy_config(
        GrpoConfig,
        model_folder,
        tmp_path / "run",
        *("max_off_policy_steps=1", "engine.turn_tokens=7000", "engine.context=8000", "engine.retries=0"),
    )
    run = cast(Run, SimpleNamespace(step=0, state={"drawn": 0}))

    def leave(manager: RolloutManager) -> None:
        batches = iter([[], TaskSampler(manager.tasks, 0).jobs(0, 2, 4)])

        def draw(position: int) -> tuple[int, int]:
            jobs = next(batches)
            return (len(manager.run(jobs)[0]) if jobs else 0), position

        with RolloutPrefetcher(draw, manager, config, run) as prefetcher:
            assert prefetcher.take() == 0
            assert begun.wait(60), "nothing is played ahead"
            raise Killed

    with RolloutManager(config, toy_game()) as manager:
        manager.start()
        with pytest.raises(Killed):
            leave(manager)
        assert not [thread for thread in threading.enumerate() if thread.name == "wideseek-prefetch"]


def test_it_learns_from_episodes_that_are_one_version_old(model_folder: Path, tmp_path: Path) -> None:
    rewards: list[float] = []
    config = toy_config(
        GrpoConfig,
        model_folder,
        tmp_path / "run",
        *("steps=22", "optim.lr=2e-2", "loss.kl=0", "checkpoint.every=0", "max_off_policy_steps=1"),
    )
    run_grpo(config, game=toy_game(), on_step=lambda values: rewards.append(values["reward"]))
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4]) + 0.12


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["max_off_policy_steps=2"], "max_off_policy_steps must be one of 0, 1"),
        (["max_off_policy_steps=1", "engine.sleep=true"], "the engine works while a step is trained"),
        (["max_off_policy_steps=1", "loss.importance_sampling=none"], "corrects for that"),
    ],
)
def test_settings_that_do_not_fit_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(GrpoConfig, None, ["model.path=m", "out=o", *overrides])
