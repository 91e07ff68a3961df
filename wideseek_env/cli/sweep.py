"""A width sweep with a progress bar for each width; what is finished survives Ctrl-C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from wideseek_env.cli.console import Bar
from wideseek_env.cli.tables import points
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.width import Sweep, width_sweep
from wideseek_env.policy import EpisodePlayer, Policy, make_policy, opened_policy
from wideseek_env.setup import Setup
from wideseek_env.tasks.taskset import TaskSet


def run_sweep(
    setup: Setup,
    policy: str,
    arguments: Mapping[str, Any],
    widths: Sequence[int],
    tasks: TaskSet,
    *,
    trials: int = 1,
    **further: Any,
) -> tuple[Sweep | None, bool]:
    """The points that were finished (None without any), and whether Ctrl-C stopped it.

    `further` are arguments of `width_sweep`.
    """
    latest: list[Sweep] = []
    bars = ExitStack()
    state: dict[str, Any] = {}

    def on_width(width: int | None) -> None:
        bars.close()
        title = "single agent" if width is None else f"width {width}"
        state["bar"] = bars.enter_context(Bar(title, len(tasks) * trials, "episodes"))
        state["f1"] = []

    def on_episode(record: EpisodeRecord) -> None:
        state["f1"].append(record.f1_by_item)
        played = state["f1"]
        state["bar"].update(len(played), f"item-F1 {points(sum(played) / len(played))}")

    # Opened at once: what is wrong with the policy is said before anything is written.
    with opened_policy(policy, **arguments) as first, bars:

        def fresh() -> Policy:
            return first if isinstance(first, EpisodePlayer) else make_policy(policy, **arguments)

        try:
            sweep = width_sweep(
                setup, fresh, widths, tasks, policy_name=policy,
                policy_options=arguments, trials=trials, on_width=on_width, on_episode=on_episode,
                on_point=latest.append, **further,
            )  # fmt: skip
        except KeyboardInterrupt:
            return (latest[-1] if latest else None), True
    return sweep, False
