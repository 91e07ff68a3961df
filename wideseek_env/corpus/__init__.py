"""Corpora: documents that can be searched and pages that can be fetched.

Names are imported when they are first used, because most of them load the search engine.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
