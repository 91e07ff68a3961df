"""Showing an episode: as text (`ansi`), or live in the terminal with a lane for each agent (`human`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from wideseek_env.episode_run import EpisodeRun

__all__ = ["Renderer", "render", "renderer_for"]


class Renderer(Protocol):
    """Follows one episode after the other."""

    def begin(self, run: EpisodeRun) -> None:
        """An episode begins."""
        ...

    def update(self, run: EpisodeRun) -> None:
        """A step has been played; the last one when ``run.done``."""
        ...

    def render(self) -> str | None:
        """The present state as text, or None where the view is live."""
        ...

    def close(self) -> None:
        """End the view; calling it twice is harmless."""
        ...


def renderer_for(mode: str | None, modes: Sequence[str]) -> Renderer | None:
    """The renderer of a mode; `ConfigError` for a mode that does not exist."""
    if mode is None:
        return None
    if mode == "ansi" and mode in modes:
        from wideseek_env.render.ansi import AnsiRenderer

        return AnsiRenderer()
    if mode == "human" and mode in modes:
        from wideseek_env.render.human import human_renderer

        return human_renderer()
    raise ConfigError(f"no render mode {mode!r}; there are: {', '.join(modes)}")


def render(renderer: Renderer | None) -> str | None:
    """What `render` of every environment returns: text for "ansi", None for "human".

    Raises:
        ConfigError: The environment was made without a render mode.
    """
    if renderer is None:
        raise ConfigError("nothing to render: pass render_mode='ansi' or 'human' when making the environment")
    return renderer.render()
