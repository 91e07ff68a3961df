"""What a run of training prints where nothing can be drawn: one line a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

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


def print_step(values: Mapping[str, Any]) -> None:
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


def print_supervised(values: Mapping[str, Any]) -> None:
    """One line for a step of a warm start, or for a look at its held-out loss."""
    head = f"{values['step']:>6}/{values['steps']}"
    if "held_out_loss" in values:
        click.echo(f"{head}  held-out loss {values['held_out_loss']:.4f}")
        return
    click.echo(
        f"{head}  loss {values['loss']:.4f}  lr {values['lr']:.2e}  gradient {values['gradient_norm']:.2f}  "
        f"{values['tokens_per_second']:,.0f} tokens/s"
    )


def _width(form: str) -> int:
    """Characters of a number in this format."""
    return int(form.split(".")[0].rstrip(","))
