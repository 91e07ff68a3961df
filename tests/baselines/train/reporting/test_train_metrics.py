"""The metrics of a run: values computed by hand, and documentation for every name."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from toy_game import toy_config, toy_game
from training_parts import agent, examples, rollout, saved_model, tiny_causal

from wideseek_baselines.train.config.options import (
    AdvantageOptions,
    ModelOptions,
    PolicyLossOptions,
    ValueOptions,
)
from wideseek_baselines.train.critic_steps import CriticBatch
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.model.critic import Critic, ValueHead
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.objective.advantages import Advantages, group_advantages
from wideseek_baselines.train.objective.role_metrics import role_metrics
from wideseek_baselines.train.ppo import KlOptions, PpoConfig, Prepared, run_ppo, work_of_step
from wideseek_baselines.train.reporting.console import print_step
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.reporting.throughput import model_flops, throughput_metrics, work_metrics
from wideseek_baselines.train.reporting.untrained import untrained_groups, untrained_turns
from wideseek_baselines.train.rollouts.metrics import rollout_metrics

SCORE = {"item_f1": 0.5, "success": 0.0}
PAGE = Path(__file__).resolve().parents[4] / "docs" / "training.md"


def test_rewards_lengths_and_times_by_hand() -> None:
    team = [
        agent("lead", [4, 6], queued=1.0, generating=2.0, tools=4.0),
        agent("subagent", [10], name="a", ending="out_of_turns", finish_reason="length"),
        agent("subagent", [30], name="b"),
    ]
    rollouts = [
        rollout(team, group="x", reward=1.0, parts={"item_f1": 0.75, "bonus": 0.25}, score=SCORE),
        rollout([agent("lead", [2])], group="x", reward=0.0, parts={"item_f1": 0.0}, score=SCORE),
        rollout([agent("lead", [2])], group="y", reward=0.5, parts={"item_f1": 0.5}, score=SCORE),
    ]
    found = rollout_metrics(rollouts, 0)
    expected = {
        "reward_std": np.std([1.0, 0.0, 0.5]),
        "reward_min": 0.0,
        "reward_max": 1.0,
        "reward_std_in_groups": (0.5 + 0.0) / 2,
        "reward_part_item_f1": 1.25 / 3,
        "reward_part_bonus": 0.25 / 3,
        "queue_seconds": 1 / 6,
        "generation_seconds": 2 / 6,
        "tool_seconds": 4 / 6,
        "lead_turns": 4 / 3,
        "lead_tokens": 14 / 3,
        "lead_turn_tokens_p50": 3.0,
        "lead_turn_tokens_p90": np.percentile([4, 6, 2, 2], 90),
        "lead_cut_share": 0.0,
        "lead_ran_out_share": 0.0,
        "subagent_turns": 1.0,
        "subagent_tokens": 20.0,
        "subagent_turn_tokens_p50": 20.0,
        "subagent_cut_share": 0.5,
        "subagent_ran_out_share": 0.5,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert not any(name.startswith("single_") for name in found), "a role that did not play has no metrics"


def test_entropy_and_divergence_of_each_role() -> None:
    roles = torch.tensor([0.0, 0.0, 1.0])
    logprobs, reference = torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-1.0, -1.0, -3.5])
    found = role_metrics(roles, logprobs, torch.tensor([1.0, 2.0, 5.0]), reference).result()
    assert found["lead_entropy"] == 1.5
    assert found["subagent_entropy"] == 5.0
    assert found["lead_kl"] == pytest.approx((np.e - 2) / 2)
    assert found["subagent_kl"] == pytest.approx(np.exp(-0.5) + 0.5 - 1)
    assert "single_entropy" not in found
    assert not role_metrics(roles, logprobs, None, None).result()


@pytest.mark.parametrize("tied", [True, False])
def test_model_flops_of_the_matrix_products(tied: bool) -> None:
    """By hand. torch's `FlopCounterMode` counts the same, but for attention, which it leaves out on a CPU."""
    model, samples = TokenModel(tiny_causal(tied=tied)), examples([40, 64])
    queries_and_output, keys_and_values, forward = 2 * 32 * 64, 2 * 32 * 32, 3 * 32 * 64
    body = 2 * (queries_and_output + keys_and_values + forward)  # two layers
    trained = sum(len(sample.places) for sample in samples)
    attention = (
        2 * 2 * 2 * 64 * (40**2 + 64**2) // 2
    )  # layers, multiply and add, two products of width 64, causal
    expected = 2 * (body * 104 + 97 * 32 * trained) + attention
    assert model_flops(model, samples, 0, 1) == expected
    assert model_flops(model, samples, 2, 0) == 6 * expected, "backward takes twice as many as forward"
    assert model_flops(model, samples, 1, 1) == 4 * expected


