"""Worker processes of a build. They end when the process that started them ends, however it ends.

A worker is a fresh Python process and gets its work through pipes. So a build needs no ``if __name__ == "__main__"`` in
the user's program, and works in a process with threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from wideseek_env.errors import CorpusError, WideSeekError

MAX_WORKERS = 8
"""Most worker processes of a build. Reading a file and merging, in one process, cannot keep more of them busy."""

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from wideseek_env.corpus.workers import serve; serve()"
)
_SIZE = 8  # bytes of the length before an answer
_WATCH = 0.2  # seconds between looks whether the parent is alive


class Job(Protocol):
    """Work for a worker. It can be pickled."""

    def run(self, state: dict[str, Any], report: Callable[[int], None]) -> Any:
        """The result. `state` belongs to the worker and is kept between jobs. `report` takes the progress so far."""
        ...


def cpus() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Processes that run jobs. Results are given to the `then` of each job, in the process that submitted it."""

    def __init__(self, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._idle: deque[_Worker] = deque()
        self._all: list[_Worker] = []
        for _ in range(count):
            worker = _Worker()
            self._all.append(worker)
            self._idle.append(worker)
            self._selector.register(worker.output, selectors.EVENT_READ, worker)
        self._failed: list[tuple[int, Exception]] = []

    def __len__(self) -> int:
        return len(self._all)

    def submit(
        self,
        number: int,
        job: Job,
        then: Callable[[Any], None],
        progress: Callable[[int], None] = lambda _: None,
        at_once: int = MAX_WORKERS,
    ) -> None:
        """Start `job` as soon as a worker is idle and fewer than `at_once` jobs run. Of several jobs that fail, the one
        with the lowest `number` raises its error."""
        while not self._idle or len(self._all) - len(self._idle) >= at_once:
            self.poll(None)
        self._start(self._idle.popleft(), number, job, then, progress)

    def each(self, job: Job, then: Callable[[Any], None]) -> None:
        """Run `job` once in every worker, after all other jobs."""
        self.wait()
        for worker in list(self._idle):
            self._idle.remove(worker)
            self._start(worker, 0, job, then, lambda _: None)
        self.wait()

    def _start(
        self,
        worker: _Worker,
        number: int,
        job: Job,
        then: Callable[[Any], None],
        progress: Callable[[int], None],
    ) -> None:
        worker.number, worker.then, worker.progress = number, then, progress
        worker.send(job)

    def poll(self, timeout: float | None = 0.0) -> None:
        """Handle the answers that have arrived, or wait for one for `timeout` seconds."""
        for key, _ in self._selector.select(timeout):
            worker: _Worker = key.data
            kind, value = worker.receive()
            if kind == "progress":
                worker.progress(value)
                continue
            self._idle.append(worker)
            if kind == "error":
                self._failed.append((worker.number, value))
                self._raise()
            worker.then(value)

    def _raise(self) -> None:
        """Raise the error of the earliest job, whatever the workers' speed."""
        failed = self._failed[0]
        if isinstance(failed[1], WorkerGone):
            raise failed[1]
        while len(self._idle) < len(self._all):
            for key, _ in self._selector.select(None):
                worker: _Worker = key.data
                kind, value = worker.receive()
                if kind == "progress":
                    continue
                self._idle.append(worker)
                if kind == "error":
                    self._failed.append((worker.number, value))
        raise min(self._failed, key=lambda failure: failure[0])[1]

    def wait(self) -> None:
        """Wait until all jobs are done."""
        while len(self._idle) < len(self._all):
            self.poll(None)

    def close(self) -> None:
        """End the processes."""
        for worker in self._all:
            worker.process.kill()
        for worker in self._all:
            worker.end()
        self._selector.close()


class WorkerGone(CorpusError):
    """A worker process ended before its work was done."""


class _Worker:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a buffer could hide an answer from the selector
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self.output = self.process.stdin, self.process.stdout
        self.number = 0
        self.then: Callable[[Any], None] = lambda _: None
        self.progress: Callable[[int], None] = lambda _: None

    def send(self, job: Job) -> None:
        data = memoryview(pickle.dumps(job, pickle.HIGHEST_PROTOCOL))
        try:
            while data:
                data = data[self._input.write(data) or 0 :]
        except BrokenPipeError:
            raise self._gone() from None

    def receive(self) -> tuple[str, Any]:
        data = self._read(int.from_bytes(self._read(_SIZE), "little"))
        if not data:
            return "error", self._gone()
        kind, value = pickle.loads(data)
        return kind, value

    def _read(self, size: int) -> bytes:
        """`size` bytes, or none if the process has ended."""
        parts = []
        while size and (part := self.output.read(size)):
            parts.append(part)
            size -= len(part)
        return b"" if size else b"".join(parts)

    def _gone(self) -> WorkerGone:
        code = self.process.wait()
        return WorkerGone(
            f"a worker process of the build ended with exit code {code}; if memory or disk is short, free some, and "
            "build again"
        )

    def end(self) -> None:
        self.process.wait()
        for stream in (self._input, self.output):
            with contextlib.suppress(OSError):
                stream.close()


def serve() -> None:
    """Run jobs from standard input, in a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    state: dict[str, Any] = {}

    def answer(kind: str, value: Any) -> None:
        data = pickle.dumps((kind, value), pickle.HIGHEST_PROTOCOL)
        answers.write(len(data).to_bytes(_SIZE, "little"))
        answers.write(data)
        answers.flush()

    while True:
        try:
            job = pickle.load(jobs)
        except EOFError:
            return
        try:
            result = job.run(state, lambda done: answer("progress", done))
        except WideSeekError as error:
            answer("error", error)
        except Exception as error:
            answer("error", CorpusError(f"a worker process of the build failed: {error!r}"))
        else:
            answer("result", result)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)
