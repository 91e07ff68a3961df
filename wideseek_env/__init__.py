"""WideSeek: a multi-agent environment for broad information seeking.

``wideseek_env.parallel_env()`` is the PettingZoo parallel environment, ``wideseek_env.env()`` its AEC form and
``gymnasium.make("wideseek_env:WideSeek-v0")`` the single agent. All work offline on a synthetic world. The names that
this package exports are listed in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

from wideseek_env.registration import register_environments

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

register_environments()
