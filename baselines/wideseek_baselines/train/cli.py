"""The commands `wideseek train …`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


@click.group()
def train() -> None:
    """Train a model on recorded episodes.

    Settings come from a TOML file and from key=value on the command line, where tables are joined by dots:

    \b
      wideseek train sft --config sft.toml optim.lr=3e-4 epochs=2
      wideseek train sft data=runs/a/trajectories.jsonl model.path=nano out=runs/sft
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
