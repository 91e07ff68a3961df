"""Runs a sweep: one evaluation for each width or depth, called a point. Each point has its own progress bar.

Ctrl-C keeps the finished points.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from wideseek_env.cli.progress import Bar
from wideseek_env.cli.spending import Spending
from wideseek_env.cli.tables import points
from wideseek_env.errors import BudgetError
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.sweep import Kind, MakePolicy, Sweep
from wideseek_env.policy import EpisodeRunner, Policy, make_policy, opened_policy
from wideseek_env.tasks.taskset import TaskSet

RunSweep = Callable[..., Sweep]
"""`width_sweep` or `depth_sweep` with the game and the sizes already set.

The caller passes policy, tasks and keywords.
"""


def run_sweep(
    run: RunSweep,
    kind: Kind,
    policy: str,
    arguments: Mapping[str, Any],
    tasks: TaskSet,
    *,
    trials: int = 1,
    spending: Spending | None = None,
    begin: Callable[[], None] = lambda: None,
    **further: Any,
) -> tuple[Sweep | None, KeyboardInterrupt | BudgetError | None]:
    """Run a sweep and show its progress.

    Args:
        run: Runs the sweep.
        kind: What the sweep varies, for the progress bars: "width" or "depth".
        policy: Name of the policy.
        arguments: Options of the policy.
        tasks: The tasks of each point.
        trials: Episodes per task.
        spending: Counts the tokens of services.
        begin: Called when the policy is open, before the first episode.
        further: Other keyword arguments of `run`.

    Returns:
        The finished points (None if no point is finished), and what stopped the sweep: Ctrl-C, a token budget, or None.
    """
    latest: list[Sweep] = []
    # The policy is opened first, so that an error in it is reported before anything is written.
    with (
        opened_policies(policy, arguments, spending) as fresh,
        PointBars(kind, len(tasks) * trials, spending) as bars,
    ):
        begin()
        try:
            sweep = run(
                fresh, tasks, policy_name=policy, policy_options=arguments, trials=trials, on_size=bars.on_size,
                on_episode=bars.on_episode, on_point=latest.append, **further,
            )  # fmt: skip
        except (KeyboardInterrupt, BudgetError) as error:
            return (latest[-1] if latest else None), error
    return sweep, None


@contextmanager
def opened_policies(
    policy: str, arguments: Mapping[str, Any], spending: Spending | None = None
) -> Iterator[MakePolicy]:
    """A function that makes the policy for a point, with further options. A policy that runs whole episodes is made
    only once, so that an engine is started only once. All policies are closed at the end. `spending` counts their
    tokens."""
    with ExitStack() as stack:
        opened: dict[str, Policy] = {"": stack.enter_context(opened_policy(policy, **arguments))}
        if spending is not None:
            spending.watch("policy", opened[""])

        def fresh(**limits: Any) -> Policy:
            key = shlex.join(f"{name}={value}" for name, value in limits.items())
            if key in opened and isinstance(opened[key], EpisodeRunner):
                return opened[key]
            made = make_policy(policy, **arguments, **limits)
            if spending is not None:
                spending.watch("policy", made)
            if isinstance(made, EpisodeRunner) or key:
                opened[key] = made
                stack.callback(getattr(made, "close", lambda: None))
            return made

        yield fresh


class PointBars:
    """One progress bar after another, one for each point with `total` episodes. Used in a ``with`` statement.

    `prefix` stands before the title of each bar.
    """

    def __init__(self, kind: Kind, total: int, spending: Spending | None = None) -> None:
        self._kind = kind
        self._spending = spending
        self.total = total
        self.prefix = ""
        self._bar: Bar | None = None
        self._f1: list[float] = []

    def on_size(self, size: int | None) -> None:
        """Begin the bar of a point. None is the single agent."""
        self._close()
        title = "single agent" if size is None else f"{self._kind} {size}"
        self._bar = Bar(f"{self.prefix}{title}", self.total, "episodes").__enter__()
        self._f1 = []

    def on_episode(self, record: EpisodeRecord) -> None:
        """Show one more episode."""
        self._f1.append(record.f1_by_item)
        if self._spending is not None:
            self._spending.save()
        if self._bar is not None:
            self._bar.update(len(self._f1), f"item-F1 {points(sum(self._f1) / len(self._f1))}")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def __enter__(self) -> PointBars:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()
