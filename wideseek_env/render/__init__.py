"""Shows an episode: as text (`ansi`), or live in the terminal with a panel or line for each agent (`human`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_env.episode_run import EpisodeRun

__all__ = ["Renderer", "render", "renderer_for"]


class Renderer(Protocol):
    """Shows one episode after another."""

    def begin(self, run: EpisodeRun) -> None:
        """Called when an episode begins."""
        ...

    def update(self, run: EpisodeRun) -> None:
        """Called after each step. After the last step, ``run.done`` is True."""
        ...

    def render(self) -> str | None:
        """The current state as text. None if the view is live."""
        ...

    def close(self) -> None:
        """End the view. Further calls do nothing."""
        ...


def renderer_for(mode: str | None, modes: Sequence[str]) -> Renderer | None:
    """The renderer of a mode. None if `mode` is None.

    Raises:
        ConfigError: The mode is not one of `modes`.
    """
    if mode is None:
        return None
    if mode == "ansi" and mode in modes:
        from wideseek_env.render.ansi import AnsiRenderer

        return AnsiRenderer()
    if mode == "human" and mode in modes:
        from wideseek_env.render.human import human_renderer

        return human_renderer()
    raise ConfigError(f"unknown render mode {mode!r}; use one of {', '.join(modes)}")


def render(renderer: Renderer | None) -> str | None:
    """The result of an environment's `render`: text for "ansi", None for "human".

    Raises:
        ConfigError: The environment was made without a render mode.
    """
    if renderer is None:
        raise ConfigError("nothing to render: pass render_mode='ansi' or 'human' when making the environment")
    return renderer.render()
