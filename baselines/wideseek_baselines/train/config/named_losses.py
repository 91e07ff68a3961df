"""Published losses by name, as settings of GRPO.

What a paper does not say stays as it is: the correction for the engine (`loss.importance_sampling`), the turns of
failed episodes that are trained, and everything outside of the loss.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from wideseek_env.errors import ConfigError
from wideseek_env.suggestions import hint

LossName: TypeAlias = Literal["dr_grpo", "dapo", "gspo", "cispo"]

_PLAIN = {"objective": "clip", "ratio": "token", "dual_clip": None, "early_stop_imp_ratio": None, "kl": 0.0}

LOSSES: Mapping[LossName, Mapping[str, Any]] = {
    # arXiv 2503.20783: neither the length of a response nor the spread of its group scales the loss.
    "dr_grpo": {
        "loss": {**_PLAIN, "clip_low": 0.2, "clip_high": 0.2},
        "selection": {"loss_aggregation": "constant", "loss_denominator": "constant"},
        "advantage": {"scale": "none", "baseline": "mean", "zero_variance_groups": "keep"},
        "max_draws": 1,
    },
    # arXiv 2503.14476, without its reward for short responses.
    "dapo": {
        "loss": {**_PLAIN, "clip_low": 0.2, "clip_high": 0.28},
        "selection": {"loss_aggregation": "token", "loss_denominator": "trained"},
        "advantage": {"scale": "std", "baseline": "mean", "zero_variance_groups": "drop"},
        "max_draws": 10,
    },
    # arXiv 2507.18071.
    "gspo": {
        "loss": {**_PLAIN, "ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
        "selection": {"loss_aggregation": "agent", "loss_denominator": "constant"},
        "advantage": {"scale": "std", "baseline": "mean"},
    },
    # arXiv 2506.13585. It has no lower bound, and the upper bound 5 of the ratio is that of ScaleRL (2510.13786).
    "cispo": {
        "loss": {**_PLAIN, "objective": "cispo", "clip_low": 1.0, "clip_high": 4.0},
        "selection": {"loss_aggregation": "token", "loss_denominator": "trained"},
        "advantage": {"scale": "std", "baseline": "mean"},
    },
}
"""The settings of each loss, as tables of a training configuration."""


def named_loss(record: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    """The settings of the loss that a configuration names in ``loss.name``. Empty if it names none.

    Args:
        record: A training configuration as nested tables. Only its ``loss.name`` is read.
        algorithm: The algorithm that is configured.

    Raises:
        ConfigError: There is no such loss, or the algorithm is not GRPO.
    """
    table = record.get("loss")
    name = table.get("name") if isinstance(table, Mapping) else None
    if name in (None, "none"):
        return {}
    if name not in get_args(LossName):
        known = get_args(LossName)
        raise ConfigError(f"loss.name must be one of {', '.join(known)}, not {name!r}{hint(name, known)}")
    if algorithm != "grpo":
        raise ConfigError(
            f"loss.name={name} is a loss of GRPO: leave it out, and set the settings that you need"
        )
    return copy.deepcopy(dict(LOSSES[name]))
