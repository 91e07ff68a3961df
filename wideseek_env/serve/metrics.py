"""Counters of a service in Prometheus text format. Workers share them through small memory-mapped files.

Each worker counts in a separate file. The worker that gets the request for metrics adds up all files. The set of
counters and labels is fixed, so a file is one array of numbers.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

PATHS = ("/retrieve", "/access", "/health", "/metrics", "other")
STATUSES = (
    "200",
    "400",
    "401",
    "403",
    "404",
    "405",
    "408",
    "413",
    "415",
    "421",
    "422",
    "500",
    "503",
    "504",
    "other",
)
WORKING = ("/retrieve", "/access")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def _layout() -> dict[tuple[str, ...], int]:
    """The position of each number in the array. A histogram has the positions of its buckets, and after them the
    position of its sum."""
    keys: list[tuple[str, ...]] = [("requests", path, status) for path in PATHS for status in STATUSES]
    for name, bounds in (("seconds", SECONDS), ("batch", SIZES)):
        for path in WORKING:
            keys += [(name, path, str(bound)) for bound in (*bounds, "+Inf")]
            keys.append((name, path, "sum"))
    keys += [("failures", path) for path in WORKING]
    keys.append(("in_flight",))
    return {key: place for place, key in enumerate(keys)}


_PLACES = _layout()


class Metrics:
    """The counters of one worker. If `folder` is None, the counters are not shared with other processes.

    Only the thread of the event loop may call the methods that count.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: NDArray[np.float64] = np.zeros(len(_PLACES))
        if folder is not None:
            file = folder / f"{os.getpid()}-{uuid4().hex[:8]}.counts"
            self._own = np.memmap(file, np.float64, "w+", shape=(len(_PLACES),))

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        path = path if path in PATHS else "other"
        code = str(status) if str(status) in STATUSES else "other"
        self._add("requests", path, code)
        if path in WORKING:
            self._observe("seconds", path, SECONDS, seconds)

    def batch(self, path: str, size: int) -> None:
        """Count the queries or URLs of a request."""
        self._observe("batch", path, SIZES, size)

    def failure(self, path: str) -> None:
        """Count a request for which the corpus raised an exception."""
        self._add("failures", path)

    def in_flight(self, change: int) -> None:
        """Count a request that began (`change` 1) or ended (`change` -1)."""
        self._add("in_flight", amount=change)

    def _add(self, *key: str, amount: float = 1) -> None:
        self._own[_PLACES[key]] += amount

    def _observe(self, name: str, path: str, bounds: tuple[Any, ...], value: float) -> None:
        place = bisect_left(bounds, value)
        self._add(name, path, str(bounds[place]) if place < len(bounds) else "+Inf")
        self._add(name, path, "sum", amount=value)

    def text(self) -> str:
        """The counters of all workers in Prometheus text format."""
        total, workers = self._total()
        return "\n".join((*_lines(total), *_gauges(total, workers))) + "\n"

    def _total(self) -> tuple[NDArray[np.float64], int]:
        if self._folder is None:
            return self._own, 1
        total, workers = np.zeros(len(_PLACES)), 0
        for file in sorted(self._folder.glob("*.counts")):
            counts = np.fromfile(file, np.float64)
            if len(counts) != len(_PLACES):
                continue  # the worker is just starting
            if _alive(int(file.name.partition("-")[0])):
                workers += 1
            else:
                counts[_PLACES[("in_flight",)]] = (
                    0  # the worker is dead, and its requests in flight ended with it
                )
            total += counts
        return total, workers


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lines(total: NDArray[np.float64]) -> Iterator[str]:
    yield "# HELP wideseek_requests_total Requests answered."
    yield "# TYPE wideseek_requests_total counter"
    for path in PATHS:
        for status in STATUSES:
            if count := total[_PLACES["requests", path, status]]:
                yield f'wideseek_requests_total{{path="{path}",status="{status}"}} {count:g}'
    yield "# HELP wideseek_failures_total Requests for which the corpus raised an exception."
    yield "# TYPE wideseek_failures_total counter"
    for path in WORKING:
        yield f'wideseek_failures_total{{path="{path}"}} {total[_PLACES["failures", path]]:g}'
    yield from _histogram(total, "seconds", "wideseek_request_seconds", "Seconds until the answer.", SECONDS)
    yield from _histogram(total, "batch", "wideseek_batch_size", "Queries or URLs per request.", SIZES)


def _histogram(
    total: NDArray[np.float64], key: str, name: str, about: str, bounds: tuple[Any, ...]
) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} histogram"
    for path in WORKING:
        count = 0.0
        for bound in (*bounds, "+Inf"):
            count += total[_PLACES[key, path, str(bound)]]
            yield f'{name}_bucket{{path="{path}",le="{bound}"}} {count:.0f}'
        yield f'{name}_sum{{path="{path}"}} {total[_PLACES[key, path, "sum"]]:.6f}'
        yield f'{name}_count{{path="{path}"}} {count:.0f}'


def _gauges(total: NDArray[np.float64], workers: int) -> Iterator[str]:
    yield "# HELP wideseek_in_flight Requests in flight."
    yield "# TYPE wideseek_in_flight gauge"
    yield f"wideseek_in_flight {total[_PLACES[('in_flight',)]]:.0f}"
    yield "# HELP wideseek_workers Worker processes."
    yield "# TYPE wideseek_workers gauge"
    yield f"wideseek_workers {workers}"
