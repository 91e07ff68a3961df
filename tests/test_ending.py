"""Ending pytest by SIGTERM leaves no process behind that a test has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")

STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[2:]:
    subprocess.Popen([sys.executable, __file__, sys.argv[1]])
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
time.sleep(600)
"""
"""A server that does not heed SIGTERM, with an engine process of its own."""

STARTS = """
import subprocess, sys, time, pathlib

def test_it():
    here = pathlib.Path(__file__).parent
    command = [sys.executable, str(here / "stubborn.py"), str(here / "pids"), "server"]
    subprocess.Popen(command, start_new_session=True)
    time.sleep(600)
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("workers", [0, 1])
def test_servers_and_their_engines_end_with_pytest(tmp_path: Path, workers: int) -> None:
    if workers and find_spec("xdist") is None:
        pytest.skip("needs pytest-xdist")
    (tmp_path / "pids").mkdir()
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    (tmp_path / "test_starts.py").write_text(STARTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(
        "import ending\n\ndef pytest_configure(config):\n    ending.end_children_on_sigterm()\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *(["-n", "1"] if workers else [])]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    process = subprocess.Popen(
        [*command, str(tmp_path)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while len(pids := [int(file.name) for file in (tmp_path / "pids").iterdir()]) < 2:
            assert process.poll() is None, "pytest ended by itself"
            assert time.monotonic() < until, "the processes were not started"
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
        assert not [pid for pid in pids if lives(pid)]
    finally:
        process.kill()
        for file in (tmp_path / "pids").iterdir():
            if lives(int(file.name)):
                os.kill(int(file.name), signal.SIGKILL)
