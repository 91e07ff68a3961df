"""The viewer: shows recorded runs in one self-contained HTML page, in a file or from a local server."""

from wideseek_env.viewer.page import write_page
from wideseek_env.viewer.runs import RunReader
from wideseek_env.viewer.server import ViewServer

__all__ = ["RunReader", "ViewServer", "write_page"]
