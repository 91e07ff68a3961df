"""The benchmark of ways of batching runs on a CPU and prints a speed for each."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

REPOSITORY = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("torch", "transformers", "safetensors") if find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install -e 'baselines[transformers]'"
)


def test_the_speed_of_every_way_of_batching_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training_parts import saved_model

    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    from train_speed import WAYS, main

    model_folder = saved_model(tmp_path / "tiny")
    short = [
        "--sequences",
        "3",
        "--shortest",
        "5",
        "--longest",
        "9",
        "--tokens-per-row",
        "16",
        "--repeats",
        "1",
    ]
    done = CliRunner().invoke(main, [str(model_folder), *short, "--device", "cpu"], catch_exceptions=False)
    lines = done.stdout.splitlines()[1:]
    assert len(lines) == 2 * len(WAYS)
    assert all(float(line.split()[-1].replace(",", "")) > 0 for line in lines)
