"""The commands `wideseek train …`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wideseek_baselines.train.reporting.console import LiveView

_PLAIN = "Print one line a step on a terminal too, as it is elsewhere."


@click.group()
def train() -> None:
    """Train a model: on recorded episodes, or by reinforcement on the team's reward.

    Settings come from a TOML file and from key=value on the command line, where tables are joined by dots:

    \b
      wideseek train sft --config sft.toml optim.lr=3e-4 epochs=2
      wideseek train sft data=runs/a/trajectories.jsonl model.path=nano out=runs/sft
      wideseek train grpo --preset nano-cpu model.path=runs/sft/model out=runs/grpo
    """


@train.command()
@click.option("--config", "file", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--explain", is_flag=True, help="List all settings with their meaning, and do nothing.")
@click.option("--plain", is_flag=True, help=_PLAIN)
@click.option("--quiet", is_flag=True, help="Print the result only.")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]…")
def sft(file: Path | None, explain: bool, plain: bool, quiet: bool, settings: tuple[str, ...]) -> None:
    """Supervised warm start: learn to write what assistants of recorded episodes wrote.

    A run that was broken off goes on where it was when the same command is given again.
    """
    from wideseek_baselines.train.config.loading import explained, load_config
    from wideseek_baselines.train.reporting.console import SUPERVISED, print_supervised
    from wideseek_baselines.train.reporting.trackers import check_packages

    _require_torch()
    from wideseek_baselines.train.distributed import is_main, processes
    from wideseek_baselines.train.sft import SftConfig, run_sft

    if explain:
        click.echo(explained(SftConfig))
        return
    config = load_config(SftConfig, file, settings)
    check_packages(config.trackers)
    with processes(config.model.device), ExitStack() as stack:
        first = is_main()
        live = _live(config.out, SUPERVISED, plain=plain or quiet or not first)
        if live is not None:
            stack.enter_context(live)
        result = run_sft(config, None if quiet else live.report if live is not None else print_supervised)
    if not first:
        return
    losses = f", held-out loss {result.first_loss:.4f} → {result.best_loss:.4f}" if result.best_loss else ""
    early = ", stopped early" if result.stopped_early else ""
    left = f"; {result.left_out} sequences were too long" if result.left_out else ""
    click.echo(f"{result.model}: {result.steps} steps, {result.tokens:,} tokens{losses}{early}{left}")


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all commands of reinforcement learning share."""
    from wideseek_baselines.train.config.loading import preset_names

    for option in reversed(
        (
            click.option(
                "--config", "file", type=click.Path(path_type=Path), help="TOML file with settings."
            ),
            click.option(
                "--preset",
                type=click.Choice(preset_names()),
                help="Settings that come with the package; --config and key=value stand over them.",
            ),
            click.option("--dry-run", is_flag=True, help="Estimate memory and tokens; loads no model."),
            click.option(
                "--processes",
                "count",
                type=click.IntRange(1),
                default=1,
                help="With --dry-run: how many torchrun will start.",
            ),
            click.option(
                "--explain", is_flag=True, help="List all settings with their meaning, and do nothing."
            ),
            click.option("--plain", is_flag=True, help=_PLAIN),
            click.option("--quiet", is_flag=True, help="Print the result only."),
            click.argument("settings", nargs=-1, metavar="[KEY=VALUE]…"),
        )
    ):
        command = option(command)
    return command


@train.command()
@_run_options
def grpo(**chosen: Any) -> None:
    """Multi-agent GRPO: episodes of a task are compared, all agents of a team share the advantage.

    A run that was broken off goes on where it was when the same command is given again.

    \b
      wideseek train grpo --preset nano-cpu model.path=runs/sft/model out=runs/grpo
      wideseek train grpo --preset qwen3-4b-8gpu out=runs/r1 --dry-run
    """
    _require_torch()
    from wideseek_baselines.train.grpo import GrpoConfig, run_grpo

    _reinforce(GrpoConfig, run_grpo, **chosen)


@train.command()
@_run_options
def ppo(**chosen: Any) -> None:
    """Multi-agent PPO: one actor, and a critic that says before every token what the team will be paid.

    A run that was broken off goes on where it was when the same command is given again.

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
    quiet: bool,
    settings: tuple[str, ...],
) -> None:
    """Read the configuration of a kind of run, and explain, estimate or do it."""
    from wideseek_baselines.train.config.loading import explained, load_config, preset_file
    from wideseek_baselines.train.distributed import is_main, processes
    from wideseek_baselines.train.estimate import estimate
    from wideseek_baselines.train.reporting.console import REINFORCED, print_step
    from wideseek_baselines.train.reporting.trackers import check_packages

    if explain:
        click.echo(explained(kind))
        return
    config = load_config(kind, file, settings, preset=preset_file(preset) if preset else None)
    if dry_run:
        click.echo("\n".join(estimate(config, count).lines()))
        return
    check_packages(config.trackers)
    with processes(config.model.device), ExitStack() as stack:
        first = is_main()
        live = _live(config.out, REINFORCED, plain=plain or quiet or not first)
        if live is not None:
            stack.enter_context(live)
        report = None if quiet else live.report if live is not None else print_step
        result = run(config, report=report, watch=live.watch if live is not None else None)
    if not first:
        return
    skipped = f", {result.skipped} updates skipped" if result.skipped else ""
    click.echo(f"{result.model}: {result.steps} steps, {result.tokens:,} tokens trained on{skipped}")


def _live(title: str, rows: Mapping[str, tuple[str, str]], *, plain: bool) -> LiveView | None:
    """A view of the run, where results and progress both go to a terminal that can be drawn on."""
    from wideseek_baselines.train.reporting.console import LiveView
    from wideseek_env.cli.console import console

    results, progress = console(), console(stderr=True)
    if plain or not results.is_terminal or not progress.is_terminal or progress.is_dumb_terminal:
        return None
    return LiveView(title, rows, progress)


def _require_torch() -> None:
    from wideseek_env.errors import MissingDependencyError

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "training needs torch and transformers: pip install 'wideseek-baselines[transformers]'"
        ) from error
