"""Playing whole episodes with a policy: the loop behind `wideseek run`, `eval` and `bench`."""

from __future__ import annotations

from collections.abc import Callable

from wideseek_env.errors import ConfigError
from wideseek_env.lockstep import Play
from wideseek_env.policy import Policy
from wideseek_env.setup import Setup
from wideseek_env.tasks.task import Task


def play_episode(
    setup: Setup,
    policy: Policy,
    task: Task,
    *,
    seed: int = 0,
    watch: Callable[[Play], None] | None = None,
) -> Play:
    """Play `task` to its end under the lock-step driver; `watch` is called at the start and after every step.

    The returned `Play` has the score, the reward and the trajectory.
    """
    play = Play(setup, task, seed)
    policy.reset(seed)
    if watch is not None:
        watch(play)
    while not play.done:
        turns = [play.turn(agent) for agent in play.episode.ready()]
        actions = policy.act(turns)
        if len(actions) != len(turns):
            raise ConfigError(f"policy {policy.name} gave {len(actions)} actions for {len(turns)} turns")
        play.step({turn.agent: action for turn, action in zip(turns, actions, strict=True)})
        if watch is not None:
            watch(play)
    return play
