"""A program that plays runs whose processes are killed (SIGKILL) at chosen points, and tells what came of them.

A point is a count of lines executed in the code that keeps a run folder, so that it is the same on every machine. Each
session is a fork of this process. Run as ``python killed_runs.py FOLDER MODE``; prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from toy_team import ToyTeam, town_setup

import wideseek_env.files
import wideseek_env.provenance.record
import wideseek_env.recorded_events
import wideseek_env.trajectory
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import RunFolder, evaluate_game, folder, lock, metrics, run_settings
from wideseek_env.evaluation.run import episode_seed

TASKS, TRIALS = 3, 2
WRITING = (
    wideseek_env.files,
    wideseek_env.provenance.record,
    wideseek_env.recorded_events,
    wideseek_env.trajectory,
)
TRACED = {module.__file__ for module in (metrics, folder, lock, *WRITING)}
SETUP = town_setup(count=TASKS)
PAIRS = {episode_seed(0, task.id, trial): [task.id, trial] for task in SETUP.tasks for trial in range(TRIALS)}


class Logged(ToyTeam):
    """Notes each episode when it begins."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def reset(self, seed: int) -> None:
        with open(self.log, "a") as file:
            file.write(json.dumps(PAIRS[seed]) + "\n")
        super().reset(seed)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(lines: int) -> None:
    """From now on, die when so many lines of `TRACED` have been executed."""
    count = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == lines:
                die()
        return local

    sys.settrace(lambda frame, event, argument: local if frame.f_code.co_filename in TRACED else None)


def tear(which: str, number: int, share: float) -> None:
    """Die in the middle of writing line `number` of trajectories or episodes, after a share of its bytes."""
    count = 0
    owner, name = {
        "trajectories": (wideseek_env.trajectory.TrajectoryWriter, "write"),
        "episodes": (metrics.Entry, "line"),
    }[which]
    whole = getattr(owner, name)

    def torn(self: Any, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count < number:
            return whole(self, *arguments)
        line = whole(self) if which == "episodes" else arguments[0].to_json().encode() + b"\n"
        with open(RUN / f"{which}.jsonl", "ab") as file:
            file.write(line[: int(share * len(line))])
        return die()

    setattr(owner, name, torn)


def session(prepare: Callable[[], None]) -> bool:
    """One process that takes the run up; whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            settings = run_settings(SETUP, "toy", trials=TRIALS)
            prepare()
            with RunFolder.open(RUN, settings) as run:
                evaluate_game(SETUP, Logged(LOG), trials=TRIALS, folder=run)
            code = 0
        finally:
            sys.settrace(None)
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert status == 0, f"the session ended with {status}"
    return True


def recorded() -> list[list[Any]]:
    """The pairs whose trajectories are whole."""
    path = RUN / "trajectories.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [[r["task"]["id"], r["meta"]["trial"]] for r in map(json.loads, lines)]


def sessions(prepares: list[Callable[[], None]]) -> dict[str, Any]:
    """Sessions one after the other until one comes to its end; the last of `prepares` must not kill."""
    killed, again = 0, []
    for prepare in prepares:
        before = recorded()
        LOG.write_text("")
        ended = session(prepare)
        again += [pair for pair in map(json.loads, LOG.read_text().splitlines()) if pair in before]
        killed += not ended
        if ended:
            break
    return {"killed": killed, "ended": ended, "played again": again, "recorded": recorded()}


def nothing() -> None:
    pass


def held() -> dict[str, Any]:
    """A run that one process holds, then is killed while a child that it forked lives on."""
    up, done = os.pipe(), os.pipe()
    holder = os.fork()
    if holder == 0:
        RunFolder.open(RUN, {"a": 1})
        if os.fork() == 0:  # lives until the end of this function closes the pipe
            os.close(done[1])
            os.write(up[1], b"x")
            os.read(done[0], 1)
            os._exit(0)
        signal.pause()
    os.read(up[0], 1)
    told = ""
    try:
        RunFolder.open(RUN, {"a": 1})
    except ConfigError as error:
        told = str(error)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    RunFolder.open(RUN, {"a": 1}).close()
    os.close(done[1])
    return {"told": told, "holder": holder}


def main(mode: str) -> dict[str, Any]:
    if mode == "held":
        return held()
    kind, _, number = mode.partition(":")
    if kind == "chain":  # processes that are killed again and again, at random points
        rng = random.Random(f"killed-{number}")
        points = [rng.randrange(1, 2000) for _ in range(40)]
        return sessions([*(lambda p=p: kill_after(p) for p in points), nothing])  # type: ignore[misc]
    if kind == "torn":
        which, line, share = number.split(",")
        return sessions([lambda: tear(which, int(line), float(share)), nothing])
    return sessions([lambda: kill_after(int(number)), nothing])


if __name__ == "__main__":
    BASE = Path(sys.argv[1])
    results = {}
    for each in sys.argv[2:]:
        RUN, LOG = BASE / each.replace(":", "-").replace(",", "-"), BASE / "begun.log"
        results[each] = main(each)
    json.dump(results, sys.stdout)
