"""The `human` renderer: a live view in the terminal with one panel or line per agent.

Without a terminal, plain lines.
"""

from __future__ import annotations

import atexit
import time
from typing import Any, TypeAlias

from rich.console import Console, ConsoleRenderable
from rich.live import Live
from rich.text import Text

from wideseek_env.copying import Independent
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.render.answer import scored_answer
from wideseek_env.render.lanes import live_frame
from wideseek_env.render.printable import one_line
from wideseek_env.render.view import Lane, view_of

HumanRenderer: TypeAlias = "LiveRenderer | PlainRenderer"

FRAMES_PER_SECOND = 4.0
"""Maximum number of steps shown per second, so that people can follow a fast policy."""

_PLAIN = 200  # maximum number of characters of a plain line


def human_renderer(console: Console | None = None, fps: float = FRAMES_PER_SECOND) -> HumanRenderer:
    """A live view if the console is an interactive terminal, otherwise plain lines."""
    console = console if console is not None else _console()
    live = console.is_terminal and not console.is_dumb_terminal and not console.is_jupyter
    return LiveRenderer(console, fps) if live else PlainRenderer(console)


def _console() -> Console:
    return Console(highlight=False)


def _renderer(fps: float) -> HumanRenderer:
    return human_renderer(fps=fps)


class LiveRenderer:
    """Redraws the lanes after every step, and prints the scored answer when the episode has ended.

    The terminal is restored when an episode ends, when drawing fails and when `close` is called. At the latest, it is
    restored when the process exits.
    """

    def __init__(self, console: Console, fps: float = FRAMES_PER_SECOND) -> None:
        self._console = console
        self._pause = 1.0 / fps if fps > 0 else 0.0
        self._live: Live | None = None
        self._shown = 0.0

    def __copy__(self) -> LiveRenderer:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LiveRenderer:
        return self  # a terminal has one view, which shows the environment that was stepped last

    def __reduce__(self) -> tuple[Any, ...]:
        return _renderer, (1.0 / self._pause if self._pause else 0.0,)

    def begin(self, run: EpisodeRun) -> None:
        """Start a view."""
        self.close()
        # No refresh thread: frames are drawn after each step, and a fork copies no thread.
        self._live = Live(
            console=self._console, auto_refresh=False, transient=False, vertical_overflow="crop"
        )
        atexit.register(self.close)
        self._live.start()
        self.update(run)

    def update(self, run: EpisodeRun) -> None:
        """Draw the state after a step.

        The method waits first if the last frame was not shown long enough to be read.
        """
        if self._live is None:
            self.begin(run)
            return
        try:
            left = self._shown + self._pause - time.monotonic()
            if left > 0:
                time.sleep(left)
            self._live.update(self._frame(run), refresh=True)
            self._shown = time.monotonic()
        except BaseException:
            self.close()
            raise
        if run.done:
            self.close()
            self._console.print(scored_answer(run))

    def render(self) -> None:
        """Returns None, because the view is live."""

    def close(self) -> None:
        """Stop the view and show the cursor again."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
            atexit.unregister(self.close)

    def _frame(self, run: EpisodeRun) -> ConsoleRenderable:
        width, height = self._console.size
        return live_frame(view_of(run), width, height)


class PlainRenderer(Independent):
    """Prints a line for each action and result of an agent, for pipes, logs and notebooks."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[str, Lane] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> PlainRenderer:
        copied = PlainRenderer(self._console)
        copied._said = dict(self._said)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {"_said": self._said}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _console=_console())

    def begin(self, run: EpisodeRun) -> None:
        """Print the question."""
        self._said = {}
        view = view_of(run)
        self._line(f"[{view.task_id}] {view.question}")
        if run.done:
            self.update(run)

    def update(self, run: EpisodeRun) -> None:
        """Print new actions and results, and at the end the scored answer."""
        view = view_of(run)
        for lane in view.lanes:
            before = self._said.get(lane.agent)
            if lane == before or not lane.turn:
                continue
            self._said[lane.agent] = lane
            if before is None or (before.turn, before.action) != (lane.turn, lane.action):
                self._line(f"{lane.agent} {lane.turn}/{lane.limit}: {lane.action}")
            if lane.result and (before is None or before.result != lane.result):
                self._line(f"{lane.agent}   → {lane.result}")
        if run.done:
            self._line(view.counts)
            self._console.print(scored_answer(run))

    def render(self) -> None:
        """Returns None, because lines are printed during the episode."""

    def close(self) -> None:
        """Nothing to do."""

    def _line(self, text: str) -> None:
        self._console.print(Text(one_line(text, _PLAIN)), soft_wrap=True)
