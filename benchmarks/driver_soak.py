"""Runs thousands of episodes with random faults. No episode may be lost or doubled, and memory must not grow.

    python benchmarks/driver_soak.py [--episodes 2000] [--concurrency 64] [--seed 0]

The scripted team acts in a synthetic world behind a simulated engine, in real time with short latencies. The engine
fails, writes malformed and cut-off messages, and hangs. Sometimes the engine is lost, and the benchmark replaces it.
Searches and pages fail or time out. The program prints a line after every tenth of the episodes.

The exit code is 1 if one of these is found:

- A job was lost or returned twice.
- An episode without an error has other messages than its replay.
- An object of a finished episode is still in memory.
- Memory grew by more than 10 % from the first half of the run to the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.base import Engine
from wideseek_baselines.engines.simulated import Faults, LogNormal, SimulatedEngine
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.rollout.simulation import SimulatedTeam
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.corpus.base import Corpus, Page, SearchHit
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.game import GameConfig
from wideseek_env.policy import Job
from wideseek_env.tasks.synthetic import synthetic_tasks
from wideseek_env.tools.executor import CorpusTools

TIMEOUT = 0.3
"""Timeout of a tool in seconds."""
LATENCY = LogNormal(0.02, 1.0)
FAULTS = Faults(error=0.004, malformed=0.01, cut=0.01, hang=0.001, loss=0.0002)


class FlakyCorpus:
    """A corpus with a bad connection. One of `every` requests raises an error, and one of `every` times out."""

    name = "flaky"
    blocking = True

    def __init__(self, inner: Corpus, seed: int, every: int = 50) -> None:
        self._inner = inner
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._every = every
        self._never = threading.Event()
        self.faults: Counter[str] = Counter()

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """Search, or fail at random."""
        self._trouble()
        return self._inner.search(queries, k)

    def fetch(self, url: str) -> Page | None:
        """Fetch a page, or fail at random."""
        self._trouble()
        return self._inner.fetch(url)

    def close(self) -> None:
        """Close the corpus."""
        self._inner.close()

    def _trouble(self) -> None:
        with self._lock:
            number = self._dice.randrange(self._every)
            what = {0: "raised", 1: "timed out"}.get(number)
            if what is not None:
                self.faults[what] += 1
        if what == "raised":
            raise ConnectionError("the line broke")
        if what == "timed out":
            self._never.wait(2 * TIMEOUT)


def memory() -> float:
    """Resident memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


async def soak(episodes: int, concurrency: int, seed: int, quiet: bool = False) -> dict[str, Any]:
    """Run and check. Returns the metrics of the run, with the problems under "failures"."""
    world = SyntheticWorld.from_spec("synthetic:seed=11,pages=900,rows=20-30")
    corpus = FlakyCorpus(world.corpus(), seed)
    game = GameConfig(
        tasks=synthetic_tasks(world, "train", 40),
        executor=CorpusTools(corpus, timeout=TIMEOUT, workers=16),
        rules="width-benchmark",
        width=4,
    ).open()
    policy = SimulatedTeam(ScriptedPolicy(), takes="tokens", latency=LATENCY, faults=FAULTS, seed=seed)
    lost: list[int] = []

    async def replace(engine: Engine) -> Engine:
        lost.append(id(engine))
        return SimulatedEngine(
            policy.answer, takes="tokens", latency=LATENCY, faults=FAULTS, seed=seed + 1000 * len(lost)
        )

    def jobs() -> Iterator[Job]:
        for number in range(episodes):
            yield Job(game.tasks[number % len(game.tasks)], seed=number, trial=number // len(game.tasks))

    options = DriverOptions(
        concurrency=concurrency, retries=1, request_timeout=3.0, tool_workers=16, backlog=32
    )
    driver = Driver(policy, game, options=options, on_lost=replace)
    seen: Counter[int] = Counter()
    errors: Counter[str] = Counter()
    held: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
    resident: list[float] = []
    retried = different = 0
    began = time.perf_counter()
    step = max(1, episodes // 10)
    async for finished in driver.run(jobs()):
        seen[finished.job.seed] += 1
        trajectory = finished.trajectory
        errors[finished.error.split(":")[0]] += 1
        if trajectory is not None:
            retried += "retries" in trajectory.meta
            held[finished.job.seed] = trajectory
            if seen.total() % 20 == 0 and not finished.error:
                replayed = trajectory.replay().conversations
                different += [c.messages for c in replayed] != [
                    c["messages"] for c in trajectory.conversations
                ]
        del finished, trajectory
        if seen.total() % step == 0:
            resident.append(memory())
            if not quiet:
                print(
                    f"{seen.total():6d} episodes  {time.perf_counter() - began:6.1f} s  {resident[-1]:7.1f} MiB  "
                    f"{len(held):3d} records held  errors {dict(errors)}",
                    flush=True,
                )
    await asyncio.sleep(0.1)
    gc.collect()
    half = len(resident) // 2
    growth = max(resident[half:]) / max(resident[:half]) - 1 if half else 0.0
    failures = {
        "lost": episodes - len(seen),
        "doubled": sum(count - 1 for count in seen.values()),
        "different from their replay": different,
        "records held at the end": len(held),
        "tasks left": len(asyncio.all_tasks()) - 1,
        "requests left": sum(len(e.under_way) for e in driver.engines if isinstance(e, SimulatedEngine)),
        "memory grew": int(growth > 0.1),
    }
    return {
        "episodes": seen.total(),
        "seconds": round(time.perf_counter() - began, 1),
        "errors": dict(errors),
        "retried": retried,
        "engines lost": len(lost),
        "tool faults": dict(corpus.faults),
        "memory growth": round(growth, 4),
        "failures": {name: count for name, count in failures.items() if count},
    }


def main() -> int:
    """Run the benchmark. Returns the exit code: 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    figures = asyncio.run(soak(arguments.episodes, arguments.concurrency, arguments.seed))
    print(json.dumps(figures, indent=2))
    return 1 if figures["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
