"""Which engine and which adapter plays each role, for all settings of `roles.weights`."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from toy_game import toy_config
from training_parts import agent, rollout, saved_model

from wideseek_baselines.agents.model import AgentModel
from wideseek_baselines.engines.transformers import TransformersEngine
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.train.config.resuming import may_change
from wideseek_baselines.train.estimate import estimate
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.ppo import PpoConfig, check_tokens
from wideseek_baselines.train.rollouts.metrics import rollout_metrics, version_lag
from wideseek_baselines.train.rollouts.role_engines import TeamPolicyMaker, role_engines
from wideseek_env.errors import ConfigError

LORA = ("model.lora.rank=4", "model.lora.alpha=16")
FROZEN_SUBAGENT = ("roles.weights=frozen", 'selection.roles=["lead"]')
FROZEN_LEAD = ("roles.weights=frozen", 'selection.roles=["subagent"]')
VLLM = ("engine.kind=vllm", "engine.sleep=true")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def config(model: Path, *settings: str) -> Any:
    return toy_config(GrpoConfig, model, model / "run", "game.team=true", *settings)


def made(model: Path, *settings: str) -> TeamPolicyMaker:
    maker = role_engines(config(model, *settings)).policy
    assert isinstance(maker, TeamPolicyMaker)
    return maker


def test_one_policy_by_name_for_shared_weights(model_folder: Path) -> None:
    found = role_engines(config(model_folder, *VLLM))
    assert (found.policy, found.options["sleep_level"], found.count, found.wakes) == ("vllm", 2, 1, False)
    assert "sleep_level" not in role_engines(config(model_folder, "engine.sleep=true")).options


@pytest.mark.parametrize(
    ("settings", "engine", "levels"),
    [
        (FROZEN_SUBAGENT, {"lead": 0, "subagent": 1}, [2, 1]),
        (FROZEN_LEAD, {"lead": 1, "subagent": 0}, [2, 1]),
        (("roles.weights=separate",), {"lead": 0, "subagent": 1}, [2, 2]),
        ((*FROZEN_SUBAGENT, "roles.frozen=other", *LORA), {"lead": 0, "subagent": 1}, [2, 1]),
    ],
)
def test_two_engines_of_vllm(
    settings: tuple[str, ...], engine: dict[str, int], levels: list[int], model_folder: Path
) -> None:
    """Level 1 keeps the weights of an engine that gets none."""
    maker = made(model_folder, *VLLM, *settings)
    assert maker.engine == engine
    assert maker.adapter == {}
    assert [each["sleep_level"] for each in maker.engines] == levels
    assert role_engines(config(model_folder, *VLLM, *settings)).wakes is (levels == [2, 1])
    frozen = "other" if "roles.frozen=other" in settings else str(model_folder)
    assert [each["model"] for each in maker.engines] == [str(model_folder), frozen]


@pytest.mark.parametrize(
    ("settings", "adapters"),
    [
        (("roles.weights=adapters",), {"lead": "lead", "subagent": "subagent"}),
        (FROZEN_SUBAGENT, {"lead": "trained"}),
        (FROZEN_LEAD, {"subagent": "trained"}),
    ],
)
def test_one_engine_of_vllm_serves_the_adapters(
    settings: tuple[str, ...], adapters: dict[str, str], model_folder: Path
) -> None:
    found = role_engines(config(model_folder, *VLLM, *settings, *LORA))
    maker = found.policy
    assert isinstance(maker, TeamPolicyMaker)
    assert (maker.engine, maker.adapter) == ({"lead": 0, "subagent": 0}, adapters)
    (options,) = maker.engines
    assert options["sleep_level"] == 1, "the engine would drop the base model, which no update brings back"
    assert set(options["adapters"]) == set(adapters.values()) == set(found.adapters)
    for each in options["adapters"].values():
        assert (each["r"], each["lora_alpha"]) == (4, 16)
    policy = pickle.loads(pickle.dumps(maker))()
    assert len(policy.engines) == 1
    labels = {role: (model.adapter, label) for role, (model, label) in policy.models.items()}
    for role in ("lead", "subagent"):
        assert labels[role] == (adapters.get(role, ""), role), "records do not tell the weights apart"


def test_two_transformers_engines_for_adapters(model_folder: Path) -> None:
    maker = made(model_folder, "roles.weights=adapters", *LORA, "engine.episode_tokens=77")
    policy = pickle.loads(pickle.dumps(maker))()
    first, second = policy.engines
    assert first is not second
    assert policy.engines_of(["lead"]) == [first]
    assert policy.engines_of(["subagent"]) == [second]
    assert policy.engines_of(["lead", "subagent"]) == [first, second]
    assert policy._episode_tokens == 77
    warm = policy.at(0.25)
    assert warm.engines == [first, second]
    assert [model.sampling(5, 0).temperature for model, _ in warm.models.values()] == [0.25] * 3
    assert policy.models["lead"][0].sampling(5, 0).temperature == 1


@pytest.mark.parametrize(
    ("share", "devices", "given"),
    [("", 1, 0.45), ("", 0, None), ("engine.memory_share=0.8", 1, 0.4), ("engine.memory_share=0.8", 0, 0.4)],
)
def test_two_engines_divide_the_memory_of_a_gpu(
    share: str, devices: int, given: float | None, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: devices)
    settings = [*VLLM, "roles.weights=separate", *([share] if share else [])]
    found = made(model_folder, *settings)._options()
    assert [each.get("gpu_memory_utilization") for each in found] == [given, given]
    (one,) = made(model_folder, *VLLM, "roles.weights=adapters", *LORA)._options()
    assert "gpu_memory_utilization" not in one


def test_an_engine_without_the_adapter_is_refused(model_folder: Path) -> None:
    model = AgentModel(TransformersEngine(model_folder))
    with pytest.raises(ConfigError, match="the engine transformers has no adapter 'lead'; it has: none"):
        model.with_adapter("lead")
    assert model.with_adapter("").adapter == ""


def test_roles_with_the_same_weights_have_no_names(model_folder: Path) -> None:
    policy = LLMPolicy(TransformersEngine(model_folder))
    assert {label for _, label in policy.models.values()} == {""}


def test_tokens_of_frozen_roles_are_never_stale() -> None:
    team = [agent("lead", [4], versions=((3, 4),)), agent("subagent", [6], versions=((0, 6),))]
    played = [rollout(team, score={"item_f1": 1.0, "success": 1.0})]
    assert rollout_metrics(played, 3, {"lead"})["stale_share"] == 0
    assert rollout_metrics(played, 3)["stale_share"] == pytest.approx(0.6)
    assert version_lag(played, 4, {"lead"}) == 1
    assert version_lag(played, 4) == pytest.approx((4 * 1 + 6 * 4) / 10)


@pytest.mark.parametrize("name", ["roles.weights", "roles.frozen"])
def test_the_weights_of_roles_cannot_change_when_a_run_resumes(name: str) -> None:
    assert not may_change(name, constant=True)


def test_the_estimate_counts_all_weights(model_folder: Path) -> None:
    shared, separate, frozen = (
        estimate(config(model_folder, *settings))
        for settings in ((), ("roles.weights=separate",), FROZEN_LEAD)
    )
    assert separate.trainer["Adam"] == 2 * shared.trainer["Adam"] == 2 * frozen.trainer["Adam"]
    assert separate.trainer["weights"] == 2 * shared.trainer["weights"]
    assert (shared.engines, separate.engines, frozen.engines) == (1, 2, 2)
    assert any(line.startswith("each of 2 engines ") for line in separate.lines())
    one, two = (
        estimate(config(model_folder, *LORA, *settings)) for settings in ((), ("roles.weights=adapters",))
    )
    assert two.trainer["Adam"] == 2 * one.trainer["Adam"]
    assert one.trainer["weights"] < two.trainer["weights"] < 1.5 * one.trainer["weights"]


def test_a_critic_of_the_joint_state_needs_one_tokenizer(model_folder: Path, tmp_path: Path) -> None:
    from tiny_chat import tiny_tokenizer

    other = copy.deepcopy(tiny_tokenizer("qwen2"))
    other.add_tokens(["<another>"])
    other.save_pretrained(tmp_path / "other")
    team = (*FROZEN_LEAD, "game.team=true", "value.critic=separate", "value.view=team")
    for frozen in (model_folder, tmp_path / "other"):
        chosen = toy_config(PpoConfig, model_folder, tmp_path, *team, f"roles.frozen={frozen}")
        if frozen == model_folder:
            check_tokens(chosen)
            continue
        with pytest.raises(ConfigError, match=r"other has another tokenizer .* set value\.view=own"):
            check_tokens(chosen)
