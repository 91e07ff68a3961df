"""A program that kills commands at random times (SIGKILL) and runs each again until it ends.

Run as ``python kill_series.py FOLDER KILLS SEED COMMAND…``. It prints a line of JSON for each command. Each run is a
fork of this process, so that a run does not begin with seconds of imports. A command is killed again and again. After
three kills it may end, and its result is compared with that of a run that nobody killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "baselines" / "train")]

WORLD = "synthetic:seed=3,pages=400"
IN_A_ROW = 3
Made = Callable[[Path], None]


def wideseek(*arguments: str) -> None:
    from wideseek_env.cli.app import app

    app.main(list(arguments), standalone_mode=False)


def run_eval(folder: Path) -> None:
    wideseek(
        "eval",
        "--policy",
        "scripted",
        "--tasks",
        WORLD,
        "--limit",
        "8",
        "--width",
        "2",
        "--out",
        f"{folder}/a",
    )


def run_bench(folder: Path) -> None:
    wideseek(
        "bench", "width", "--policy", "scripted", "--tasks", WORLD, "--limit", "4", "--widths", "1,2", "--out",
        f"{folder}/a",
    )  # fmt: skip


def run_tasks(folder: Path) -> None:
    wideseek("tasks", "build", WORLD, "--split", "train", "--count", "60", "--out", f"{folder}/tasks.jsonl")


def run_corpus(folder: Path) -> None:
    wideseek("corpus", "build", str(BASE / "pages.jsonl"), "--out", f"{folder}/corpus")


def run_sft(folder: Path) -> None:
    from wideseek_baselines.train.config.loading import load_config
    from wideseek_baselines.train.sft import SftConfig
    from wideseek_baselines.train.sft import run_sft as train

    train(
        load_config(
            SftConfig,
            None,
            [
                f"data={BASE / 'episodes.jsonl'}", f"out={folder}/a", f"model.path={BASE / 'model'}",
                "model.device=cpu", "model.precision=float32", "optim.lr=5e-3", 'roles=["lead"]', "held_out=0.25",
                "batch_tokens=3000", "tokens_per_row=2000", "checkpoint.every=2", "epochs=10", "max_steps=6",
            ],
        )
    )  # fmt: skip


def run_grpo(folder: Path) -> None:
    from toy_game import toy_config, toy_game

    from wideseek_baselines.train.grpo import GrpoConfig
    from wideseek_baselines.train.grpo import run_grpo as train

    config = toy_config(GrpoConfig, BASE / "model", folder / "a", "steps=6", "checkpoint.every=1")
    train(config, game=toy_game())


def episodes_of(folder: Path) -> Any:
    from wideseek_env.trajectory import load_trajectories

    return {
        file.relative_to(folder).as_posix(): [each.to_json(timing=False) for each in load_trajectories(file)]
        for file in sorted(folder.rglob("trajectories.jsonl"))
    }


def file_of(folder: Path) -> Any:
    return (folder / "tasks.jsonl").read_text()


def corpus_of(folder: Path) -> Any:
    from wideseek_env.corpus.stored import StoredCorpus

    corpus = StoredCorpus.open(folder / "corpus")
    found = [
        [list(map(str, hit)) for hit in hits] for hits in corpus.search(["town", "museum", "river 7"], 9)
    ]
    pages = [str(corpus.fetch(f"https://x.example/{number}")) for number in range(0, 400, 7)]
    corpus.close()
    return [found, pages]


def model_of(folder: Path) -> Any:
    import hashlib

    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((folder / "a" / "model").rglob("*.safetensors"))
    }


COMMANDS: dict[str, tuple[Made, Callable[[Path], Any]]] = {
    "eval": (run_eval, episodes_of),
    "bench": (run_bench, episodes_of),
    "tasks build": (run_tasks, file_of),
    "corpus build": (run_corpus, corpus_of),
    "sft": (run_sft, model_of),
    "grpo": (run_grpo, model_of),
}


def fork(work: Callable[[], Any], log: Path) -> int:
    """Start `work` in a fork whose output goes to a file. Returns the process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
            os.dup2(1, 2)
            work()
            code = 0
        except BaseException as error:
            print("ended with", repr(error)[:2000], flush=True)
        finally:
            os._exit(code)
    return child