@pytest.mark.parametrize("kind", ["shared", "separate", "joint"])
@pytest.mark.parametrize("kl", [0.0, 0.1])
@pytest.mark.parametrize("step", [0, 1], ids=["warm-up", "trained"])
def test_all_passes_of_ppo_count(kind: str, kl: float, step: int) -> None:
    model = TokenModel(tiny_causal())
    value = ValueOptions(
        critic="shared" if kind == "joint" else kind,  # type: ignore[arg-type]
        detach=kind != "joint",
        epochs=3,
        warmup_steps=1,
    )
    options = PpoConfig("o", ModelOptions("m"), steps=2, epochs=2, kl=KlOptions(kl), value=value)
    critic = Critic(tiny_causal()) if kind == "separate" else ValueHead(64)
    samples = examples([40, 64])
    if kl:
        samples = [each.with_columns(reference=np.zeros(len(each.places), np.float32)) for each in samples]
    longer = examples([100, 90])  # what the critic reads
    batches = [Prepared(samples, CriticBatch(longer), 0.0)]
    found = work_of_step(model, critic, batches, options, warm=step > 0)
    updates = 2 if step else 0
    tokens, flops = updates * 104, model_flops(model, samples, updates, 1 + bool(kl))
    if isinstance(critic, Critic):
        body = sum(part.numel() for part in critic.trunk.parameters() if part.ndim > 1) - 97 * 32
        attention = 2 * 2 * 2 * 64 * (100**2 + 90**2) // 2
        tokens += 3 * 190
        flops += (1 + 3 * 3) * (2 * body * 190 + attention)
    assert found == {"processed_tokens": tokens, "model_flops": flops}
    shown = throughput_metrics(found, 2.0, torch.device("cpu"))
    assert shown["model_tflops_per_second"] > 0, "also in the warm-up"


def test_utilisation_and_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_metrics(TokenModel(tiny_causal()), examples([40]), updates=3)
    on_cpu = throughput_metrics({**work, "loss": 1.0}, 2.0, torch.device("cpu"))
    assert set(on_cpu) == {"loss", "train_tokens_per_second", "model_tflops_per_second"}
    assert on_cpu["train_tokens_per_second"] == 60
    assert on_cpu["model_tflops_per_second"] == work["model_flops"] / 2e12
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (30 * 10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 20 * 10**9)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    for name, peak in (("NVIDIA H100 80GB HBM3", 989.0), ("NVIDIA H100 PCIe", 756.0), ("Other", None)):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, name=name: name)
        found = throughput_metrics(work, 2.0, cuda)
        assert (found["gpu_memory_peak_gb"], found["gpu_memory_used_gb"]) == (20.0, 50.0)
        share = None if peak is None else found["model_tflops_per_second"] / peak
        assert found.get("mfu") == share
    assert "train_tokens_per_second" not in throughput_metrics({}, 2.0, cuda), "a step that trained nothing"


