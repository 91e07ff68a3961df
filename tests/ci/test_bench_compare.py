"""`benchmarks/compare.py` shows the change of each benchmark between two files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripts import load_script

compare: Any = load_script("benchmarks/compare.py")


def write(path: Path, node: str = "here", **medians: float) -> str:
    """A file as pytest-benchmark writes it."""
    benchmarks = [{"fullname": name, "stats": {"median": median}} for name, median in medians.items()]
    path.write_text(json.dumps({"machine_info": {"node": node}, "benchmarks": benchmarks}))
    return str(path)


def test_times_and_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = write(tmp_path / "new.json", score=0.0011, index=2.0, added=5e-9)
    compare.main([new, write(tmp_path / "old.json", score=0.001, index=4.0, dropped=1.5e-5)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["benchmark", "(median)", "earlier", "now", "change"],
        ["added", "–", "5", "ns", "new"],
        ["dropped", "15", "µs", "–", "gone"],
        ["index", "4", "s", "2", "s", "-50.0%"],
        ["score", "1", "ms", "1.1", "ms", "+10.0%"],
    ]


def test_one_file_and_other_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = write(tmp_path / "new.json", score=1.0)
    compare.main([new])
    assert "new" in capsys.readouterr().out
    compare.main([new, write(tmp_path / "old.json", node="elsewhere", score=1.0)])
    assert "differ in node" in capsys.readouterr().out


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(SystemExit, match=r"bad\.json is not a file of pytest-benchmark"):
        compare.main([str(tmp_path / "bad.json")])
