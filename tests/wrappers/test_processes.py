"""`SubprocSymbolicVec`: the same arrays as in one process, typed errors, and no process that stays."""

from __future__ import annotations

import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wideseek_env
from wideseek_env.errors import ActionError, ConfigError, CopyError, TaskError, WorkerError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.task import Task
from wideseek_env.wrappers import SubprocSymbolicVec, Symbolic, SymbolicVec

Make = Callable[..., Symbolic]

# A process imports the module of this file, and must then find what the file imports.
pytestmark = pytest.mark.usefixtures("no_process_stays")


@pytest.fixture
def no_process_stays() -> Iterator[None]:
    before = set(multiprocessing.active_children())
    yield
    gc.collect()
    assert set(multiprocessing.active_children()) <= before


@pytest.fixture(scope="module")
def shared(make: Make) -> Iterator[tuple[SymbolicVec, SubprocSymbolicVec]]:
    """The same episodes in this process, and in two others."""
    env = make(shaping=0.5, rules={"subagent_turns": 6, "lead_turns": 4})
    with contextlib.closing(SubprocSymbolicVec(env, 6, 2)) as processes:
        yield SymbolicVec(env, 6), processes


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (tuple, list)) or (isinstance(one, np.ndarray) and one.dtype == object):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    else:
        assert one == other


def test_arrays_and_infos_are_those_of_one_process(shared: tuple[SymbolicVec, SubprocSymbolicVec]) -> None:
    here, there = shared
    assert there.num_envs == 6
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(here, name) == getattr(there, name)
    assert here.metadata == there.metadata
    rng, ended = np.random.default_rng(0), 0
    for start in ({"seed": 3}, {}, {"seed": [5, None, 7, 8, None, 3]}, {"options": None}):
        if start == {}:
            assert here.reset()[1]["task_id"].tolist() == there.reset()[1]["task_id"].tolist()
        answers = here.reset(**start), there.reset(**start)
        assert_same(*answers)
        for _ in range(25):
            arrays = answers[0][0]
            assert there.observation_space.contains(answers[1][0])
            # Mostly possible actions, and some that cost a turn.
            noise = rng.random(arrays["action_mask"].shape)
            actions = (noise * (arrays["action_mask"] + 0.05)).argmax(-1)
            answers = here.step(actions), there.step(actions)
            assert_same(*answers)
            ended += int((answers[0][2] | answers[0][3]).sum())
    assert ended > 20


def test_mistakes_are_those_of_one_process(shared: tuple[SymbolicVec, SubprocSymbolicVec]) -> None:
    answers = [each.reset(seed=1) for each in shared]
    bad = np.zeros((6, 4), int)
    bad[5, 0] = 10_000
    for each in shared:
        for actions, error, message in [
            (np.zeros((6, 3), int), ActionError, "shape"),
            (np.zeros((6, 4)), ActionError, "whole numbers"),
            (bad, ActionError, "episode 5, lead: there is no action 10000"),
        ]:
            with pytest.raises(error, match=message):
                each.step(actions)
        with pytest.raises(ConfigError, match="needs 6 seeds"):
            each.reset(seed=[1])
    actions = answers[0][0]["action_mask"].argmax(-1)
    assert_same(*(each.step(actions) for each in shared))  # no episode has moved
    for each in shared:
        with pytest.raises(ConfigError, match="no option 'tasks'"):
            each.reset(options={"tasks": 1})
        with pytest.raises(TaskError, match="does not fit"):
            each.reset(options={"task": Task(id="other", question="Who?", answers=("Ada",))})
        with pytest.raises(ConfigError, match="no render mode"):
            each.render()
    there = shared[1]
    with pytest.raises(ActionError, match="reset"):
        there.step(actions)
    assert_same(*(each.reset(seed=2) for each in shared))  # it goes on


