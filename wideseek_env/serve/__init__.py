"""A corpus as an HTTP service. `create_app` makes an application for any ASGI server. `run_server` runs the service on
this machine.

The service needs the extra `serve` (FastAPI and uvicorn). Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
