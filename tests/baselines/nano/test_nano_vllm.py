"""Every size of the nano model runs in the real vLLM, which gives the probabilities that transformers gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from wideseek_baselines.nano import SIZES, make_nano

pytestmark = pytest.mark.xdist_group("vllm")

QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Any]]]:
    """By size, a model's folder and what vLLM samples from it; one process serves them in turn."""
    if find_spec("vllm") is None:
        pytest.skip("needs vLLM: run .ci/install-vllm (processor only) or pip install vllm (with a GPU)")
    place = tmp_path_factory.mktemp("nano")
    folders = {
        size: make_nano(place / size, size=size, vocab=1024, worlds=6, context=512).folder for size in SIZES
    }
    script = Path(__file__).with_name("sample_with_vllm.py")
    done = subprocess.run(
        [sys.executable, str(script), *map(str, folders.values())],
        cwd=place,
        env={
            **os.environ,
            **QUIET,
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()[-len(folders) :]
    return {size: (folders[size], json.loads(line)) for size, line in zip(folders, lines, strict=True)}


@pytest.mark.parametrize("size", SIZES)
def test_vllm_and_transformers_agree(size: str, sampled: dict[str, tuple[Path, list[Any]]]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder, samples = sampled[size]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for sample in samples:
        ids = [*sample["prompt"], *sample["ids"]]
        with torch.no_grad():
            steps = model(torch.tensor([ids])).logits[0].log_softmax(-1)[len(sample["prompt"]) - 1 : -1]
        expected = steps.gather(1, torch.tensor(sample["ids"])[:, None])[:, 0]
        assert len(set(sample["ids"])) > 5, "sampled, not repeated"
        torch.testing.assert_close(torch.tensor(sample["logprobs"]), expected, atol=1e-4, rtol=0)
