"""Ends a worker process when the process that started it has died, even if that one was killed."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time


def end_with_parent(grace: float) -> None:
    """Stop this process when its parent has died. It stops as after SIGTERM, and after `grace` seconds at once.

    Nothing happens in a process that `multiprocessing` did not start.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, name="wideseek-parent", daemon=True).start()
