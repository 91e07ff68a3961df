"""The live web as a corpus: a search engine, a page reader, a cache, and recordings to replay.

Names are imported when they are first used, because most of them load an HTTP client.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
