"""Shows the episodes that a command runs. `--render` selects how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.render.ansi import format_view
from wideseek_env.render.answer import scored_answer
from wideseek_env.render.human import human_renderer
from wideseek_env.render.view import verdict, view_of


@contextmanager
def watching(mode: str, console: Console, fps: float = 4.0) -> Iterator[Callable[[EpisodeRun], None]]:
    """A context manager that gives the function to pass to `run_episode` as ``on_step``.

    Leaving the block restores the terminal, also after an exception.

    Args:
        mode: ``human`` for a live view, ``ansi`` for a text after each step, ``none`` for the score alone.
        console: Where to print.
        fps: Maximum steps per second of the live view. With 0, the view does not wait.
    """
    if mode != "human":
        yield lambda run: _print(run, mode, console)
        return
    renderer = human_renderer(console, fps)
    begun: list[EpisodeRun] = []

    def watch(run: EpisodeRun) -> None:
        if begun and begun[-1] is run:
            renderer.update(run)
        else:
            begun.append(run)
            renderer.begin(run)

    try:
        yield watch
    finally:
        renderer.close()


def _print(run: EpisodeRun, mode: str, console: Console) -> None:
    if mode == "ansi":
        console.print(Text(format_view(view_of(run), max(40, console.width))), soft_wrap=True)
        console.print()
        if run.done:
            console.print(scored_answer(run))
    elif run.done:
        console.print(Text(verdict(run)), soft_wrap=True)
