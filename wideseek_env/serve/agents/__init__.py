"""Agents from outside: an episode some of whose agents are played by a program that is no `Policy`.

`OutsideEpisode` is one such episode, `EpisodeDesk` keeps many. Two doors lead to them: `mcp_server` speaks the Model
Context Protocol (extra `mcp`), `create_agents_app` HTTP with messages in OpenAI's form (extra `serve`), where a
whole team also answers as a chat model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
