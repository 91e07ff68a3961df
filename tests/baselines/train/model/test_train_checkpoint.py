"""Checkpoints: whole or not there, and everything needed to go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_parts import saved_model, tiny_causal

from wideseek_baselines.train.config.options import ModelOptions
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.attention import use_attention
from wideseek_baselines.train.model.checkpoint import CheckpointError
from wideseek_baselines.train.model.export import export
from wideseek_baselines.train.model.model import TokenModel, load_model
from wideseek_env.errors import ConfigError


def save(folder: Path, step: int, module: nn.Module, **options: Any) -> Path:
    return checkpoint.save(folder, step, module, {"number": step}, {"task": step}, **options)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    model = TokenModel(tiny_causal(1))  # tied embeddings: one tensor under two names
    save(tmp_path, 7, model)
    drawn = (random.random(), float(np.random.random()), float(torch.rand(())))
    other = TokenModel(tiny_causal(2))
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert (found.step, found.optimizer, found.position) == (7, {"number": 7}, {"task": 7})
    found.restore(other)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert drawn == (random.random(), float(np.random.random()), float(torch.rand(())))


def test_the_newest_few_stay_and_a_step_can_be_saved_again(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    for step in (1, 2, 10, 3):
        save(tmp_path, step, model, keep=2)
    assert [path.name for _, path in checkpoint.steps(tmp_path)] == ["step-00000003", "step-00000010"]
    nn.init.zeros_(model.weight)
    save(tmp_path, 10, model, keep=2)
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert not found.weights["weight"].any()
    assert sorted(os.listdir(tmp_path)) == ["step-00000010", "step-00000010.1"]


def test_unfinished_folders_are_ignored_and_cleared(tmp_path: Path) -> None:
    save(tmp_path, 1, nn.Linear(2, 2))
    (tmp_path / ".unfinished-x").mkdir()
    (tmp_path / ".unfinished-x" / "weights.safetensors").write_bytes(b"half")
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert found.step == 1
    save(tmp_path, 2, nn.Linear(2, 2))
    assert not (tmp_path / ".unfinished-x").exists()
    assert checkpoint.load_latest(tmp_path / "nothing") is None


def test_other_models_are_told(tmp_path: Path) -> None:
    path = save(tmp_path, 1, nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match="another model"):
        checkpoint.load(path).restore(nn.Linear(2, 3))
    with pytest.raises(CheckpointError, match="another model"):
        checkpoint.load(path).restore(nn.Sequential(nn.Linear(2, 2)))


WRITER = """
import sys, torch
from torch import nn
from wideseek_baselines.train.model import checkpoint
module = nn.Linear(400, 400)
step = 0
while True:
    step += 1
    nn.init.constant_(module.weight, step)
    checkpoint.save(sys.argv[1], step, module, {"moments": torch.full((400, 400), float(step))}, {"at": step}, keep=1)
    print(step, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    chance = random.Random(0)
    process = None
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        said = int(process.stdout.readline())
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = checkpoint.load_latest(tmp_path)
        assert found is not None
        assert found.step >= said
        assert found.position == {"at": found.step}
        assert (found.weights["weight"] == found.step).all()
        assert (found.optimizer["moments"] == found.step).all()
        for _, path in checkpoint.steps(tmp_path):
            checkpoint.load(path)


def test_an_export_is_a_folder_that_transformers_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = saved_model(tmp_path / "source")
    model = load_model(ModelOptions(str(source), device="cpu", precision="float32"))
    with torch.no_grad():
        next(model.parameters()).add_(0.01)
    for _ in range(2):  # the second takes the place of the first
        export(model.causal, source, tmp_path / "out" / "model")
    assert sorted(os.listdir(tmp_path / "out")) == ["model"]
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "model")
    assert again.config._attn_implementation == "sdpa", "how it was trained does not follow it"
    ids = torch.arange(20).unsqueeze(0)
    use_attention(model.causal, "sdpa")
    model.causal.eval()
    torch.testing.assert_close(again(ids).logits, model.causal(ids).logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out" / "model")
    assert tokenizer.chat_template
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="has other files than a model"):
        export(model.causal, source, tmp_path / "mine")


def test_models_and_devices_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no model folder"):
        load_model(ModelOptions(str(tmp_path), device="cpu"))
    source = saved_model(tmp_path / "source")
    with pytest.raises(ConfigError, match="no device 'gpu9'"):
        load_model(ModelOptions(str(source), device="gpu9"))
