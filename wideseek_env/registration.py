"""The environments' ids in the registries of Gymnasium and, where the installed version has one, PettingZoo."""

from __future__ import annotations

from typing import Any

import gymnasium
import pettingzoo

SINGLE_ID = "WideSeek-v0"
"""Gymnasium's id of the single agent."""

TEAM_ID = "wideseek-v0"
"""PettingZoo's id of the team, in its parallel and its AEC registry; PettingZoo also reads it as ``wideseek_v0``."""


def register_environments() -> None:
    """Register the environments; an id that is registered already keeps what it has."""
    if SINGLE_ID not in gymnasium.registry:
        gymnasium.register(id=SINGLE_ID, entry_point="wideseek_env.single:WideSeekSingleEnv")
    register: Any = getattr(pettingzoo, "register", None)
    if register is None:  # before PettingZoo 1.27
        return
    known: Any = pettingzoo
    if TEAM_ID not in known.parallel_registry:
        register("parallel", TEAM_ID, entry_point="wideseek_env.parallel:parallel_env")
    if TEAM_ID not in known.aec_registry:
        register("aec", TEAM_ID, entry_point="wideseek_env.aec:env")
