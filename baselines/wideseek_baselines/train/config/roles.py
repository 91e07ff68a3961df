"""Which weights the roles of a team play with, and which of these weights learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from wideseek_baselines.engines.vllm_loading import LORA_RANKS
from wideseek_baselines.train.config.options import ModelOptions, SelectionOptions
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Role

RoleWeights: TypeAlias = Literal["shared", "frozen", "adapters", "separate"]
"""How the weights of a team are divided between its roles."""

TEAM: tuple[Role, ...] = ("lead", "subagent")
"""The roles of a team."""


@dataclass(frozen=True, slots=True)
class RolesOptions:
    """Which weights lead and subagents have, and who learns."""

    weights: RoleWeights = "shared"
    """`shared`: all roles play with the same weights, which are trained. `frozen`: roles that `selection.roles` does
    not name play with fixed weights. `adapters`: lead and subagents have a LoRA adapter each, on one model. `separate`:
    lead and subagents have a model each. With `adapters` and `separate`, the turns of a role train only the weights of
    this role, which have their own optimizer. All of them start as `model.path`."""
    frozen: str | None = None
    """Folder or hub name of the model that plays the frozen roles, with `weights=frozen`. With `none`, it is
    `model.path`: the frozen roles play as at the start of the run."""


def trained_roles(selection: SelectionOptions, *, team: bool) -> tuple[Role, ...]:
    """The roles that play and whose turns are trained."""
    playing: tuple[Role, ...] = TEAM if team else ("single",)
    return tuple(role for role in playing if role in selection.roles)


def weight_sets(
    options: RolesOptions, selection: SelectionOptions, *, team: bool
) -> dict[str, tuple[Role, ...]]:
    """The roles that play with each set of trained weights. The name of the set is "" if there is only one."""
    if options.weights in ("adapters", "separate"):
        return {role: (role,) for role in TEAM}
    if options.weights == "frozen":
        return {"": trained_roles(selection, team=team)}
    return {"": TEAM if team else ("single",)}


def check_roles(
    options: RolesOptions, selection: SelectionOptions, model: ModelOptions, engine: str, *, team: bool
) -> None:
    """Check that the settings of the roles fit the other settings. `engine` is the kind of engine.

    Raises:
        ConfigError: They do not. The message says what to set.
    """
    weights = options.weights
    trained = trained_roles(selection, team=team)
    if options.frozen is not None and weights != "frozen":
        raise ConfigError(
            f"roles.frozen names the model of frozen roles, and with roles.weights={weights} no role is frozen: leave "
            "it out, or set roles.weights=frozen"
        )
    if weights == "shared":
        return
    if not team:
        raise ConfigError(
            f"a single agent has only one role: leave out roles.weights={weights}, or set game.team=true"
        )
    if engine == "vllm" and model.lora.rank > LORA_RANKS[-1]:
        raise ConfigError(
            f"vLLM serves the adapters of roles up to rank {LORA_RANKS[-1]}: set model.lora.rank to at most this, not "
            f"{model.lora.rank}"
        )
    if weights == "frozen":
        if len(trained) == len(TEAM):
            raise ConfigError(
                "with roles.weights=frozen, roles that selection.roles does not name are frozen, but it names both "
                """lead and subagent: set selection.roles to '["lead"]' or '["subagent"]'"""
            )
        return
    if len(trained) < len(TEAM):
        raise ConfigError(
            f"with roles.weights={weights} both roles are trained, but selection.roles names only "
            f"{', '.join(trained)}: name lead and subagent, or set roles.weights=frozen"
        )
    if weights == "adapters" and not model.lora.rank:
        raise ConfigError(
            "roles.weights=adapters trains a LoRA adapter for each role: set model.lora.rank, for example to 16"
        )
    if weights == "adapters" and model.compile:
        raise ConfigError(
            "compiled layers cannot change their adapter: leave out model.compile with roles.weights=adapters"
        )
    if weights == "separate" and model.lora.rank:
        raise ConfigError(
            "roles.weights=separate trains all weights of each model: leave out model.lora.rank, or set "
            "roles.weights=adapters"
        )
