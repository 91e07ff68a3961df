"""The notebook runs, shows a rising curve, and shows a task, a score and an episode as HTML."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbclient", reason='needs a notebook client: pip install -e ".[notebook]"')
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "first_steps.ipynb"


def test_the_notebook_goes_from_an_environment_to_a_curve_and_a_page(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "jupyter", "execute", f"--output={out}", str(NOTEBOOK)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells: list[dict[str, Any]] = json.loads(out.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output["output_type"] == "error"]
    said = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
    curve = [float(number) for number in re.findall(r"item-F1 ([\d.]+)", said)]
    assert len(curve) == 4
    assert curve == sorted(curve)
    assert curve[-1] > curve[0] + 30
    shown = ["".join(output["data"].get("text/html", "")) for output in outputs if "data" in output]
    assert sum("<td" in html for html in shown) == 2, "a task and a score"
    assert sum("<iframe" in html for html in shown) == 1, "an episode"
    assert any("image/png" in output.get("data", {}) for output in outputs), "a figure"


def test_it_is_committed_without_outputs() -> None:
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
