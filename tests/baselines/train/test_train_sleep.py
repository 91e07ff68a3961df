"""Engines that give their memory back while a step is trained: the order of calls, and the real small engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_game import toy_config, toy_game
from training_parts import saved_model

from wideseek_baselines.engines.base import EngineError, EngineInfo, Request, Sampling
from wideseek_baselines.engines.process_guard import ProcessGuard
from wideseek_baselines.engines.transformers import TransformersEngine
from wideseek_baselines.engines.vllm import VllmEngine
from wideseek_baselines.engines.vllm_loading import Loaded, VllmSettings
from wideseek_baselines.engines.weights import tensor_shapes
from wideseek_baselines.policies.factories import vllm_policy
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.reporting.log import read_log
from wideseek_env.errors import ConfigError


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


class Recorder:
    """Stands for vLLM's `AsyncLLM` on a GPU, which a processor's vLLM has no sleep mode to show: notes its calls."""

    errored = False
    output_handler = None

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def sleep(self, level: int = 1) -> None:
        """See vLLM."""
        self.calls.append(("sleep", level))

    async def wake_up(self, tags: list[str] | None = None) -> bool:
        """See vLLM."""
        self.calls.append(("wake_up", tags))
        return True

    async def collective_rpc(self, method: str, args: tuple[Any, ...] = ()) -> None:
        """See vLLM."""
        self.calls.append((method,))

    async def pause_generation(self, *, mode: str, clear_cache: bool) -> None:
        """See vLLM."""
        self.calls.append(("pause", mode, clear_cache))

    async def resume_generation(self) -> None:
        """See vLLM."""
        self.calls.append(("resume",))

    def shutdown(self, seconds: float) -> None:
        """See vLLM."""


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()

    def load(settings: VllmSettings) -> Loaded:
        shapes = tensor_shapes(Path(settings.model))
        return Loaded(
            made,
            EngineInfo("vllm", "m", "tokens", 64),
            480,
            shapes,
            True,
            settings.sleep_level,
            ProcessGuard(),
        )

    monkeypatch.setattr(VllmSettings, "load", load)
    return made


def weights(folder: Path) -> list[tuple[str, torch.Tensor]]:
    from safetensors.torch import load_file

    return list(load_file(folder / "model.safetensors").items())


def turn(engine: Any, ids: list[int]) -> Any:
    return engine.generate(Request("r", Sampling(max_tokens=5, temperature=0), ids=ids))


def test_vllm_takes_its_weights_memory_then_the_weights_then_that_of_keys_and_values(
    recorder: Recorder, model_folder: Path
) -> None:
    engine = vllm_policy(str(model_folder), context=64, sleep_level=2).engines[0]
    assert isinstance(engine, VllmEngine)

    async def play() -> None:
        await engine.start()
        await engine.sleep()
        await engine.sleep()
        with pytest.raises(EngineError, match="update_weights before the next request"):
            await turn(engine, [1, 2])
        wrong = [(name, tensor[:1]) for name, tensor in weights(model_folder)]
        with pytest.raises(ConfigError):
            await engine.update_weights(wrong, 1)
        assert recorder.calls == [("sleep", 2)], "weights that do not fit wake nobody"
        await engine.update_weights(weights(model_folder), 1)
        assert engine.version == 1
        await engine.update_weights(weights(model_folder), 2)
        await engine.close()

    asyncio.run(play())
    assert recorder.calls == [
        ("sleep", 2),
        ("wake_up", ["weights"]),
        ("replace_weights",),
        ("wake_up", ["kv_cache"]),
        ("pause", "abort", True),
        ("replace_weights",),
        ("resume",),
    ]


def test_vllm_that_only_wakes_has_no_weights_and_stays_paused(recorder: Recorder, model_folder: Path) -> None:
    engine = VllmEngine(model_folder, sleep_level=2)

    async def play() -> None:
        await engine.start()
        await engine.pause()
        await engine.sleep()
        await engine.wake()
        with pytest.raises(EngineError, match="released the weights"):
            await turn(engine, [1, 2])
        await engine.close()

    asyncio.run(play())
    kept = ("pause", "keep", False)  # waking up sets vLLM to work
    assert recorder.calls == [kept, ("sleep", 2), ("wake_up", None), kept]


def test_an_engine_that_cannot_sleep_is_left_alone(recorder: Recorder, model_folder: Path) -> None:
    engine = VllmEngine(model_folder)

    async def play() -> None:
        await engine.start()
        await engine.sleep()
        await engine.wake()
        await engine.close()

    asyncio.run(play())
    assert recorder.calls == []


def test_the_transformers_engine_refuses_requests_until_it_is_woken(
    model_folder: Path, tmp_path: Path
) -> None:
    other = saved_model(tmp_path / "other", seed=1)
    engine = TransformersEngine(model_folder, device="cpu")

    async def play() -> None:
        await engine.start()
        before = await turn(engine, [5, 6, 7])
        await engine.sleep()
        with pytest.raises(EngineError, match="the engine is asleep"):
            await turn(engine, [5, 6, 7])
        await engine.wake()
        assert (await turn(engine, [5, 6, 7])).logprobs == before.logprobs
        await engine.sleep()
        with pytest.raises(ConfigError):
            await engine.update_weights(weights(other)[:-1], 1)
        with pytest.raises(EngineError, match="the engine is asleep"):
            await turn(engine, [5, 6, 7])
        await engine.update_weights(weights(other), 1)
        after = await turn(engine, [5, 6, 7])
        assert after.logprobs != before.logprobs
        assert after.versions == ((1, 5),)
        await engine.close()

    asyncio.run(play())


def test_the_engine_sleeps_while_a_step_is_trained_and_the_result_is_the_same(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def noting(name: str) -> None:
        usual = getattr(TransformersEngine, name)

        async def method(engine: TransformersEngine, *arguments: Any) -> Any:
            if calls[-1:] != [name]:
                calls.append(name)
            return await usual(engine, *arguments)

        monkeypatch.setattr(TransformersEngine, name, method)

    for name in ("generate", "sleep", "wake", "update_weights", "close"):
        noting(name)
    logs: list[list[Mapping[str, Any]]] = []
    for sleep in ("false", "true"):
        calls.clear()
        config = toy_config(GrpoConfig, model_folder, tmp_path / sleep, "steps=2", f"engine.sleep={sleep}")
        run_grpo(config, game=toy_game())
        step = ["generate", "sleep", "update_weights"] if sleep == "true" else ["generate", "update_weights"]
        assert calls == [*step, *step, "close"]
        records = read_log(tmp_path / sleep / "metrics.jsonl")
        logs.append([{k: v for k, v in record.items() if "second" not in k} for record in records])
    assert logs[0] == logs[1]
    models = [(tmp_path / sleep / "model" / "model.safetensors").read_bytes() for sleep in ("false", "true")]
    assert models[0] == models[1]
    # Whether engines sleep changes nothing, so a run may go on with it.
    config = toy_config(GrpoConfig, model_folder, tmp_path / "false", "steps=3", "engine.sleep=true")
    assert run_grpo(config, game=toy_game()).steps == 3
