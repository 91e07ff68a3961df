"""Fetches pages whose addresses a model chooses. Addresses are checked, requests are limited and paced, and servers are
not trusted.

Names are imported when they are first used, because most of them load an HTTP client.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
