"""Tasks: questions with gold tables, files that hold them, and worlds that make them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
