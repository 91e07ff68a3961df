"""The names that `wideseek_env.serve` exports; each is imported when it is first used."""

from .app import create_app as create_app
from .run import AppFactory as AppFactory
from .run import run_server as run_server
from .settings import ServeSettings as ServeSettings
