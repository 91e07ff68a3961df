"""Which engine, and which of its adapters, plays each role of a team (`RolesOptions.weights`).

| weights | vLLM | transformers |
| --- | --- | --- |
| shared | one engine | one engine |
| frozen | two engines | two engines |
| frozen with LoRA, frozen roles as `model.path` | one engine with one adapter | two engines |
| adapters | one engine with two adapters | two engines |
| separate | two engines | two engines |

An engine without adapters gets tensors into which adapters are merged. An engine that serves adapters gets only the
tensors of the adapters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.train.config.options import LoraOptions
from wideseek_baselines.train.config.roles import TEAM
from wideseek_baselines.train.config.run import RunConfig, policy_options
from wideseek_env.messages import Role
from wideseek_env.policy import make_policy

TRAINED = "trained"
"""The name of the adapter if only one is served."""
MEMORY = 0.9
"""The share of a GPU's memory that all engines of a process use by default."""


@dataclass(frozen=True)
class TeamPolicyMaker:
    """Makes the policy of a team. It can be sent to another process, which then opens the engines."""

    kind: str
    """The policy, such as "vllm"."""
    engines: tuple[Mapping[str, Any], ...]
    """The options of each engine's policy."""
    engine: Mapping[Role, int]
    """The number of the engine of each role."""
    adapter: Mapping[Role, str] = field(default_factory=dict)
    """The adapter of each role that has one."""

    def __call__(self) -> LLMPolicy:
        """Make the policy. Its engines are not started yet."""
        made = [cast(LLMPolicy, make_policy(self.kind, **options)) for options in self._options()]
        lead, subagent = (
            made[self.engine[role]].models[role][0].with_adapter(self.adapter.get(role, "")) for role in TEAM
        )
        return LLMPolicy(lead=lead, subagent=subagent, episode_tokens=self.engines[0].get("episode_tokens"))

    def _options(self) -> list[Mapping[str, Any]]:
        """The options of the engines. Engines of vLLM that share a GPU divide its memory."""
        count = len(self.engines)
        if self.kind != "vllm" or count == 1:
            return list(self.engines)
        import torch

        share = self.engines[0].get("gpu_memory_utilization")
        if share is None:
            if not torch.cuda.device_count():
                return list(self.engines)
            share = MEMORY
        return [{**options, "gpu_memory_utilization": share / count} for options in self.engines]


@dataclass(frozen=True)
class RoleEngines:
    """The engines of a run, and how they get weights."""

    policy: str | TeamPolicyMaker
    """The policy of a `RolloutConfig`."""
    options: Mapping[str, Any]
    """Its options."""
    serves_adapters: bool = False
    """Whether one engine serves the adapters, so that it gets their tensors only."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """With `serves_adapters`: the name of the set of trained weights of each adapter of the engine."""
    wakes: bool = False
    """Whether engines must be woken after an update, because some of them get no weights."""

    @property
    def count(self) -> int:
        """The number of engines."""
        return len(self.policy.engines) if isinstance(self.policy, TeamPolicyMaker) else 1


def role_engines(config: RunConfig) -> RoleEngines:
    """The engines for the settings of a run."""
    engine, roles = config.engine, config.roles
    options = policy_options(config.model.path, engine)
    kind = engine.found
    level = {"sleep_level": 2} if engine.sleep and kind == "vllm" else {}
    # Level 2 drops the weights, because the trainer sends all of them after every step.
    kept = {"sleep_level": 1} if level else {}
    sets = config.weight_sets
    if roles.weights == "shared":
        return RoleEngines(kind, {**options, **level})
    frozen = [role for role in TEAM if role not in {role for each in sets.values() for role in each}]
    if kind == "vllm" and config.model.lora.rank and roles.frozen is None:
        adapters = {name or TRAINED: name for name in sets}
        settings = adapter_settings(config.model.lora)
        served = {**options, **kept, "adapters": dict.fromkeys(adapters, settings)}
        of_role = {role: name or TRAINED for name, each in sets.items() for role in each}
        maker = TeamPolicyMaker(kind, (served,), dict.fromkeys(TEAM, 0), of_role)
        return RoleEngines(maker, {}, True, adapters)
    trained = [{**options, **level} for _ in sets]
    number: dict[Role, int] = {role: at for at, each in enumerate(sets.values()) for role in each}
    if frozen:
        trained.append({**options, **kept, "model": roles.frozen or config.model.path})
        number |= dict.fromkeys(frozen, len(trained) - 1)
    return RoleEngines(TeamPolicyMaker(kind, tuple(trained), number), {}, wakes=bool(frozen))


def adapter_settings(options: LoraOptions) -> dict[str, Any]:
    """The settings of an adapter, under the names in peft's ``adapter_config.json``."""
    return {"r": options.rank, "lora_alpha": options.alpha, "target_modules": sorted(options.targets)}
