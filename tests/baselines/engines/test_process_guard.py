"""A killed owner leaves no process of its engine, whatever the way in which it was started or ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import process_tree
import pytest
from process_tree import alive, gone

from wideseek_baselines.engines.process_guard import MARK, ProcessGuard, marked_processes

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="the guard needs /proc, which only Linux has"
)


class Owner:
    """A program that has an engine. Whatever it leaves is killed at the end of the block."""

    def __init__(self, mode: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, process_tree.__file__, mode],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        self.guard: int | None = told["guard"]
        self.tree: list[int] = told["tree"]
        self.outside: list[int] = told["outside"]

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in [self.process.pid, *self.tree, *self.outside, *([self.guard] if self.guard else [])]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.parametrize("mode", ["loaded", "loading", "thread", "pipe_held", "exits"])
def test_no_process_outlives_its_killed_owner(mode: str) -> None:
    with Owner(mode) as owner:
        assert owner.guard is not None
        if mode != "exits":
            assert all(map(alive, [*owner.tree, owner.guard]))
            owner.process.kill()
        owner.process.wait()
        assert gone([*owner.tree, owner.guard])
        assert all(map(alive, owner.outside)), "processes that are not the engine's are left alone"


def test_a_kill_of_the_whole_process_group_leaves_nothing_either() -> None:
    with Owner("loaded") as owner:
        os.killpg(owner.process.pid, signal.SIGKILL)
        owner.process.wait()
        assert owner.guard is not None
        assert gone([*owner.tree, owner.guard])


def test_the_guard_is_not_among_the_children_which_ray_kills_with_their_worker() -> None:
    with Owner("loaded") as owner:
        owner.process.send_signal(signal.SIGSTOP)  # it cannot react to the end of its children
        children = [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and parent(int(folder.name)) == owner.process.pid
        ]
        assert owner.tree[0] in children
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        owner.process.kill()
        owner.process.wait()
        assert gone(owner.tree), "grandchildren in other sessions too"


def parent(pid: int) -> int:
    """The parent of a process. 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_without_a_guard_the_engine_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    guard = ProcessGuard()
    assert guard.pid is None
    assert "will live on" in caplog.text
    with guard.marking():
        assert MARK not in os.environ
    guard.close()


def test_an_engine_that_has_ended_has_no_guard() -> None:
    with Owner("closed") as owner:
        assert owner.guard is None
        owner.process.kill()
        owner.process.wait()
        assert all(map(alive, owner.tree)), "without a guard nothing ends them: the tests above can fail"


def test_owners_end_their_own_processes_only() -> None:
    with Owner("loaded") as first, Owner("loaded") as second:
        first.process.kill()
        first.process.wait()
        assert gone(first.tree)
        assert all(map(alive, second.tree))


def test_the_mark_is_in_the_environment_only_while_the_engine_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPT_NOENV", "mine")
    guard = ProcessGuard()
    try:
        with suppress(RuntimeError), guard.marking():
            assert os.environ[MARK] == guard.mark
            raise RuntimeError
        assert MARK not in os.environ
        assert os.environ["SPT_NOENV"] == "mine"
        assert marked_processes(guard.mark) == []
    finally:
        guard.close()
