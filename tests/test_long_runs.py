"""Long runs of everything at once: every shell, killed commands, and a disk that fills up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /proc")]


def program(*arguments: str) -> list[dict[str, object]]:
    """What a program printed as lines of JSON."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    print(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_memory_is_flat_over_ten_thousand_random_episodes() -> None:
    pytest.importorskip("mcp")
    done = subprocess.run(
        [sys.executable, str(TESTS.parent / "benchmarks" / "shells_soak.py"), "--episodes", "10000"],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_a_hundred_kills_change_no_result(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = program(str(TESTS / "kill_series.py"), str(tmp_path / "kills"), "100", "0")
    assert sum(int(str(each["kills"])) for each in found) >= 100
    for each in found:
        assert each["unequal"] == 0, each
        assert each["left"] == [], each


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk"
)
def test_a_full_disk_damages_no_record(tmp_path: Path) -> None:
    (found,) = program(str(TESTS / "full_disk.py"), str(tmp_path / "chaos"), "60", "0")
    assert int(str(found["refused writes"])) > 10
    assert found["damaged in process"] == found["unequal"] == 0
    assert found["untyped errors"] == []
