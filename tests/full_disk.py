"""A program that writes records on a small disk that fills up and empties again, at random times.

Run as ``python full_disk.py FOLDER SECONDS SEED``, as a user who may mount a tmpfs. One writer appends trajectories in
this process for SECONDS. At the same time, `wideseek eval` runs in forks, again and again, until it ends. The program
prints what it found as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from kill_series import WORLD, fork, wideseek

SIZE = 8 << 20
BLOCK = 1 << 16


class Filler(threading.Thread):
    """Fills the disk, waits, empties it, waits, and begins again."""

    def __init__(self, disk: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self._file, self._dice = disk / "filler", random.Random(seed)
        self._over = threading.Event()
        self.filled = 0

    def run(self) -> None:
        while not self._over.is_set():
            self._fill()
            self.filled += 1
            self._over.wait(self._dice.uniform(0.05, 1.0))
            self._file.unlink(missing_ok=True)
            self._over.wait(self._dice.uniform(0.05, 1.5))

    def _fill(self) -> None:
        with contextlib.suppress(OSError), open(self._file, "wb", buffering=0) as file:
            size = BLOCK
            while size:  # to the last byte
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def stop(self) -> None:
        self._over.set()
        self.join()
        self._file.unlink(missing_ok=True)


def evaluate(folder: Path) -> None:
    wideseek(
        "eval",
        "--policy",
        "scripted",
        "--tasks",
        WORLD,
        "--limit",
        "12",
        "--width",
        "2",
        "--out",
        str(folder),
    )


def waited(child: int) -> int:
    return os.waitpid(child, 0)[1]


def records(path: Path) -> list[str]:
    """The records of a file, without times. A damaged line is an error."""
    from wideseek_env.trajectory import load_trajectories

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [each.to_json(timing=False) for each in load_trajectories(path)]


def main(base: Path, disk: Path, seconds: float, seed: int) -> dict[str, Any]:
    import dataclasses

    from wideseek_baselines.scripted import ScriptedPolicy
    from wideseek_env.trajectory import TrajectoryWriter, load_trajectories

    assert ScriptedPolicy
    log = base / "log"
    assert waited(fork(lambda: evaluate(base / "whole"), log)) == 0, log.read_text()[-2000:]
    model = load_trajectories(base / "whole" / "trajectories.jsonl")
    filler = Filler(disk, seed)
    filler.start()
    began, kept, refused, runs, failed = time.monotonic(), [], 0, 0, 0
    child, ended = fork(lambda: evaluate(disk / "run"), log), False
    writer = TrajectoryWriter(disk / "written.jsonl")
    number = 0
    while time.monotonic() - began < seconds or not ended:
        record = dataclasses.replace(model[number % len(model)], seed=number)
        try:
            writer.write(record)
            kept.append(record.to_json(timing=False))
        except OSError:
            refused += 1
        number += 1
        if len(kept) >= 10:  # room for the others: the file is checked and begun again
            writer.close()
            assert records(disk / "written.jsonl") == kept
            (disk / "written.jsonl").unlink()
            kept = []
            while True:
                try:
                    writer = TrajectoryWriter(disk / "written.jsonl")
                    break
                except OSError:
                    refused += 1
                    time.sleep(0.01)
        time.sleep(0.01)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            runs += 1
            ended = status == 0
            failed += not ended
            if time.monotonic() - began < seconds and ended:
                subprocess.run(["rm", "-rf", str(disk / "run")], check=True)
                ended = False
            if not ended:
                if time.monotonic() - began >= seconds:
                    filler.stop()
                child = fork(lambda: evaluate(disk / "run"), log)
            elif time.monotonic() - began >= seconds:
                break
    filler.stop()
    writer.close()
    told = [line for line in log.read_text().splitlines() if line.startswith("ended with ")]
    typed = ("Failure(", "WrongSetting(", "Exit(")
    return {
        "filled": filler.filled,
        "refused writes": refused,
        "written in process": number - refused,
        "damaged in process": int(records(disk / "written.jsonl") != kept) if kept else 0,
        "eval runs": runs,
        "eval runs that failed": failed,
        "untyped errors": [
            line[:300] for line in told if not line.removeprefix("ended with ").startswith(typed)
        ],
        "unequal": int(
            records(disk / "run" / "trajectories.jsonl") != records(base / "whole" / "trajectories.jsonl")
        ),
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    BASE = Path(sys.argv[1]).resolve()
    DISK = BASE / "disk"
    DISK.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(DISK)], check=True)
    try:
        print(json.dumps(main(BASE, DISK, float(sys.argv[2]), int(sys.argv[3]))))
    finally:
        subprocess.run(["umount", "-l", str(DISK)], check=False)
