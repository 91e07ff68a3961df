"""``progress.json``: where a run is, in a small file beside its records that other processes may read at any time.

It is replaced as a whole, at most once a second, by a thread of the run; while nothing happens it is renewed every ten
seconds, so that its age says whether the run is alive. What a run came to is in its records, not here.
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

from wideseek_env.files import write_whole

FORMAT = 1
PROGRESS = "progress.json"
EVERY = 1.0
"""Seconds between two versions of the file at least."""

BEAT = 10.0
"""Seconds after which it is written again though nothing has changed."""

SILENT = 60.0
"""Seconds without a new version after which a run whose process cannot be asked counts as silent."""

_LARGEST = 1 << 20

State: TypeAlias = Literal["running", "finished", "interrupted", "failed"]
"""What a run says of itself: `failed` when an error ended it, `interrupted` when Ctrl-C did."""

Seen: TypeAlias = Literal[
    "waiting", "running", "finished", "interrupted", "failed", "killed", "silent", "unknown"
]
"""What others see: besides `State`, nothing there yet, a process that is gone without having said so (`killed`), one on
another machine that has been silent for a minute, and a run that never said anything."""


def progress_file(path: Path) -> Path:
    """Where the progress of the run at `path` is: in its folder, or beside its file."""
    return path / PROGRESS if path.is_dir() else path.with_name(f"{path.name}.{PROGRESS}")


class ProgressFile:
    """Writes what `look` gives whenever `changed` was called, until `close`.

    Args:
        path: The file; its folder exists.
        look: JSON values of the moment; called on the writing thread and by `close`.

    A file that cannot be written (a full disk) is left as it is: a view is no reason to end a run.
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
        """Something has happened."""
        self._dirty.set()

    def close(self, state: State) -> None:
        """Write how it ended; harmless when done before."""
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
            write_whole(self._path, text + "\n", sync=False)  # the next version comes in a second


@contextmanager
def announced(run: Path, look: Callable[[], Mapping[str, Any]]) -> Iterator[ProgressFile]:
    """Keep the progress file of the run in the folder `run`, made if need be, for the length of a block.

    How the block is left decides the last state. `look` gives at least ``{"kind": …}``; see `ProgressFile`.
    """
    run.mkdir(parents=True, exist_ok=True)
    file = ProgressFile(progress_file(run), look)
    state: State = "failed"
    try:
        yield file
        state = "finished"
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    finally:
        file.close(state)


@contextmanager
def announced_steps(run: Path, total: int, step: Callable[[], int]) -> Iterator[None]:
    """`announced` for a training of `total` steps; `step` gives those that are done, and is called on a thread."""
    began, first = time.monotonic(), step()

    def look() -> dict[str, Any]:
        done = step()
        session = {"seconds": round(time.monotonic() - began, 3), "steps": done - first}
        return {"kind": "train", "total": total, "step": done, "session": session}

    with announced(run, look):
        yield


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress file says; every field has the right type, whatever is in the file."""

    state: State
    values: Mapping[str, Any]
    pid: int
    host: str
    updated: float

    def number(self, name: str) -> float | None:
        """The value called `name`, if it is a finite number of at least 0."""
        return number(self.values.get(name))

    def seen(self, now: float) -> Seen:
        """What another process makes of it; `now` as `time.time`."""
        if self.state != "running":
            return self.state
        if self.host == socket.gethostname() and not _alive(self.pid):
            return "killed"
        return "running" if now - self.updated < SILENT else "silent"


def read_progress(path: Path) -> Progress | None:
    """What the file says; None when there is none, or it is none of ours."""
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
    if os.name == "nt":  # there a signal of 0 would end the process; its silence must do
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True
