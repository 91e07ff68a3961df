"""Tools: their form for models, custom tools, and the executor that runs tool calls."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
