"""The names that `wideseek_env.serve.agents` exports; each is imported when it is first used."""

from .app import create_agents_app as create_agents_app
from .desk import DeskSettings as DeskSettings
from .desk import EpisodeDesk as EpisodeDesk
from .mcp_server import mcp_server as mcp_server
from .mcp_server import mcp_tools_server as mcp_tools_server
from .outside import OutsideEpisode as OutsideEpisode
from .outside import Reply as Reply
from .outside import Seat as Seat
from .policy_pool import PolicyPool as PolicyPool
