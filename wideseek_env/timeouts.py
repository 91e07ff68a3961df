"""`run_with_timeout`: runs functions on threads and abandons those that take too long.

Python cannot stop a thread. So a job sets a `time_limit`, and its loops call `check_time`, which ends abandoned work.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from wideseek_env.errors import TimeLimitError

T = TypeVar("T")
_limits = threading.local()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let `check_time` raise an error on this thread when `seconds` have passed. Of nested limits, the earlier one
    counts."""
    outer = getattr(_limits, "end", None)
    end = time.monotonic() + seconds
    _limits.end = end if outer is None else min(end, outer)
    try:
        yield
    finally:
        _limits.end = outer


def check_time() -> None:
    """Raise `TimeLimitError` when the time limit of this thread has passed. Without a limit, do nothing."""
    end = getattr(_limits, "end", None)
    if end is not None and time.monotonic() > end:
        raise TimeLimitError("the work took longer than its time limit and was ended")


def run_with_timeout(
    jobs: Sequence[Callable[[], T]],
    *,
    late: Callable[[int], T],
    timeout: float,
    workers: int,
    name: str = "wideseek-tool",
) -> list[T]:
    """Run jobs on at most `workers` threads. A job that takes longer than `timeout` seconds is abandoned.

    Jobs must not raise errors. Threads are daemons, so a call that never returns cannot keep the process alive.

    Args:
        jobs: The functions to call.
        late: Makes the result of an abandoned job from the job's index.
        timeout: The seconds that one job may take from its start.
        workers: The most jobs at the same time.
        name: The name of the threads.

    Returns:
        One result for each job, in the order given.
    """
    answers: dict[int, T] = {}
    started: dict[int, float] = {}
    queue = deque(range(len(jobs)))
    changed = threading.Condition()

    def work() -> None:
        while True:
            with changed:
                if not queue:
                    return
                index = queue.popleft()
                started[index] = time.monotonic()
            answer = jobs[index]()
            with changed:
                if index in answers:
                    return  # the job was abandoned, and another thread has replaced this one
                answers[index] = answer
                changed.notify()

    def start() -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    for _ in range(min(workers, len(jobs))):
        start()
    with changed:
        while len(answers) < len(jobs):
            now = time.monotonic()
            waits = [timeout]
            for index, since in started.items():
                if index not in answers:
                    left = since + timeout - now
                    if left > 0:
                        waits.append(left)
                        continue
                    answers[index] = late(index)
                    if queue:
                        start()
            if len(answers) < len(jobs):
                changed.wait(min(waits))
    return [answers[index] for index in range(len(jobs))]
