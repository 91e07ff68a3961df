"""The commands `wideseek train …`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wideseek_baselines.model_names import find_model
from wideseek_env.cli.effects import refuse
from wideseek_env.cli.output import ResultGroup, is_quiet, result

if TYPE_CHECKING:
    from wideseek_baselines.train.reporting.console import LiveView

_PLAIN = "Print one line per step instead of a live view, also on a terminal."


@click.group(cls=ResultGroup)
def train() -> None:
    """Train a model. `sft` learns from recorded episodes. `grpo` and `ppo` use reinforcement learning on the team's
    reward.

    Settings come from a TOML file and from key=value arguments. Write a key of a table as table.key:

    \b
      wideseek train sft --config sft.toml optim.lr=3e-4 epochs=2
      wideseek train sft data=runs/a/trajectories.jsonl model.path=nano out=runs/sft
      wideseek train grpo --preset nano-cpu model.path=runs/sft/model out=runs/grpo
    """


@train.command()
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option(
    "--dry-run", is_flag=True,
    help="Read the episodes, print an estimate of memory, tokens and steps, and exit. No model is loaded.",
)  # fmt: skip
@click.option("--explain", is_flag=True, help="List all settings with their defaults and meanings, and exit.")
@click.option("--plain", is_flag=True, help=_PLAIN)
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]…")
def sft(file: Path | None, dry_run: bool, explain: bool, plain: bool, settings: tuple[str, ...]) -> None:
    """Supervised warm start: the model learns to write what the agents in recorded episodes wrote.

    Give the same command again to resume an interrupted run.
    """
    from wideseek_baselines.train.config.loading import described, explained, load_config
    from wideseek_baselines.train.reporting.console import SUPERVISED, StepLines, print_supervised
    from wideseek_baselines.train.reporting.trackers import check_packages

    _require_torch()
    from wideseek_baselines.train.distributed import is_main, processes
    from wideseek_baselines.train.sft import SftConfig, run_sft

    if explain:
        result(lambda: described(SftConfig), explained(SftConfig))
        return
    config = load_config(SftConfig, file, settings)
    if dry_run:
        from wideseek_baselines.train.estimate import estimate_sft

        found = estimate_sft(config)
        result(lambda: found, "\n".join(found.lines()))
        return
    find_model(config.model.path)
    check_packages(config.trackers)
    with processes(config.model.device), ExitStack() as stack:
        first = is_main()
        live = _live(config.out, SUPERVISED, plain=plain or is_quiet() or not first)
        if live is not None:
            stack.enter_context(live)
        stack.enter_context(_told_when_stopped(config.out))
        lines = stack.enter_context(StepLines(config.out, print_supervised))
        trained = run_sft(config, None if is_quiet() else live.on_step if live is not None else lines.on_step)
    if not first:
        return
    losses = (
        f", held-out loss {trained.first_loss:.4f} → {trained.best_loss:.4f}" if trained.best_loss else ""
    )
    early = ", stopped early" if trained.stopped_early else ""
    left = f"; {trained.left_out} sequences were too long" if trained.left_out else ""
    result(
        lambda: trained,
        f"{trained.model}: {trained.steps} steps, {trained.tokens:,} tokens{losses}{early}{left}",
    )


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all commands of reinforcement learning share."""
    from wideseek_baselines.train.config.loading import preset_names

    for option in reversed(
        (
            click.option(
                "--config", "file", type=click.Path(path_type=Path), help="TOML file with settings."
            ),
            click.option(
                "--preset",
                type=click.Choice(preset_names()),
                help="Name of a set of settings in this package. --config and key=value override single settings.",
            ),
            click.option(
                "--dry-run",
                is_flag=True,
                help="Print an estimate of memory and tokens, and exit. No model is loaded.",
            ),
            click.option(
                "--processes",
                "count",
                type=click.IntRange(1),
                default=1,
                help="For --dry-run: the number of processes that torchrun will start.",
            ),
            click.option(
                "--explain",
                is_flag=True,
                help="List all settings with their defaults and meanings, and exit.",
            ),
            click.option("--plain", is_flag=True, help=_PLAIN),
            click.argument("settings", nargs=-1, metavar="[KEY=VALUE]…"),
        )
    ):
        command = option(command)
    return command


