"""The models that ship: their files, the score of the real one, and the training run that starts at the warm start."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from wideseek_baselines.model_settings import NAME, read_settings, settings_text
from wideseek_baselines.shipped_models import MODELS, shipped_models

pytest.importorskip("torch")
pytest.importorskip("transformers")

BASELINES = Path(__file__).resolve().parents[3] / "baselines"
NAMES = ["nano-team", "nano-team-warm"]
FILES = {
    *("README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"),
    *("tokenizer_config.json", NAME),
}
LARGEST = 8_000_000

shipping = pytest.mark.skipif(shipped_models() != NAMES, reason=f"this checkout has no weights in {MODELS}")


@shipping
@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_folder_is_complete_and_small(name: str) -> None:
    from wideseek_baselines.engines.transformers_model import read_tensors
    from wideseek_baselines.train.config.loading import load_config, preset_file
    from wideseek_baselines.train.config.run import policy_options
    from wideseek_baselines.train.grpo import GrpoConfig

    folder = MODELS / name
    assert {file.name for file in folder.iterdir()} == FILES
    assert sum(file.stat().st_size for file in folder.iterdir()) < LARGEST
    assert {str(tensor.dtype) for tensor in read_tensors(folder).values()} == {"torch.bfloat16"}
    preset = load_config(GrpoConfig, None, ["model.path=any", "out=any"], preset=preset_file("nano-cpu"))
    assert (folder / NAME).read_text() == settings_text(preset.game, policy_options("any", preset.engine))
    card = (folder / "README.md").read_text()
    assert re.search(r"\n\| 8 \| \d+\.\d \| \d+\.\d–\d+\.\d \| ", card), "the score at width 8 is missing"
    assert "{" not in card, "a placeholder was not filled"


@shipping
def test_the_packages_have_the_models(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    source = tmp_path / "baselines"
    shutil.copytree(BASELINES, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    build = "import setuptools.build_meta as b; b.build_wheel('out')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "out").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"wideseek_baselines/models/{name}/{file}" for name in NAMES for file in FILES} <= names


@shipping
def test_the_shipped_team_finds_most_of_its_tables(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from wideseek_env.cli.app import app

    carried = read_settings("nano-team")
    assert carried is not None
    world = carried.game["tasks"].replace("pages=4000", "pages=800")  # a smaller world is built faster
    command = ["eval", "--policy", "transformers", "--model", "nano-team", "--tasks", world]
    command += ["--where", "difficulty=easy", "--limit", "2", "--policy-arg", "temperature=0"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert "Settings of the model nano-team: --rules default --profile terse" in result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["item_f1"] > 0.3
    assert summary["subagents"] > 3, "it does not use its width"


@shipping
@pytest.mark.long
def test_the_demo_learns(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wideseek_baselines.train", "grpo", "--preset", "nano-demo", "--plain"]
    done = subprocess.run([*command, f"out={tmp_path / 'demo'}"], check=True, capture_output=True, text=True)
    told = re.search(r"^Held-out item-F1, .*?([\d.]+) → ([\d.]+) at width 8", done.stdout, re.MULTILINE)
    assert told is not None, done.stdout[-2000:]
    assert float(told[2]) >= float(told[1]) + 5
