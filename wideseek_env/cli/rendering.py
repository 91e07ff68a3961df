"""Showing the episodes that a command plays, in the way that `--render` names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from wideseek_env.lockstep import Play
from wideseek_env.render.ansi import format_view
from wideseek_env.render.answer import scored_answer
from wideseek_env.render.human import human_renderer
from wideseek_env.render.view import verdict, view_of


@contextmanager
def watching(mode: str, console: Console, fps: float = 4.0) -> Iterator[Callable[[Play], None]]:
    """What `play_episode` takes as ``watch``; the terminal is restored when the block is left, however."""
    if mode != "human":
        yield lambda play: _print(play, mode, console)
        return
    renderer = human_renderer(console, fps)
    begun: list[Play] = []

    def watch(play: Play) -> None:
        if begun and begun[-1] is play:
            renderer.update(play)
        else:
            begun.append(play)
            renderer.begin(play)

    try:
        yield watch
    finally:
        renderer.close()


def _print(play: Play, mode: str, console: Console) -> None:
    if mode == "ansi":
        console.print(Text(format_view(view_of(play), max(40, console.width))), soft_wrap=True)
        console.print()
        if play.done:
            console.print(scored_answer(play))
    elif play.done:
        console.print(Text(verdict(play)), soft_wrap=True)
