"""The LoRA adapters that a vLLM engine serves: their files, and how vLLM replaces them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_baselines.engines.base import Weights
from wideseek_baselines.engines.shared_memory import WeightsFolder
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

KIND = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none"}
"""Settings in ``adapter_config.json`` that all adapters share."""


class ServedAdapters:
    """The adapters of one engine. vLLM caches keys and values by the name of an adapter, so each version has another
    name.

    Args:
        settings: The settings of each adapter, as in `VllmSettings.adapters`.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._settings = settings
        self._loaded: dict[str, Any] = {}
        self._number = 0
        self._written = ExitStack()
        self._used = ExitStack()

    def request(self, adapter: str) -> Any:
        """vLLM's `LoRARequest` for an adapter. None without an adapter, and before the first update."""
        return self._loaded.get(adapter)

    def save(self, weights: Weights) -> Path:
        """Write the adapters to a new folder, with a folder for each of them.

        Args:
            weights: The tensors of all adapters. The name of a tensor is that of the adapter, a slash, and the name in
                peft's files.

        Raises:
            ConfigError: A name has no known adapter, or an adapter has no tensors.
        """
        from safetensors.torch import save_file

        if isinstance(weights, Path):
            raise ConfigError(
                f"this engine serves the adapters {', '.join(self._settings)}, so it takes their tensors and not the "
                f"folder {weights}"
            )
        found: dict[str, dict[str, Tensor]] = {name: {} for name in self._settings}
        for name, tensor in weights:
            adapter, _, key = name.partition("/")
            if adapter not in found:
                raise ConfigError(
                    f"the tensor {name} belongs to none of the adapters {', '.join(self._settings)}: put the name of "
                    "its adapter and a slash before its name"
                )
            found[adapter][key] = tensor.detach().to("cpu", copy=True).contiguous()
        if missing := [name for name, tensors in found.items() if not tensors]:
            raise ConfigError(f"the adapter {missing[0]} has no tensors: give those of all adapters")
        size = sum(tensor.nbytes for tensors in found.values() for tensor in tensors.values())
        place = WeightsFolder(size)
        with ExitStack() as stack:
            folder = stack.enter_context(place)
            for adapter, tensors in found.items():
                (folder / adapter).mkdir()
                save_file(tensors, folder / adapter / "adapter_model.safetensors")
                settings = {**KIND, **self._settings[adapter]}
                (folder / adapter / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
            place.written()
            self._written.close()
            self._written = stack.pop_all()
        return folder

    async def replace(self, llm: Any, folder: Path) -> None:
        """Let vLLM load the adapters from the folder that `save` wrote last, instead of the earlier ones. vLLM may read
        the folder again, so it stays until the next call.
        """
        from vllm.lora.request import LoRARequest

        earlier, self._used, self._written = self._used, self._written, ExitStack()
        for request in self._loaded.values():
            await llm.remove_lora(request.lora_int_id)
        self._loaded = {}
        for name in self._settings:
            self._number += 1
            request = LoRARequest(f"{name}-{self._number}", self._number, str(folder / name))
            await llm.add_lora(request)
            self._loaded[name] = request
        earlier.close()

    def close(self) -> None:
        """Delete the files."""
        self._written.close()
        self._used.close()
