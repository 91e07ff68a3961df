"""A corpus as an HTTP service: `create_app` for any ASGI server, `run_server` for one machine.

It needs the extra `serve` (FastAPI and uvicorn). Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
