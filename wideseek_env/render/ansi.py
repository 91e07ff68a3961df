"""The `ansi` renderer: shows the state of an episode as a few plain lines without control characters."""

from __future__ import annotations

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.render.printable import one_line
from wideseek_env.render.view import View, view_of

_WIDTH = 120


class AnsiRenderer:
    """Returns the current state as text. It prints nothing."""

    def __init__(self) -> None:
        self._run: EpisodeRun | None = None

    def begin(self, run: EpisodeRun) -> None:
        """Show this episode from now on."""
        self._run = run

    def update(self, run: EpisodeRun) -> None:
        """Nothing to do: `render` reads the current state."""
        self._run = run

    def render(self) -> str:
        """The question, one or two lines per agent, counts, and after the end the score. "" before the first reset."""
        return format_view(view_of(self._run)) if self._run is not None else ""

    def close(self) -> None:
        """Forget the episode."""
        self._run = None


def format_view(view: View, width: int = _WIDTH) -> str:
    """`view` as lines of at most `width` characters."""
    lines = [one_line(f"[{view.task_id}] {view.question}", 2 * width)]
    name = max(len(lane.agent) for lane in view.lanes)
    state = max(len(lane.state) for lane in view.lanes)
    for lane in view.lanes:
        head = f"{lane.agent:<{name}}  {lane.state:<{state}}  "
        lines.append(one_line_keeping(head, lane.action, width))
        if lane.result:
            lines.append(one_line_keeping(" " * len(head) + "→ ", lane.result, width))
    lines.append(view.counts)
    if view.verdict:
        lines.append(view.verdict)
    return "\n".join(line.rstrip() for line in lines)


def one_line_keeping(head: str, text: str, width: int) -> str:
    """`head` in full, then as much of `text` as fits into `width` characters."""
    return head + one_line(text, max(20, width - len(head)))
