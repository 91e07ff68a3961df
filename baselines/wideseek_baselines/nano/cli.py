"""The command `wideseek nano`."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import click

from wideseek_baselines.nano.model import SIZES
from wideseek_env.cli.output import ResultCommand, result


@click.command(cls=ResultCommand)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--size",
    type=click.Choice(tuple(SIZES)),
    default="tiny",
    show_default=True,
    help="Size of the model: tiny, small or base.",
)
@click.option(
    "--vocab", type=int, default=3072, show_default=True, help="Number of tokens in the vocabulary."
)
@click.option(
    "--context", type=int, default=4096, show_default=True, help="Length of the longest sequence in tokens."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the initial weights.")
@click.option(
    "--worlds",
    type=int,
    default=96,
    show_default=True,
    help="Number of synthetic worlds whose text the tokenizer is trained on.",
)
@click.option(
    "--copying",
    is_flag=True,
    help="Set some initial weights so that the model can copy names. Such a model can be trained on a CPU.",
)
def nano(folder: Path, size: str, vocab: int, context: int, seed: int, worlds: int, copying: bool) -> None:
    """Make an untrained language model of a few million weights in DIR.

    The model has the architecture of Qwen3. transformers and vLLM can load it. Its tokenizer is trained on scripted
    episodes in synthetic worlds. The same options give the same bytes.
    """
    from wideseek_baselines.nano.build import STAGES, make_nano
    from wideseek_env.cli.progress import Bar

    with Bar(f"Making {folder}", STAGES, "stages") as bar:
        stages = count()
        made = make_nano(
            folder,
            size=size,
            vocab=vocab,
            context=context,
            seed=seed,
            worlds=worlds,
            copying=copying,
            progress=lambda what: bar.update(next(stages), what[0].lower() + what[1:]),
        )
        bar.update(STAGES)
    result(
        lambda: made,
        f"{made.folder}: {made.weights:,} weights, {made.vocab:,} tokens, sequences of up to {made.context:,}\n"
        f"Held-out episodes: {made.fit.characters_per_token:.2f} characters per token; "
        f"a conversation has {made.fit.median:,} tokens (median), {made.fit.longest:,} at most",
    )


def main() -> None:
    """Run the command like `wideseek nano`, with errors in one line."""
    from wideseek_env.cli.app import App

    App(commands={"nano": nano}).main(["nano", *sys.argv[1:]], prog_name="wideseek")
