"""Agents from outside: episodes in which a program that is not a `Policy` acts for some agents.

`OutsideEpisode` is one such episode. `EpisodeDesk` keeps many episodes. Programs can connect to them in two ways:

* `mcp_server` speaks the Model Context Protocol (extra `mcp`).
* `create_agents_app` speaks HTTP with messages in OpenAI's form (extra `serve`). Through this app, a whole team can
  also answer as a chat model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
