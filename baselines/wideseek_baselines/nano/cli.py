"""The command `wideseek nano`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wideseek_baselines.nano.model import SIZES


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--size", type=click.Choice(tuple(SIZES)), default="tiny", show_default=True, help="Number of weights."
)
@click.option("--vocab", type=int, default=3072, show_default=True, help="Tokens of the vocabulary.")
@click.option("--context", type=int, default=4096, show_default=True, help="Tokens of the longest sequence.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first weights.")
@click.option(
    "--worlds", type=int, default=96, show_default=True, help="Worlds whose text makes the tokenizer."
)
@click.option(
    "--copying",
    is_flag=True,
    help="Lay a circuit that copies names into the first weights, for training on a CPU.",
)
def nano(folder: Path, size: str, vocab: int, context: int, seed: int, worlds: int, copying: bool) -> None:
    """Make an untrained language model of a few million weights in DIR.

    It has the architecture of Qwen3, loads in transformers and vLLM, and its tokenizer is made from scripted
    episodes in synthetic worlds. The same options give the same bytes.
    """
    from wideseek_baselines.nano.build import make_nano

    made = make_nano(
        folder,
        size=size,
        vocab=vocab,
        context=context,
        seed=seed,
        worlds=worlds,
        copying=copying,
        progress=lambda what: click.echo(f"{what} …", err=True),
    )
    click.echo(
        f"{made.folder}: {made.weights:,} weights, {made.vocab:,} tokens, sequences of up to {made.context:,}\n"
        f"Held-out episodes: {made.fit.characters_per_token:.2f} characters a token; "
        f"a conversation has {made.fit.median:,} tokens (median), {made.fit.longest:,} at most"
    )


def main() -> None:
    """Run the command as `wideseek nano` does, with errors in one line."""
    from wideseek_env.cli.app import App

    App(commands={"nano": nano}).main(["nano", *sys.argv[1:]], prog_name="wideseek")
