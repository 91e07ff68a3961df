"""The live web as a corpus: a search engine, a page reader, a cache, and recordings to replay.

Everything is imported on first use, because it loads an HTTP client.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