def compare(
    rewards: list[float], trainable: list[bool] | None = None, **options: Any
) -> tuple[Any, Advantages]:
    usable = trainable or [True] * len(rewards)
    rollouts = [
        rollout([agent("lead", [2])], group=str(number // 2), reward=reward, trainable=use)
        for number, (reward, use) in enumerate(zip(rewards, usable, strict=True))
    ]
    found = group_advantages(rewards, [each.group for each in rollouts], usable, AdvantageOptions(**options))
    return rollouts, found


@pytest.mark.parametrize(
    ("rewards", "trainable", "zero_variance_groups", "steps", "says"),
    [
        (
            [0.0, 0.0, 0.0, 0.0],
            None,
            "drop",
            0,
            "each of the 2 groups are equal (0), so this step trained nothing",
        ),
        ([0.0, 0.0, 0.5, 0.5], None, "drop", 0, "each of the 2 groups are equal (0 to 0.5), so this step"),
        ([0.0, 0.0, 0.5, 0.5], None, "keep", 1, "so this step trained nothing"),
        ([0.0, 0.0, 0.5, 0.1], [True, True, False, False], "drop", 0, "each of the 1 groups are equal (0)"),
        ([0.0, 1.0, 0.5, 0.1], [False] * 4, "drop", 0, "none of its 4 episodes is trainable"),
        ([0.0, 1.0, 0.5, 0.1], None, "drop", 0, "selection.failures leave no turn of its 4 episodes"),
        ([0.0, 1.0, 0.5, 0.5], None, "drop", 1, ""),
        ([0.0, 1.0, 0.5, 0.1], None, "drop", 1, ""),
    ],
)
def test_a_step_that_trained_nothing_says_why(
    rewards: list[float], trainable: list[bool] | None, zero_variance_groups: str, steps: int, says: str
) -> None:
    rollouts, found = compare(rewards, trainable, zero_variance_groups=zero_variance_groups)
    options = AdvantageOptions(zero_variance_groups=zero_variance_groups)  # type: ignore[arg-type]
    loss = PolicyLossOptions(kl=0.0, entropy=0.0)
    told = untrained_groups(rollouts, found, options, loss, {"optimizer_steps": steps})
    assert len(told) == bool(says)
    assert says in "".join(told)
    assert untrained_turns(rollouts, {"optimizer_steps": 1}) == []


@pytest.mark.parametrize(
    ("kl", "entropy", "kept", "steps", "says"),
    [
        (0.1, 0.1, "keep", 1, "so only the KL and entropy terms trained: "),
        (0.1, 0.0, "keep", 1, "so only the KL term trained: "),
        (0.0, 0.1, "keep", 1, "so only the entropy term trained: "),
        (0.0, 0.0, "keep", 1, "so this step trained nothing: "),
        (0.1, 0.1, "keep", 0, "so this step trained nothing: "),  # no turn is left
        (0.1, 0.1, "drop", 0, "so this step trained nothing: "),
        (0.0, 0.0, "drop", 0, "so this step trained nothing: "),
    ],
)
def test_which_terms_train_groups_with_equal_rewards(
    kl: float, entropy: float, kept: str, steps: int, says: str
) -> None:
    rollouts, found = compare([0.5, 0.5, 0.0, 0.0], None, zero_variance_groups=kept)
    options = AdvantageOptions(zero_variance_groups=kept)  # type: ignore[arg-type]
    loss = PolicyLossOptions(kl=kl, entropy=entropy)
    (told,) = untrained_groups(rollouts, found, options, loss, {"optimizer_steps": steps})
    assert says in told
    assert ("zero_variance_groups=drop" in told) == (kept == "keep"), "max_draws alone is refused with keep"


class NoReward:
    """Pays nothing to anybody."""

    name = "nothing"

    def __call__(self, episode: Any, score: Any) -> dict[str, float]:
        """See `Reward`."""
        return {"nothing": 0.0}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The logs of short runs of both algorithms, and what the console printed for a step that trained nothing."""
    folder = tmp_path_factory.mktemp("runs")
    model = saved_model(folder / "tiny")
    settings = ("steps=1", "checkpoint.every=0", "mini_batch=1")
    told: list[Any] = []
    run_grpo(toy_config(GrpoConfig, model, folder / "grpo", *settings), game=toy_game())
    run_ppo(toy_config(PpoConfig, model, folder / "ppo", *settings), game=toy_game())
    run_grpo(
        toy_config(GrpoConfig, model, folder / "flat", *settings),
        game={**toy_game(), "reward": NoReward()},
        on_step=told.append,
    )
    read = {name: read_log(folder / name / "metrics.jsonl")[0] for name in ("grpo", "ppo", "flat")}
    return SimpleNamespace(**read, told=told)


def test_runs_have_the_metrics_that_people_expect(logs: SimpleNamespace) -> None:
    wanted = {
        *("loss", "reward_std", "reward_part_letters", "gradient_norm", "lr", "train_tokens_per_second"),
        *("generated_tokens_per_second", "queue_seconds", "tool_seconds", "model_tflops_per_second"),
        *("single_turns", "single_entropy", "single_turn_tokens_p90", "single_ran_out_share"),
    }
    assert wanted | {"single_kl"} <= set(logs.grpo)
    assert wanted | {"value_loss", "critic_gradient_norm", "critic_lr", "explained_variance"} <= set(logs.ppo)
    for record in (logs.grpo, logs.ppo):
        assert record["single_entropy"] == pytest.approx(record["entropy"], rel=1e-5)
        assert record["critic_gradient_norm" if "value_loss" in record else "gradient_norm"] > 0
    assert logs.grpo["reward_part_letters"] == pytest.approx(logs.grpo["reward"])


def test_a_step_without_training_is_told_where_people_look(
    logs: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    (warning,) = logs.flat["warnings"]
    assert "the rewards in each of the 2 groups are equal (0), so this step trained nothing" in warning
    assert logs.flat["optimizer_steps"] == 0
    assert logs.flat["zero_variance_groups"] == 2
    print_step(logs.told[0])
    assert f"warning: {warning}" in capsys.readouterr().out


def test_every_metric_is_documented(logs: SimpleNamespace) -> None:
    section = PAGE.read_text("utf-8").split("### Metrics\n", 1)[1].split("\n## ", 1)[0]
    names = re.findall(r"`([\w@]+)`", "".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE)))
    patterns = [name.replace("ROLE", "(lead|subagent|single)").replace("PART", r"\w+") for name in names]
    for record in (logs.grpo, logs.ppo, logs.flat):
        for name in set(record) - {"step", "warnings"}:
            assert any(re.fullmatch(pattern, name) for pattern in patterns), (
                f"{name} is not in docs/training.md"
            )