def test_what_cannot_be_made_starts_no_process(make: Make) -> None:
    env = make()
    for processes in (0, -1, 3, True, 2.0, "2"):
        with pytest.raises(ConfigError, match="divides num_envs"):
            SubprocSymbolicVec(env, 4, processes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at least 1"):
        SubprocSymbolicVec(env, 0, 1)
    locked = Symbolic(
        wideseek_env.parallel_env(
            tasks=env.game.tasks, executor=Locked(env.game.executor), width=3, profile="terse"
        )
    )
    with pytest.raises(CopyError, match="Locked"):
        SubprocSymbolicVec(locked, 4, 2)


class Locked:
    """An executor that cannot be pickled."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.generator = inner, (each for each in ())

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        results: list[ToolResult] = self.inner.run(calls)
        return results

    def close(self) -> None:
        self.inner.close()


def test_it_is_not_copied_and_closing_ends_it(make: Make) -> None:
    vec = SubprocSymbolicVec(make(), 2, 1)
    (process,) = vec._workers.processes
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(CopyError, match="cannot be copied"):
            way(vec)
    vec.reset(seed=0)
    assert process.is_alive()
    vec.close()
    assert vec.closed
    assert not process.is_alive()
    vec.close()
    for call in (vec.reset, lambda: vec.step(np.zeros((2, 4), int))):
        with pytest.raises(ActionError, match="closed"):
            call()
    another = SubprocSymbolicVec(make(), 2, 1)
    (process,) = another._workers.processes
    del another
    gc.collect()
    assert not process.is_alive()


@pytest.mark.parametrize("when", ["before a reset", "before a step"])
def test_a_process_that_ends_is_named_and_the_others_end(make: Make, when: str) -> None:
    vec = SubprocSymbolicVec(make(), 2, 2)
    vec.reset(seed=0)
    processes = vec._workers.processes
    os.kill(processes[1].pid, signal.SIGKILL)
    processes[1].join()
    with pytest.raises(WorkerError, match=r"has ended .*-9"):
        vec.reset() if when == "before a reset" else vec.step(np.ones((2, 4), int))
    assert vec.closed
    assert not any(process.is_alive() for process in processes)


SCRIPT = """
import os, sys, time
import numpy as np
import wideseek_env
from wideseek_env.errors import WideSeekError
from wideseek_env.wrappers import SubprocSymbolicVec, Symbolic

WORLD = "synthetic:rows=3,columns=1,hops=1,pages=300"

class Broken:
    name = "broken"

    def __call__(self, episode, score):
        raise ValueError("out of order")

class OpensOnlyHere:
    def __init__(self, inner):
        self.inner, self.run, self.close = inner, inner.run, inner.close

    def __reduce__(self):
        return os._exit, (7,)

if __name__ == "__main__":
    options = {"reward": Broken()} if sys.argv[1] == "broken" else {}
    if sys.argv[1] == "start":
        options["executor"] = OpensOnlyHere(wideseek_env.parallel_env(tasks=WORLD).game.executor)
    env = Symbolic(wideseek_env.parallel_env(tasks=WORLD, width=2, profile="terse", **options))
    try:
        vec = SubprocSymbolicVec(env, 2, 2)
        print(*(process.pid for process in vec._workers.processes), flush=True)
        vec.reset(seed=0)
        if sys.argv[1] == "broken":
            vec.step([[env.layout.action("answer"), 0, 0]] * 2)
        if sys.argv[1] == "wait":
            print("ready", flush=True)
            while True:
                vec.step([[env.layout.action("find"), 0, 0]] * 2)
    except WideSeekError as error:
        print(type(error).__name__, error, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def is_running(pid: int) -> bool:
    """Whether a process runs. One that has ended may still wait for its parent to read its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_they_end(pids: Sequence[int]) -> None:
    for _ in range(600):
        if not any(map(is_running, pids)):
            return
        time.sleep(0.1)
    raise AssertionError("a process stays")


def start(script: Path, what: str, **options: Any) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(script), what],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options,
    )  # fmt: skip


def test_an_exception_in_a_process_is_named(script: Path) -> None:
    done = start(script, "broken")
    out, _ = done.communicate()
    pids, error = out.split("\n", 1)
    assert error.startswith("WorkerError a worker process failed")
    assert "ValueError: out of order" in error
    assert_they_end([int(pid) for pid in pids.split()])


def test_a_process_that_cannot_open_the_game_is_named(script: Path) -> None:
    out, _ = start(script, "start").communicate()
    assert out.startswith("WorkerError a worker process has ended (exit codes: [7")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc which processes run")
@pytest.mark.parametrize("signals", ["all", "one", "kill", "end"])
def test_no_process_stays_whatever_ends_the_program(script: Path, signals: str) -> None:
    program = start(script, "end" if signals == "end" else "wait", start_new_session=True)
    assert program.stdout is not None
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 2
    if signals != "end":
        assert program.stdout.readline() == "ready\n"
        if signals == "all":  # as Ctrl-C in a terminal
            os.killpg(program.pid, signal.SIGINT)
        else:
            program.send_signal(signal.SIGINT if signals == "one" else signal.SIGKILL)
    out, errors = program.communicate()
    assert_they_end(pids)
    if signals in ("all", "one"):
        assert out == "interrupted\n"
    if signals != "kill":
        assert errors == ""
        assert program.returncode == 0
