"""Fetching from the web when a model chooses the addresses: checked, limited, paced and never trusting.

Everything is imported on first use, because it loads an HTTP client.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
