"""WideSeek: a multi-agent environment for broad information seeking.

``wideseek_env.parallel_env()`` makes the PettingZoo parallel environment, ``wideseek_env.env()`` makes the AEC
environment, and ``gymnasium.make("wideseek_env:WideSeek-v0")`` makes the single agent's environment. By default all
three work offline on a synthetic world. ``__init__.pyi`` lists the names that this package exports. Each name is
imported when it is first used.
"""

import lazy_loader

from wideseek_env.registration import register_environments

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

register_environments()
