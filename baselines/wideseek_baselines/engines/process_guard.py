"""Ends the processes of an engine when the process that started the engine is killed.

A process that is killed with SIGKILL cannot end its children. So `ProcessGuard` starts a small process, the guard, that
outlives it. All processes that an engine starts inherit an environment variable, the mark. When the engine's owner has
died, the guard kills every process with the mark. That includes grandchildren, such as the workers of a vLLM engine
core, at any point of their start.

The guard reads ``/proc``, so it works on Linux only. Elsewhere nothing is guarded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

MARK = "WIDESEEK_ENGINE_MARK"
KEEP_ENVIRONMENT = "SPT_NOENV"
"""Tells the package setproctitle, which vLLM uses, not to overwrite a process's environment with its title."""
CHECK_SECONDS = 0.5
"""How often the guard looks whether its parent has changed."""
SWEEP_SECONDS = 30.0
"""How long the guard tries to end the marked processes."""
_PROC = Path("/proc")
_starting = threading.Lock()


class ProcessGuard:
    """Guards the processes that this process starts inside `marking`. Call `close` when the engine has ended."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.pid: int | None = None
        """The process id of the guard. None if there is no guard."""
        self._pipe: int | None = None
        if not (_PROC / "self" / "environ").exists():
            return
        ours = os.getpid()
        theirs, self._pipe = os.pipe()
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", __file__, str(ours), started(ours) or "", self.mark],
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            self.pid = int(done.stdout)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            log.warning("if this process is killed, the engine's processes will live on: no guard: %s", error)
        finally:
            os.close(theirs)

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """Give the mark to all processes that this process starts inside the block.

        The blocks of several guards run one after the other, because the environment belongs to the whole process.
        """
        with _starting:
            if self.pid is None:
                yield
                return
            _start_resource_tracker()
            added = {MARK: self.mark, KEEP_ENVIRONMENT: "1"}
            before = {name: os.environ.get(name) for name in added}
            os.environ.update(added)
            try:
                yield
            finally:
                for name, value in before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value

    def close(self) -> None:
        """End the guard without ending any other process. A second call does nothing."""
        pipe, self._pipe, self.pid = self._pipe, None, None
        if pipe is not None:
            with contextlib.suppress(OSError):
                os.write(pipe, b"done")
            os.close(pipe)


def _start_resource_tracker() -> None:
    """Start multiprocessing's resource tracker, which the whole program shares, before the mark is set.

    It ends by itself, and it must first remove shared memory that killed processes left.
    """
    with contextlib.suppress(ImportError, OSError):
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


def marked_processes(mark: str) -> list[int]:
    """The ids of all running processes whose environment has this mark."""
    wanted = f"{MARK}={mark}".encode()
    found: list[int] = []
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or belongs to another user
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def started(pid: int) -> str | None:
    """When a process started, in clock ticks since the machine started. None if it has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def watch(owner: int, since: str, mark: str) -> None:
    """Wait until the owner has ended, then kill all processes with the mark. Returns early if the owner writes "done".

    The end of the pipe is the first sign of the owner's death. A forked child may hold the pipe open, so the guard also
    looks whether the owner still runs.
    """
    while started(owner) == since:
        readable, _, _ = select.select([0], [], [], CHECK_SECONDS)
        if readable:
            if os.read(0, 16):
                return
            break
    until = time.monotonic() + SWEEP_SECONDS
    empty = 0
    while empty < 2 and time.monotonic() < until:  # twice, in case a process was just starting another
        found = marked_processes(mark)
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        empty = 0 if found else empty + 1
        time.sleep(0.1)


def _main() -> None:
    """Start the guard as a process that is no child of the owner, and print its id.

    Ray kills the children of a worker that has ended. Ctrl-C and signals to the owner's process group do not reach the
    guard, because it has another session.
    """
    if child := os.fork():
        print(child)
        return
    os.setsid()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)  # else the owner would wait for the end of this output
    watch(int(sys.argv[1]), sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    _main()
