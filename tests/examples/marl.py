"""What the tests of the examples with other libraries share: sums in one order, and playing episodes again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from wideseek_env.wrappers import Symbolic


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that a seed says what is learned."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def play_again(env: Symbolic, actions: Sequence[dict[str, int]], **reset: Any) -> tuple[float, float]:
    """Plays given actions as one episode that must end with the last; the lead's return and the item-F1.

    Fails for an action that the mask excludes.
    """
    observations, infos = env.reset(**reset)
    paid = 0.0
    for chosen in actions:
        for agent in env.acting_agents:
            assert observations[agent]["action_mask"][chosen[agent]], "a masked action was taken"
        observations, rewards, _, _, infos = env.step(chosen)
        paid += rewards["lead"]
    assert not env.agents, "the episode did not end with its last action"
    assert np.isfinite(paid)
    return paid, infos["lead"]["item_f1"]
