"""What the vLLM engine says about settings and folders, without starting vLLM."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wideseek_baselines.engines.base import EngineLostError, Request, Sampling
from wideseek_baselines.engines.vllm import VllmEngine
from wideseek_env.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"context": 0}, "context"),
        ({"max_requests": True}, "max_requests"),
        ({"kv_bytes": 1.5}, "kv_bytes"),
        ({"tensor_parallel": 0}, "tensor_parallel"),
        ({"dtype": "fp32"}, "float32"),
        ({"gpu_memory_utilization": 1.2}, "gpu_memory_utilization"),
        ({"sleep_level": 3}, "sleep_level"),
        ({"options": {"logprobs_mode": "raw_logprobs"}}, "logprobs_mode"),
        ({"options": {"max_model_len": 10}}, "max_model_len"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        VllmEngine("anything", **settings)


@pytest.mark.parametrize(
    ("files", "says"),
    [(None, "no model folder"), ([], "no config.json"), (["config.json", "pytorch_model.bin"], "pickled")],
)
def test_a_wrong_folder_is_refused_at_the_start(tmp_path: Path, files: list[str] | None, says: str) -> None:
    folder = tmp_path / "model"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).write_text("{}")
    with pytest.raises(ConfigError, match=says):
        asyncio.run(VllmEngine(folder).start())


def test_an_engine_that_does_not_run_says_so(tmp_path: Path) -> None:
    async def use() -> None:
        engine = VllmEngine(tmp_path)
        asked = Request("a", Sampling(), ids=[1])
        with pytest.raises(EngineLostError, match="not started"):
            await engine.generate(asked)
        await engine.close()
        await engine.close()
        with pytest.raises(EngineLostError, match="closed"):
            await engine.generate(asked)
        with pytest.raises(EngineLostError, match="closed"):
            await engine.start()

    asyncio.run(use())