def run(work: Callable[[], Any], log: Path, kill_after: float | None = None) -> bool:
    """Run `work` in a fork. Returns False if it was killed after `kill_after` seconds, before its end."""
    child, began = fork(work, log), time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"a run ended with {status}:\n{log.read_text()[-3000:]}")
            return True
        if kill_after is not None and time.monotonic() - began >= kill_after:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return not os.WIFSIGNALED(status)
        time.sleep(0.002)


def remains(folder: Path) -> list[str]:
    """What only a killed process leaves: hidden names, locks of builds, and temporary folders."""
    inside = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    marks = (".tmp", ".unfinished", ".building", ".part")
    left = [
        name
        for name in inside
        if name.split("/")[-1].startswith(".") or name.endswith((*marks, "building.lock"))
    ]
    return sorted(left + [f"TMPDIR/{path.name}" for path in Path(tempfile.gettempdir()).iterdir()])


def series(name: str, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill a command this many times, in as many folders as that takes."""
    make, result_of = COMMANDS[name]
    label = name.replace(" ", "-")
    began, log = time.monotonic(), BASE / f"{label}.log"
    whole = BASE / f"{label}-whole"
    whole.mkdir()
    run(lambda: make(whole), log)
    seconds = time.monotonic() - began
    compared = BASE / "compared.json"

    def result(folder: Path) -> Any:
        run(lambda: compared.write_text(json.dumps(result_of(folder))), log)
        return json.loads(compared.read_text())

    expected, usual = result(whole), remains(whole)
    assert expected, f"{name} has no result"
    killed = resumed = unequal = 0
    left: list[str] = []
    while killed < kills:
        folder = BASE / f"{label}-killed"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        row = 0
        while not run(lambda: make(folder), log, dice.uniform(0, seconds) if row < IN_A_ROW else None):  # noqa: B023
            killed, row = killed + 1, row + 1
        resumed += bool(row)
        unequal += result(folder) != expected
        left += [each for each in remains(folder) if each not in usual]
    return {
        "command": name,
        "kills": killed,
        "resumed": resumed,
        "unequal": unequal,
        "left": left[:20],
        "seconds": round(time.monotonic() - began, 1),
    }


def prepare() -> None:
    """The model, the episodes and the pages that the commands read."""
    from training_parts import saved_model

    from wideseek_baselines.scripted import ScriptedPolicy
    from wideseek_env.episode_run import run_episode
    from wideseek_env.game import GameConfig
    from wideseek_env.trajectory import TrajectoryWriter

    saved_model(BASE / "model")
    game = GameConfig(tasks=WORLD, split="train", profile="terse", width=2).open()
    with TrajectoryWriter(BASE / "episodes.jsonl") as writer:
        for number in range(4):
            writer.write(run_episode(game, ScriptedPolicy(), game.tasks[number], seed=number).trajectory())


def main(kills: int, seed: int, names: list[str]) -> None:
    with (BASE / "pages.jsonl").open("w") as pages:
        for number in range(400):
            text = f"The town of number {number} has a river {number % 9} and a museum. " * 20
            pages.write(
                json.dumps({"url": f"https://x.example/{number}", "title": f"Town {number}", "text": text})
                + "\n"
            )
    if {"sft", "grpo"} & set(names):
        import torch

        import wideseek_baselines.train.grpo
        import wideseek_baselines.train.sft  # noqa: F401

        torch.set_num_threads(1)
        run(prepare, BASE / "prepare.log")
    import wideseek_env.cli.app
    import wideseek_env.corpus.stored
    import wideseek_env.evaluation  # noqa: F401

    share = -(-kills // len(names))
    for name in names:
        print(json.dumps(series(name, share, random.Random(f"{seed} {name}"))), flush=True)


if __name__ == "__main__":
    BASE = Path(sys.argv[1]).resolve()
    (BASE / "tmp").mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(BASE / "tmp")
    os.environ["WIDESEEK_CACHE"] = str(BASE / "cache")
    main(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or list(COMMANDS))
