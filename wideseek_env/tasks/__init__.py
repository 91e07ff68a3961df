"""Tasks: questions with gold tables, files of tasks, and generators that make tasks from worlds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
