"""`Monitor` warns when entropy, length of turns or reward show that a run is collapsing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wideseek_baselines.train.config.run import CollapseOptions

WATCHED = ("entropy", "turn_tokens", "reward")


class Monitor:
    """Compares means over the last steps with earlier means.

    Entropy and length are compared with the means over the first steps, the reward with the best mean so far.

    Args:
        options: What to warn about.
        state: The `state` of an earlier monitor, to resume from.
    """

    def __init__(self, options: CollapseOptions, state: Mapping[str, Any] | None = None) -> None:
        self._options = options
        self.state: dict[str, Any] = {"recent": [], "first": None, "best": None, **(state or {})}
        """The state of the monitor, in values that JSON can store."""

    def check(self, metrics: Mapping[str, float]) -> list[str]:
        """Add the metrics of a step. Returns warnings. Steps in which nothing was trained are ignored."""
        if any(not math.isfinite(metrics.get(name, math.nan)) for name in WATCHED):
            return []
        window, state = self._options.window, self.state
        state["recent"] = [*state["recent"], [metrics[name] for name in WATCHED]][-window:]
        if len(state["recent"]) < window:
            return []
        entropy, length, reward = (sum(column) / window for column in zip(*state["recent"], strict=True))
        if state["first"] is None:
            state["first"] = [entropy, length]
        state["best"] = reward if state["best"] is None else max(state["best"], reward)
        first_entropy, first_length = state["first"]
        warnings = []
        if entropy < self._options.entropy * first_entropy:
            warnings.append(f"entropy fell from {first_entropy:.3g} to {entropy:.3g}")
        if not first_length / self._options.length <= length <= first_length * self._options.length:
            warnings.append(f"turns went from {first_length:.0f} to {length:.0f} tokens")
        if state["best"] > 0 and reward < self._options.reward * state["best"]:
            warnings.append(f"reward fell from {state['best']:.3g} to {reward:.3g}")
        return warnings
