"""The commands `wideseek train …`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click


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
@click.option("--quiet", is_flag=True, help="Print the result only.")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]…")
def sft(file: Path | None, explain: bool, quiet: bool, settings: tuple[str, ...]) -> None:
    """Supervised warm start: learn to write what assistants of recorded episodes wrote.

    A run that was broken off goes on where it was when the same command is given again.
    """
    from wideseek_baselines.train.config import load_config
    from wideseek_baselines.train.explain import explained

    _require_torch()
    from wideseek_baselines.train.sft import SftConfig, run_sft

    if explain:
        click.echo(explained(SftConfig))
        return
    config = load_config(SftConfig, file, settings)
    result = run_sft(config, None if quiet else _print)
    losses = f", held-out loss {result.first_loss:.4f} → {result.best_loss:.4f}" if result.best_loss else ""
    early = ", stopped early" if result.stopped_early else ""
    left = f"; {result.left_out} sequences were too long" if result.left_out else ""
    click.echo(f"{result.model}: {result.steps} steps, {result.tokens:,} tokens{losses}{early}{left}")


def _run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all commands of reinforcement learning share."""
    from wideseek_baselines.train.presets import preset_names

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
                "--explain", is_flag=True, help="List all settings with their meaning, and do nothing."
            ),
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
    explain: bool,
    quiet: bool,
    settings: tuple[str, ...],
) -> None:
    """Read the configuration of a kind of run, and explain, estimate or do it."""
    from wideseek_baselines.train.config import load_config
    from wideseek_baselines.train.estimate import estimate
    from wideseek_baselines.train.explain import explained
    from wideseek_baselines.train.presets import preset_file

    if explain:
        click.echo(explained(kind))
        return
    config = load_config(kind, file, settings, preset=preset_file(preset) if preset else None)
    if dry_run:
        click.echo("\n".join(estimate(config).lines()))
        return
    result = run(config, report=None if quiet else _print_step)
    skipped = f", {result.skipped} updates skipped" if result.skipped else ""
    click.echo(f"{result.model}: {result.steps} steps, {result.tokens:,} tokens trained on{skipped}")


COLUMNS: Mapping[str, tuple[str, str]] = {
    "reward": ("reward", "7.3f"),
    "item_f1": ("item-F1", "7.3f"),
    "kl_reference": ("KL", "8.5f"),
    "entropy": ("entropy", "7.3f"),
    "clip_share": ("clipped", "7.3f"),
    "mismatch": ("mismatch", "8.5f"),
    "subagents": ("agents", "6.2f"),
    "episode_tokens": ("tokens", "7.0f"),
    "cut_share": ("cut", "5.2f"),
    "generated_tokens_per_second": ("tokens/s", "8,.0f"),
    "rollout_seconds": ("play s", "7.1f"),
    "train_seconds": ("train s", "7.1f"),
}
"""Figures of the printed table: their title and format."""


def _print_step(values: Mapping[str, Any]) -> None:
    """One line of the table for a step, with its head now and then; evaluations and warnings on lines of their own."""
    place = f"{values['step']:>5}/{values['steps']:<5}"
    if "reward" not in values:
        figures = (
            f"{name.removeprefix('eval_')} {value:.3f}" for name, value in values.items() if "eval_" in name
        )
        click.echo(f"{place}  held out: {', '.join(figures)}")
        return
    if values["step"] % 20 == 1:
        titles = (f"{title:>{_width(form)}}" for title, form in COLUMNS.values())
        click.echo(f"{'step':>11}  {'  '.join(titles)}")
    cells = (
        f"{values[name]:{form}}" if name in values else f"{'-':>{_width(form)}}"
        for name, (_, form) in COLUMNS.items()
    )
    click.echo(f"{place}  {'  '.join(cells)}")
    for warning in values.get("warnings", ()):
        click.echo(f"{place}  warning: {warning}")


def _width(form: str) -> int:
    """Characters of a number in this format."""
    return int(form.split(".")[0].rstrip(","))


def _print(values: Mapping[str, Any]) -> None:
    """One line a step."""
    head = f"{values['step']:>6}/{values['steps']}"
    if "held_out_loss" in values:
        click.echo(f"{head}  held-out loss {values['held_out_loss']:.4f}")
        return
    click.echo(
        f"{head}  loss {values['loss']:.4f}  lr {values['lr']:.2e}  gradient {values['gradient_norm']:.2f}  "
        f"{values['tokens_per_second']:,.0f} tokens/s"
    )


def _require_torch() -> None:
    from wideseek_env.errors import MissingDependencyError

    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "training needs torch and transformers: pip install 'wideseek-baselines[transformers]'"
        ) from error