@train.command()
@_run_options
def grpo(**chosen: Any) -> None:
    """Multi-agent GRPO: compares the rewards of several episodes of a task. All agents of a team get the same
    advantage.

    Give the same command again to resume an interrupted run.

    \b
      wideseek train grpo --preset nano-demo
      wideseek train grpo --preset nano-cpu model.path=runs/sft/model out=runs/grpo
      wideseek train grpo --preset qwen3-4b-8gpu out=runs/r1 --dry-run
    """
    _require_torch()
    from wideseek_baselines.train.grpo import GrpoConfig, run_grpo

    _reinforce(GrpoConfig, run_grpo, **chosen)


@train.command()
@_run_options
def ppo(**chosen: Any) -> None:
    """Multi-agent PPO: trains one policy for all roles, and a critic that predicts the team's reward before every turn.

    Give the same command again to resume an interrupted run.

    \b
      wideseek train ppo --preset nano-cpu model.path=runs/sft/model out=runs/ppo group=1 tasks=64
    """
    _require_torch()
    from wideseek_baselines.train.ppo import PpoConfig, run_ppo

    _reinforce(PpoConfig, run_ppo, **chosen)


def _reinforce(
    kind: type[Any],
    run: Callable[..., Any],
    *,
    file: Path | None,
    preset: str | None,
    dry_run: bool,
    count: int,
    explain: bool,
    plain: bool,
    settings: tuple[str, ...],
) -> None:
    """Read the configuration. Then print its documentation, print an estimate, or run the training."""
    from wideseek_baselines.engines.vllm_loading import check_installed
    from wideseek_baselines.train.config.loading import described, explained, load_config, preset_file
    from wideseek_baselines.train.distributed import is_main, processes
    from wideseek_baselines.train.estimate import estimate
    from wideseek_baselines.train.reporting.console import (
        REINFORCED,
        StepLines,
        held_out_change,
        print_step,
    )
    from wideseek_baselines.train.reporting.log import read_log
    from wideseek_baselines.train.reporting.trackers import check_packages
    from wideseek_baselines.train.reporting.untrained import check_trained

    if explain:
        result(lambda: described(kind), explained(kind))
        return
    config = load_config(kind, file, settings, preset=preset_file(preset) if preset else None)
    if dry_run:
        checked = check_installed(config.engine.vllm, "engine.vllm")
        found = estimate(config, count)
        result(lambda: found, "\n".join(found.lines()))
        if not checked:
            click.echo("engine.vllm was not checked, because vLLM is not installed here", err=True)
        return
    refuse("without --dry-run", "count")
    find_model(config.model.path)
    check_packages(config.trackers)
    with processes(config.model.device), ExitStack() as stack:
        first = is_main()
        live = _live(config.out, REINFORCED, plain=plain or is_quiet() or not first)
        if live is not None:
            stack.enter_context(live)
        stack.enter_context(_told_when_stopped(config.out))
        lines = stack.enter_context(StepLines(config.out, print_step))
        on_step = None if is_quiet() else live.on_step if live is not None else lines.on_step
        trained = run(config, on_step=on_step, on_episode=live.on_episode if live is not None else None)
    if not first:
        return
    skipped = f", {trained.skipped} updates skipped" if trained.skipped else ""
    steps = read_log(trained.model.parent / "metrics.jsonl")
    change = held_out_change(steps)
    result(
        lambda: trained,
        f"{trained.model}: {trained.steps} steps, {trained.tokens:,} tokens trained on{skipped}"
        + (f"\n{change}" if change else ""),
    )
    check_trained(steps, trained.tokens)


@contextmanager
def _told_when_stopped(out: str) -> Iterator[None]:
    """Say from which step the same command resumes, if Ctrl-C or SIGTERM stops the block."""
    from wideseek_baselines.train.distributed import is_main
    from wideseek_baselines.train.model import checkpoint

    try:
        yield
    except KeyboardInterrupt:
        if is_main():
            found = checkpoint.steps(Path(out) / "checkpoints")
            click.echo(
                f"{out} has a checkpoint of step {found[-1][0]}: the same command resumes from it."
                if found
                else f"{out} has no checkpoint, because no step has ended.",
                err=True,
            )
        raise


def _live(title: str, rows: Mapping[str, tuple[str, str]], *, plain: bool) -> LiveView | None:
    """A live view of the run. None if standard output or standard error is not a terminal that supports one."""
    from wideseek_baselines.train.reporting.console import LiveView
    from wideseek_env.cli.console import console

    results, progress = console(), console(stderr=True)
    if plain or not results.is_terminal or not progress.is_terminal or progress.is_dumb_terminal:
        return None
    return LiveView(title, rows, progress)


def _require_torch() -> None:
    from wideseek_env.errors import MissingDependencyError, baselines_hint

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"training needs torch and transformers; {baselines_hint('transformers')}"
        ) from error
