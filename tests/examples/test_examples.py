"""Every example runs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDS = {"symbolic_ippo.py": "torch"}
"""What an example cannot do without; the others say what is missing and end."""

NOISY = {"vllm_rollouts.py", "reader.py"}
"""Examples that warn: the libraries of one do, and the other has no model as the judge."""

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = [
    path
    for folder in ("", "plugins/", "question_answering/")
    for path in sorted(FOLDER.glob(f"{folder}*.py"))
]
GROUPS = {"vllm_rollouts.py": pytest.mark.xdist_group("vllm")}


@pytest.mark.parametrize(
    "example", [pytest.param(path, id=path.name, marks=GROUPS.get(path.name, ())) for path in EXAMPLES]
)
def test_example(example: Path, tmp_path: Path) -> None:
    needed = NEEDS.get(example.name)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"needs {needed}: pip install {needed}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore" if example.name in NOISY else "error", str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows something"
