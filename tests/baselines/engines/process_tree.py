"""A stand-in for an engine's processes: a child that is hard to end, and its children."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.process_guard import ProcessGuard

SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]


def core(pipe: Any) -> None:
    """The child: deaf to signals, in another session, with a child by exec and one by fork."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.setsid()
    executed = subprocess.Popen(SLEEP).pid
    forked = os.fork()
    if not forked:
        time.sleep(600)
    pipe.send([os.getpid(), executed, forked])
    time.sleep(600)


def start_tree() -> list[int]:
    """Start the child with the method of vLLM. Returns the ids of all its processes."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    context.Process(target=core, args=(theirs,), daemon=True).start()
    return list(mine.recv())


def alive(pid: int) -> bool:
    """Whether a process runs. A process that waits to be reaped does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int], seconds: float = 30.0) -> bool:
    """Whether all these processes end before the time is over."""
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(alive, pids))


def own(mode: str) -> None:
    """Run as the owner of a tree, in one of several ways. Prints the ids of processes, and then waits to be killed."""
    outside = subprocess.Popen(SLEEP).pid
    guard = ProcessGuard()
    held: list[int] = []
    if mode == "loading":  # killed inside `marking`, where a real engine loads its model for minutes
        with guard.marking():
            tell(guard, start_tree(), outside)
            time.sleep(600)
    if mode == "thread":  # the thread that started the engine ends long before the program
        found: list[int] = []

        def load() -> None:
            with guard.marking():
                found.extend(start_tree())

        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
    else:
        with guard.marking():
            found = start_tree()
    if mode == "pipe_held":  # a forked child keeps the guard's pipe open
        child = os.fork()
        if not child:
            time.sleep(600)
        held.append(child)
    if mode == "closed":  # the engine has ended in the ordinary way, and leaves others alone
        guard.close()
        guard.close()
    tell(guard, found, outside, held)
    if mode == "exits":
        os._exit(0)
    time.sleep(600)


def tell(guard: ProcessGuard, tree: list[int], outside: int, held: list[int] | None = None) -> None:
    """Print the ids of processes as one line of JSON."""
    print(json.dumps({"guard": guard.pid, "tree": tree, "outside": [outside, *(held or [])]}), flush=True)


if __name__ == "__main__":
    own(sys.argv[1])
