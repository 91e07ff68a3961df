"""`open_rollouts_on` opens rollouts in this process, or on a Ray cluster if there are workers."""

from __future__ import annotations

from typing import Any

from wideseek_baselines.cluster.pool import RayRollouts
from wideseek_baselines.rollout.config import RolloutConfig, Rollouts
from wideseek_baselines.rollout.local import LocalRollouts
from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short


def open_rollouts_on(config: RolloutConfig, workers: int = 0, **ray_options: Any) -> Rollouts:
    """`LocalRollouts` if `workers` is 0, otherwise `RayRollouts` with `ray_options`."""
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
        raise ConfigError(f"workers must be 0 (this process) or a larger whole number, not {short(workers)}")
    return RayRollouts(config, workers, **ray_options) if workers else LocalRollouts(config)
