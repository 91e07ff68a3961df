"""Registers the environments with Gymnasium and, where the installed version has a registry, with PettingZoo."""

from __future__ import annotations

from typing import Any

import gymnasium
import pettingzoo

SINGLE_ID = "WideSeek-v0"
"""The Gymnasium id of the single agent's environment."""

TEAM_ID = "wideseek-v0"
"""The PettingZoo id of the team's environment, in the parallel and the AEC registry. PettingZoo also accepts
``wideseek_v0``."""


def register_environments() -> None:
    """Register the environments. An id that is registered already is left as it is."""
    if SINGLE_ID not in gymnasium.registry:
        # The environment checks the order of calls itself, with the errors of this package.
        gymnasium.register(
            id=SINGLE_ID, entry_point="wideseek_env.single:WideSeekSingleEnv", order_enforce=False
        )
    register: Any = getattr(pettingzoo, "register", None)
    if register is None:  # before PettingZoo 1.27
        return
    known: Any = pettingzoo
    if TEAM_ID not in known.parallel_registry:
        register("parallel", TEAM_ID, entry_point="wideseek_env.parallel:parallel_env")
    if TEAM_ID not in known.aec_registry:
        register("aec", TEAM_ID, entry_point="wideseek_env.aec:env")
