"""Agents from outside: an episode some of whose agents are played by a program that is no `Policy`.

`OutsideEpisode` is one such episode, `EpisodeDesk` keeps many. Two doors lead to them: `mcp_server` speaks the Model
Context Protocol (extra `mcp`), `create_agents_app` HTTP with messages in OpenAI's form (extra `serve`), where a
whole team also answers as a chat model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wideseek_env.lazy import lazy_exports

if TYPE_CHECKING:
    from wideseek_env.serve.agents.app import create_agents_app
    from wideseek_env.serve.agents.desk import DeskSettings, EpisodeDesk
    from wideseek_env.serve.agents.mcp_server import mcp_server, mcp_tools_server
    from wideseek_env.serve.agents.outside import OutsideEpisode, Reply, Seat
    from wideseek_env.serve.agents.players import Players

__all__ = [
    "DeskSettings",
    "EpisodeDesk",
    "OutsideEpisode",
    "Players",
    "Reply",
    "Seat",
    "create_agents_app",
    "mcp_server",
    "mcp_tools_server",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DeskSettings": "desk",
        "EpisodeDesk": "desk",
        "OutsideEpisode": "outside",
        "Players": "players",
        "Reply": "outside",
        "Seat": "outside",
        "create_agents_app": "app",
        "mcp_server": "mcp_server",
        "mcp_tools_server": "mcp_server",
    },
)
