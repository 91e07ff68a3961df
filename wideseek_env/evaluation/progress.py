"""``progress.json``: the current state of a run, in a small file next to its records. Other processes may read it.

A thread of the run replaces the whole file, at most once per second. If nothing happens, the thread writes it again
every ten seconds, so the file's age shows whether the run is alive. The results of a run are in its records, not here.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from wideseek_env.errors import BudgetError
from wideseek_env.files import write_whole

FORMAT = 1
PROGRESS = "progress.json"
EVERY = 1.0
"""Minimum number of seconds between two versions of the file."""

BEAT = 10.0
"""Number of seconds after which the file is written again even if nothing has changed."""

SILENT = 60.0
"""If the file of a running run has not changed for this number of seconds, the run counts as silent."""

_LARGEST = 1 << 20

State: TypeAlias = Literal["running", "finished", "interrupted", "failed"]
"""The state that a run writes. `failed` means that an error ended the run. `interrupted` means that Ctrl-C ended it."""

Seen: TypeAlias = Literal[
    "waiting", "running", "finished", "interrupted", "failed", "killed", "silent", "unknown"
]
"""The state that a process sees when it reads the file of another process. In addition to `State`:

* `waiting`: there is no run yet.
* `killed`: the process is gone, but its last state is `running`.
* `silent`: the run has not written for a minute, and its process is not known to be gone.
* `unknown`: the run has no progress file.
"""


def progress_file(path: Path) -> Path:
    """The path of the progress file of the run at `path`. It is in the run's folder, or next to the run's file."""
    return path / PROGRESS if path.is_dir() else path.with_name(f"{path.name}.{PROGRESS}")


class ProgressFile:
    """Writes the values of `look` to a file after each call of `changed`, until `close`.

    If the file cannot be written, for example because the disk is full, the old file stays and the run continues.

    Args:
        path: The file. Its folder must exist.
        look: Returns the current state as JSON values. It is called on the writing thread and by `close`.
    """

    def __init__(self, path: Path, look: Callable[[], Mapping[str, Any]]) -> None:
        self._path = path
        self._look = look
        self._dirty = threading.Event()
        self._stop = threading.Event()
        self._write("running")
        self._thread = threading.Thread(target=self._run, name="wideseek-progress", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Tell the writing thread that the state has changed."""
        self._dirty.set()

    def close(self, state: State) -> None:
        """Write the last state. Further calls do nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._dirty.set()
        self._thread.join()
        self._write(state)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self._dirty.wait(BEAT)
            self._dirty.clear()
            if not self._stop.is_set():
                self._write("running")

    def _write(self, state: State) -> None:
        about = {"format": FORMAT, "state": state, "pid": os.getpid(), "host": socket.gethostname()}
        text = json.dumps({**about, "updated": time.time(), **self._look()})
        with contextlib.suppress(OSError):
            # If this version is lost, the next version replaces it.
            write_whole(self._path, text + "\n", sync=False)


@contextmanager
def announced(run: Path, look: Callable[[], Mapping[str, Any]]) -> Iterator[ProgressFile]:
    """Keep the progress file of the run in the folder `run` during a block. The folder is created if needed.

    The way in which the block ends decides the last state: finished, interrupted or failed. `look` returns the current
    state as JSON values, with at least ``{"kind": …}``. It is called on the writing thread.
    """
    run.mkdir(parents=True, exist_ok=True)
    file = ProgressFile(progress_file(run), look)
    state: State = "failed"
    try:
        yield file
        state = "finished"
    except (KeyboardInterrupt, BudgetError):
        state = "interrupted"
        raise
    finally:
        file.close(state)


@contextmanager
def announced_steps(run: Path, total: int, step: Callable[[], int]) -> Iterator[None]:
    """`announced` for a training run of `total` steps. `step` returns the number of finished steps. It is called on
    the writing thread."""
    began, first = time.monotonic(), step()

    def look() -> dict[str, Any]:
        done = step()
        session = {"seconds": round(time.monotonic() - began, 3), "steps": done - first}
        return {"kind": "train", "total": total, "step": done, "session": session}

    with announced(run, look):
        yield


@dataclass(frozen=True, slots=True)
class Progress:
    """The content of a progress file. Every field has the right type, even if the file is damaged."""

    state: State
    values: Mapping[str, Any]
    pid: int
    host: str
    updated: float

    def number(self, name: str) -> float | None:
        """The value called `name` if it is a finite number of at least 0, else None."""
        return number(self.values.get(name))

    def seen(self, now: float) -> Seen:
        """The state of the run as seen by this process, which reads the file.

        `now` is the time in seconds since 1970.
        """
        if self.state != "running":
            return self.state
        if self.host == socket.gethostname() and not _alive(self.pid):
            return "killed"
        return "running" if now - self.updated < SILENT else "silent"


def read_progress(path: Path) -> Progress | None:
    """The content of the file. None if there is no file, or if it is not a progress file."""
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(_LARGEST))
        state, pid, host = data["state"], data["pid"], data["host"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    updated = number(data.get("updated"))
    if state not in ("running", "finished", "interrupted", "failed") or updated is None:
        return None
    if not isinstance(pid, int) or not 0 < pid < 1 << 31 or not isinstance(host, str):
        return None
    return Progress(state, data, pid, host, updated)


def number(value: Any) -> float | None:
    """`value` if it is a finite number of at least 0, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        return float(value) if math.isfinite(value) and value >= 0 else None
    return None


def _alive(pid: int) -> bool:
    if os.name == "nt":  # on Windows, signal 0 would end the process, so only the file's age is used
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # the process exists and belongs to another user
    return True
