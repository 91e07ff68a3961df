"""The examples of the adapters run; where their package is missing they say so and end."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "adapters"
SHOWS = {
    "openenv_sessions.py": ("openenv", "item-F1 "),
    "trl_grpo.py": ("trl", "reward "),
    "verifiers_team.py": ("verifiers", "subagent_1: "),
}
"""The package that each needs, and something of what it prints. `verl_agent_loop.py` is not run."""


def test_every_example_is_known() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SHOWS, "verl_agent_loop.py"}


@pytest.mark.parametrize("name", SHOWS)
def test_example(name: str, tmp_path: Path) -> None:
    package, shown = SHOWS[name]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(EXAMPLES / name)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (shown if find_spec(package) else f"needs {package}") in done.stdout
