"""Summaries of pages: a model reads a page and returns what it says about a question."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
