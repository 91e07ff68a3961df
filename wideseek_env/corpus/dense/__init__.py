"""Dense retrieval: documents are vectors and are found by meaning. Its results can be fused with those of the full-text
index.

Everything is imported on first use. Models and Qdrant are optional packages.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
