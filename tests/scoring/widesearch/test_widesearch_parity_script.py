"""`benchmarks/widesearch_parity.py` with a checkout or data that it cannot use: status 2 and one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "widesearch_parity.py"
LOADER = "class WideSearchDataLoader: pass\nclass WideSearchQuery: pass\nclass WideSearchResponse: pass\n"
ROW = (
    '{"instance_id": "t1", "query": "q", "language": "en", "evaluation": {"unique_columns": ["a"], '
    '"required": ["a"], "eval_pipeline": {"a": {"preprocess": [], "metric": ["exact_match"]}}}}\n'
)


def files(folder: Path, contents: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


GOOD_DATA = {"widesearch.jsonl": ROW, "widesearch_gold/t1.csv": "a\nb\n"}
WHOLE = {"src/evaluation/data_loader.py": LOADER, "src/evaluation/evaluation.py": ""}


@pytest.mark.parametrize(
    ("checkout", "data", "said"),
    [
        ({}, GOOD_DATA, "is not a checkout of WideSearch: it has no src/evaluation/data_loader.py"),
        ({"README.md": "x"}, GOOD_DATA, "it has no src/evaluation/data_loader.py"),
        ({"src/evaluation/evaluation.py": ""}, GOOD_DATA, "it has no src/evaluation/data_loader.py"),
        ({"src/evaluation/data_loader.py": LOADER}, GOOD_DATA, "it has no src/evaluation/evaluation.py"),
        (
            {"src/evaluation/data_loader.py/x": "", "src/evaluation/evaluation.py": ""},
            GOOD_DATA,
            "data_loader.py",
        ),
        (WHOLE | {"src/evaluation/data_loader.py": ""}, GOOD_DATA, "WideSearchDataLoader"),
        (WHOLE, GOOD_DATA, "evaluate_single_query"),
        (WHOLE | {"src/evaluation/evaluation.py": "def f(:"}, GOOD_DATA, "cannot be used: invalid syntax"),
        (WHOLE | {"src/evaluation/evaluation.py": "import src.nowhere"}, GOOD_DATA, "No module named"),
        (WHOLE, {}, "it has no widesearch.jsonl"),
        (WHOLE, {"widesearch.jsonl": ROW}, "widesearch_gold"),
        (WHOLE, GOOD_DATA | {"widesearch.jsonl": "{"}, "widesearch.jsonl:1"),
    ],
)
def test_one_line_says_what_is_wrong(
    checkout: dict[str, str], data: dict[str, str], said: str, tmp_path: Path
) -> None:
    pytest.importorskip("loguru")
    options = ["--checkout", files(tmp_path / "checkout", checkout), "--data", files(tmp_path / "data", data)]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
