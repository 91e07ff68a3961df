"""Who learns: frozen roles, adapters for each role, and separate models, with a team that is told what to say."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from told_engine import ToldEngine, team_says
from toy_game import Letters, toy_config
from toy_team import TownTools, town_task
from training_parts import agent, rollout, saved_model, tiny_causal

from wideseek_baselines.engines.base import Generation, Request, Weights
from wideseek_baselines.engines.transformers_model import copy_weights, read_tensors
from wideseek_baselines.train.config.options import LoraOptions, OptimOptions
from wideseek_baselines.train.config.roles import TEAM
from wideseek_baselines.train.data.packing import Sample
from wideseek_baselines.train.data.samples import rollout_samples
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo, train_step
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.forward import logprobs_of
from wideseek_baselines.train.model.lora import add_adapters
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.model.role_models import AdapterModel, SeparateModels, rows_by_role
from wideseek_baselines.train.optim.role_optimizers import RoleOptimizers, policy_optimizer
from wideseek_baselines.train.ppo import PpoConfig, run_ppo
from wideseek_baselines.train.reporting.log import read_log
from wideseek_env.errors import ConfigError

LORA = ("model.lora.rank=4", "model.lora.alpha=64")
LEAD = 'selection.roles=["lead"]'
SUBAGENT = 'selection.roles=["subagent"]'


class Learner(ToldEngine):
    """Says what `team_says` makes of a prompt, as likely as its weights say, which can be replaced."""

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(Path(model), self._varied)
        self.start_weights = copy.deepcopy(self._model.state_dict())
        self.asleep = False
        self.calls: list[str] = []
        self.roles: set[str] = set()

    def _varied(self, prompt: str) -> str:
        """Another end for each seed, so that the rewards of a group differ."""
        said = team_says(prompt)
        self.roles.add("lead" if "create_sub_agents" in prompt else "subagent")
        return said if "<tool_call>" in said else said + " eat" * ((self.requests[-1].sampling.seed or 0) % 4)

    async def generate(self, request: Request) -> Generation:
        assert not self.asleep, "a sleeping engine got a request"
        made = await super().generate(request)
        return dataclasses.replace(made, versions=((self.version, len(made.ids or [])),))

    async def update_weights(self, weights: Weights, version: int) -> None:
        self.calls.append("update")
        copy_weights(self._model, read_tensors(weights))
        self.version, self.asleep = version, False

    async def sleep(self) -> None:
        self.calls.append("sleep")
        self.asleep = True

    async def wake(self) -> None:
        self.calls.append("wake")
        self.asleep = False

    @property
    def moved(self) -> bool:
        """Whether its weights are others than at the start."""
        now = self._model.state_dict()
        return any(not torch.equal(tensor, now[name]) for name, tensor in self.start_weights.items())


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> list[Learner]:
    """The engines that a run makes."""
    made: list[Learner] = []

    def engine(*arguments: Any, **options: Any) -> Learner:
        made.append(Learner(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("wideseek_baselines.engines.transformers.TransformersEngine", engine)
    return made


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


def config_of(kind: Any, model: Path, out: Path, *settings: str) -> Any:
    team = ("game.team=true", "engine.turn_tokens=400", "engine.max_requests=8", "tasks=1", "group=3")
    return toy_config(kind, model, out, *team, "steps=2", "loss.kl=0.1", "epochs=2", *settings)


def train(kind: Any, model: Path, out: Path, *settings: str) -> list[dict[str, Any]]:
    """Train, and return the metrics of the steps."""
    game = {
        "tasks": [town_task(number, 2) for number in range(2)],
        "executor": TownTools(),
        "profile": "wideseek-r1",
        "reward": Letters(),
    }
    config = config_of(kind, model, out, *settings)
    (run_grpo if kind is GrpoConfig else run_ppo)(config, game=game)
    return [dict(record) for record in read_log(out / "metrics.jsonl") if "reward" in record]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (GrpoConfig, ("roles.weights=frozen", LEAD)),
        (GrpoConfig, ("roles.weights=frozen", SUBAGENT, *LORA)),
        (GrpoConfig, ("roles.weights=adapters", *LORA)),
        (GrpoConfig, ("roles.weights=separate", "max_off_policy_steps=1", "engine.sleep=false")),
        (PpoConfig, ("roles.weights=adapters", "value.detach=false", *LORA)),
        (PpoConfig, ("roles.weights=separate", "kl.coefficient=0.1")),
    ],
)
def test_each_role_plays_and_is_trained_with_its_own_weights(
    kind: Any, settings: tuple[str, ...], model_folder: Path, tmp_path: Path, engines: list[Learner]
) -> None:
    records = train(kind, model_folder, tmp_path, "engine.sleep=true", *settings)
    ahead = "max_off_policy_steps=1" in settings
    for number, record in enumerate(records):
        assert record["subagents"] == 2
        # Old log-probabilities are those of the weights of the role. Without prefetching, they have played too.
        assert (record["mismatch_max"] < 1e-4) is (number == 0 or not ahead), record["mismatch_max"]
        assert record["gradient_norm"] > 0
        assert record["stale_share"] == (number if ahead else 0)
    assert records[1]["kl_reference"] > 1e-5
    assert [sorted(engine.roles) for engine in engines] in (
        [["lead"], ["subagent"]],
        [["subagent"], ["lead"]],
    )
    frozen = "roles.weights=frozen" in settings
    for engine in engines:
        (role,) = engine.roles
        learns = not frozen or role == ("lead" if LEAD in settings else "subagent")
        assert engine.moved is learns
        assert engine.calls.count("update") == (2 if learns else 0)
        assert engine.calls.count("sleep") == (0 if ahead else 2)
        folder = tmp_path / "model" / ("" if frozen else role)
        if learns:
            now = engine._model.state_dict()
            assert same(weights_of(folder), now), "the export is not what the engine played with"
            assert (tmp_path / "adapter" / ("" if frozen else role) / "adapter_config.json").is_file() is (
                "model.lora.rank=4" in settings
            )
    if not frozen:
        assert {f"{role}_gradient_norm" for role in TEAM} <= set(records[0])
        assert not same(*(weights_of(tmp_path / "model" / role) for role in TEAM))


def test_a_frozen_role_may_be_another_model(
    model_folder: Path, tmp_path: Path, engines: list[Learner]
) -> None:
    other = saved_model(tmp_path / "other", seed=3)
    settings = ("roles.weights=frozen", f"roles.frozen={other}", LEAD)
    records = train(GrpoConfig, model_folder, tmp_path / "run", *settings)
    assert records[1]["mismatch_max"] < 1e-4
    (frozen,) = (engine for engine in engines if engine.roles == {"subagent"})
    assert same(weights_of(other), frozen._model.state_dict())


@pytest.mark.parametrize("settings", [("roles.weights=adapters", *LORA), ("roles.weights=separate",)])
def test_a_resumed_run_ends_with_the_same_weights(
    settings: tuple[str, ...], model_folder: Path, tmp_path: Path
) -> None:
    settings = (*settings, "epochs=1", "loss.kl=0")
    train(GrpoConfig, model_folder, tmp_path / "whole", *settings)
    train(GrpoConfig, model_folder, tmp_path / "parts", *settings, "steps=1")
    train(GrpoConfig, model_folder, tmp_path / "parts", *settings)
    for role in TEAM:
        whole, parts = (weights_of(tmp_path / name / "model" / role) for name in ("whole", "parts"))
        assert same(whole, parts)
    with pytest.raises(ConfigError, match=r"roles\.weights was \"\w+\" and is now \"shared\""):
        train(GrpoConfig, model_folder, tmp_path / "parts", *settings, "roles.weights=shared", "steps=3")


# --- one step ---------------------------------------------------------------------------------------------------------


def team_rollouts(**changes: Any) -> list[Any]:
    return [
        rollout(
            [agent("lead", [4, 9]), agent("subagent", [3, 2], name="s0"), agent("subagent", [8], name="s1")]
        )
        for _ in range(2)
    ]


def adapter_model() -> AdapterModel:
    causal = tiny_causal(0)
    add_adapters(causal, LoraOptions(rank=4, alpha=64), TEAM)
    use_attention(causal, "packed")
    return AdapterModel(causal)


def separate_models() -> SeparateModels:
    models = {role: TokenModel(tiny_causal(0)) for role in TEAM}
    for model in models.values():
        use_attention(model.causal, "packed")
    return SeparateModels(models)


def step_config(tmp_path: Path, *settings: str) -> Any:
    return toy_config(
        GrpoConfig,
        tmp_path,
        tmp_path,
        "game.team=true",
        "loss.kl=0",
        "optim.max_norm=0",
        "tokens_per_row=40",
        *settings,
    )


@pytest.mark.parametrize("make", [adapter_model, separate_models])
@pytest.mark.parametrize("role", TEAM)
def test_only_the_turns_of_a_role_train_its_weights(make: Any, role: str, tmp_path: Path) -> None:
    model = make()
    before = {
        name: [part.detach().clone() for _, part in each.named_parameters()]
        for name, each in model.parts.items()
    }
    config = step_config(tmp_path, f"selection.roles={role}", "epochs=2")
    optimizer = policy_optimizer(model, OptimOptions(lr=1e-2), None)
    metrics, _ = train_step(model, None, optimizer, team_rollouts(), [1, -1], config, 0)
    assert metrics[f"{role}_gradient_norm"] == pytest.approx(metrics["gradient_norm"]) != 0
    for name, part in model.parts.items():
        now = [each for _, each in part.named_parameters()]
        changed = [not torch.equal(a, b) for a, b in zip(before[name], now, strict=True)]
        assert any(changed) is (name == role)


def test_the_gradients_of_separate_models_add_up_to_that_of_one_model(tmp_path: Path) -> None:
    """At the same weights, the loss is the same, so each model has the part of the gradient that its role causes."""

    class Kept(RoleOptimizers):
        def step(self) -> Any:
            found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
            return super().step()

    found: list[list[torch.Tensor]] = []
    losses = []
    apart = separate_models()
    for each in (TokenModel(copy.deepcopy(apart.causal)), apart):
        model: TokenModel = each
        inner = policy_optimizer(model, OptimOptions(lr=1e-2, max_norm=0), None)
        optimizer = Kept(inner.optimizers if isinstance(inner, RoleOptimizers) else {"": inner})  # type: ignore[dict-item]
        metrics, _ = train_step(model, None, optimizer, team_rollouts(), [1, -0.5], step_config(tmp_path), 0)
        losses.append(metrics["loss"])
    one, both = found
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert len(both) == 2 * len(one)
    for whole, first, second in zip(one, both[: len(one)], both[len(one) :], strict=True):
        torch.testing.assert_close(first + second, whole, atol=1e-6, rtol=1e-5)
    assert all(part.abs().max() > 0 for part in (both[0], both[len(one)]))


@pytest.mark.parametrize("make", [adapter_model, separate_models])
def test_rows_have_one_role_and_log_probabilities_are_those_of_its_weights(make: Any, tmp_path: Path) -> None:
    model = make()
    with torch.no_grad():
        for number, part in enumerate(model.parts.values()):
            for _, parameter in part.named_parameters():
                if parameter.requires_grad:
                    parameter.add_(
                        0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
                    )
    config = step_config(tmp_path)
    samples = rollout_samples(team_rollouts(), [1, -1], config.selection).samples
    rows = rows_by_role(samples, 1000)
    assert [row.part for row in rows] == list(TEAM), "samples of a role do not share a row"
    assert sorted(at for row in rows for at in row.members) == list(range(len(samples)))
    for row in rows:
        assert row.ids.tolist() == [token for at in row.members for token in samples[at].ids]
    found = logprobs_of(model, samples, 1000)
    each = {role: logprobs_of(alone(model, role), samples, 1000) for role in TEAM}
    for sample, values, lead, subagent in zip(samples, found, each["lead"], each["subagent"], strict=True):
        own, other = (lead, subagent) if is_lead(sample) else (subagent, lead)
        assert values == pytest.approx(own, abs=1e-5)
        assert values != pytest.approx(other, abs=1e-3)


def is_lead(sample: Sample) -> bool:
    return bool(sample.columns["role"][0] == 0)


def alone(model: Any, role: str) -> TokenModel:
    """A plain model with the weights of a role."""
    from wideseek_baselines.train.model.export import state_dict_for_engine

    part = model.parts[role]
    plain = tiny_causal(1)
    plain.load_state_dict(dict(state_dict_for_engine(part.causal, part.adapter)))
    use_attention(plain, "packed")
    return TokenModel(plain)


def test_a_merged_export_computes_what_base_and_adapter_compute(model_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    peft = pytest.importorskip("peft")
    train(GrpoConfig, model_folder, tmp_path, "roles.weights=adapters", *LORA)
    ids = torch.arange(3, 30).unsqueeze(0)
    seen = []
    for role in TEAM:
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "model" / role)
        base = AutoModelForCausalLM.from_pretrained(model_folder)
        with torch.no_grad():
            start = base(ids).logits
            both = peft.PeftModel.from_pretrained(base, tmp_path / "adapter" / role)(ids).logits
            torch.testing.assert_close(merged.eval()(ids).logits, both, atol=1e-5, rtol=1e-5)
        assert (both - start).abs().max() > 1e-3
        seen.append(both)
    assert (seen[0] - seen[1]).abs().max() > 1e-3, "both roles have the same adapter"


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("roles.weights=frozen",), "names both lead and subagent"),
        (("roles.weights=frozen", 'selection.roles=["lead", "subagent"]'), "names both lead and subagent"),
        (("roles.frozen=other",), r"roles\.weights=shared no role is frozen"),
        (("roles.weights=separate", "roles.frozen=other"), r"roles\.weights=separate no role is frozen"),
        (("roles.weights=frozen", "game.team=false"), "a single agent has only one role"),
        (("roles.weights=adapters", *LORA, "game.team=false"), "a single agent has only one role"),
        (("roles.weights=separate", "game.team=false"), "a single agent has only one role"),
        (("roles.weights=adapters", LEAD, *LORA), r"names only lead: .* set roles\.weights=frozen"),
        (("roles.weights=separate", SUBAGENT), r"names only subagent: .* set roles\.weights=frozen"),
        (("roles.weights=adapters",), r"set model\.lora\.rank"),
        (("roles.weights=adapters", *LORA, "model.compile=true"), r"leave out model\.compile"),
        (("roles.weights=separate", *LORA), r"set roles\.weights=adapters"),
        (("roles.weights=adapters", "model.lora.rank=513", "engine.kind=vllm"), "up to rank 512"),
        (("roles.weights=own",), "must be one of shared, frozen, adapters, separate"),
        (("roles.weights=separate", 'selection.roles=["single"]'), "nothing would be trained"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    settings: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(GrpoConfig, tmp_path, tmp_path, *settings)
