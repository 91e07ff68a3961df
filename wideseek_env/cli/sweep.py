"""Runs a sweep: one evaluation for each width or depth, called a point. Each point has its own progress bar.

Ctrl-C keeps the finished points.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import click

from wideseek_env.cli.console import Bar
from wideseek_env.cli.tables import points
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.sweep import Kind, Sweep
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
    **further: Any,
) -> tuple[Sweep | None, bool]:
    """Run a sweep and show its progress.

    Args:
        run: Runs the sweep.
        kind: What the sweep varies, for the progress bars: "width" or "depth".
        policy: Name of the policy.
        arguments: Options of the policy.
        tasks: The tasks of each point.
        trials: Episodes per task.
        further: Other keyword arguments of `run`.

    Returns:
        The finished points (None if no point is finished), and whether Ctrl-C stopped the sweep.
    """
    latest: list[Sweep] = []
    bars = ExitStack()
    state: dict[str, Any] = {}

    def on_size(size: int | None) -> None:
        bars.close()
        title = "single agent" if size is None else f"{kind} {size}"
        state["bar"] = bars.enter_context(Bar(title, len(tasks) * trials, "episodes"))
        state["f1"] = []

    def on_episode(record: EpisodeRecord) -> None:
        state["f1"].append(record.f1_by_item)
        played = state["f1"]
        state["bar"].update(len(played), f"item-F1 {points(sum(played) / len(played))}")

    # The policy is opened first, so that an error in it is reported before anything is written.
    with ExitStack() as stack, bars:
        opened: dict[str, Policy] = {"": stack.enter_context(opened_policy(policy, **arguments))}

        def fresh(**limits: Any) -> Policy:
            key = shlex.join(f"{name}={value}" for name, value in limits.items())
            if key in opened and isinstance(opened[key], EpisodeRunner):
                return opened[key]  # an engine is then started only once
            made = make_policy(policy, **arguments, **limits)
            if isinstance(made, EpisodeRunner) or key:
                opened[key] = made
                stack.callback(getattr(made, "close", lambda: None))
            return made

        try:
            sweep = run(
                fresh, tasks, policy_name=policy, policy_options=arguments, trials=trials, on_size=on_size,
                on_episode=on_episode, on_point=latest.append, **further,
            )  # fmt: skip
        except KeyboardInterrupt:
            return (latest[-1] if latest else None), True
    return sweep, False


def command_line() -> str:
    """The current command, with only the options that the user gave. A reader of the report can run it again."""
    context = click.get_current_context()
    words = ["wideseek", *context.command_path.split()[1:]]
    arguments: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name] if name in context.params else context.meta[f"wideseek_env.{name}"]
        if isinstance(parameter, click.Argument):
            arguments += map(str, value if isinstance(value, tuple) else (value,))
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        elif parameter.multiple:
            for each in value:
                text = "=".join(map(str, each)) if isinstance(each, tuple) else str(each)
                words += [parameter.opts[0], text]
        else:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += [parameter.opts[0], text]
    return shlex.join([*words, *arguments])
