"""Low-rank adapters (LoRA), made with the package peft: each linear layer gets a small additional product to train.

The model's own tensors do not change. So the model with its adapters switched off is the reference model. Engines and
exports get tensors into which the adapters are merged. The tensors have the names in the model's folder.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from wideseek_baselines.train.config.options import LoraOptions
from wideseek_baselines.train.model.sharding import full
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "default"
"""The name of the adapter in peft, if all roles share it."""
_BASE = ".base_layer."
_OWN = (".lora_A.", ".lora_B.")


def add_adapters(causal: PreTrainedModel, options: LoraOptions, names: Sequence[str] = (NAME,)) -> None:
    """Add adapters to the chosen linear layers, and freeze everything else. New adapters do not change the output.

    Args:
        causal: The model.
        options: The adapters.
        names: The names of the adapters. The model computes with the first one, or with that of `use_adapter`.

    Raises:
        ConfigError: The model does not have these layers, or they cannot have adapters.
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import Linear
    except ImportError as error:
        raise MissingDependencyError(f"model.lora needs peft; {baselines_hint('lora')}") from error
    head = causal.get_output_embeddings()
    linear = {
        name.rpartition(".")[2]
        for name, module in causal.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }
    if unknown := [name for name in options.targets if name not in linear]:
        raise ConfigError(
            f"model.lora.targets: {', '.join(unknown)} cannot have an adapter; there are: {', '.join(sorted(linear))}"
        )
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        target_modules=list(options.targets),
        lora_dropout=options.dropout,
    )
    with torch.random.fork_rng(devices=[]):  # the same adapters in every process, and in every run
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Already found a `peft_config`"
            )  # a second adapter is no mistake
            for name in names:
                inject_adapter_in_model(copy.deepcopy(config), causal, name)
    for name, parameter in causal.named_parameters():
        parameter.requires_grad_(any(part in name for part in _OWN))  # peft freezes all adapters but the last
    use_adapter(causal, names[0])
    if odd := [name for name, module in _layers(causal) if type(module) is not Linear]:
        raise ConfigError(f"model.lora.targets: {odd[0]} is not a plain linear layer")


def has_adapters(causal: nn.Module) -> bool:
    """Whether a model has adapters."""
    return next(_layers(causal), None) is not None


@contextmanager
def adapters_off(causal: nn.Module) -> Iterator[None]:
    """Switch the adapters off inside a ``with`` block."""
    layers = [(module, name) for _, module in _layers(causal) for name in module.lora_A]
    for layer, name in layers:
        # Not peft's switch: it also freezes the adapters, and FSDP would keep them frozen.
        layer.set_scale(name, 0.0)
    try:
        yield
    finally:
        for layer, name in layers:
            layer.set_scale(name, 1.0)


def use_adapter(causal: nn.Module, name: str) -> None:
    """Let the model compute with the adapter of this name. All adapters stay trainable."""
    for _, layer in _layers(causal):
        layer._active_adapter = [name]  # not `set_adapter`, which freezes the other adapters


def without_other_adapters(causal: nn.Module, adapter: str) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of a model with only one of its adapters."""
    for name, parameter in causal.named_parameters():
        if not any(part in name for part in _OWN) or any(f"{part}{adapter}." in name for part in _OWN):
            yield name, parameter


def merged_weights(causal: nn.Module, adapter: str = NAME) -> Iterator[tuple[str, Tensor]]:
    """Names and whole tensors of a model with an adapter merged. The tensors of the model itself do not change.

    All processes must iterate over all of them.
    """
    for name, tensor in causal.state_dict().items():
        if any(part in name for part in _OWN):
            continue
        whole = full(tensor.detach())
        place, found, kind = name.partition(_BASE)
        if found and kind == "weight":
            layer: Any = causal.get_submodule(place)
            first, second = (full(part[adapter].weight.detach()) for part in (layer.lora_A, layer.lora_B))
            added = (second.float() @ first.float()) * layer.scaling[adapter]
            whole = (whole.float() + added).to(whole.dtype)
        yield f"{place}.{kind}" if found else name, whole


def adapter_weights(causal: nn.Module, adapter: str = NAME) -> Iterator[tuple[str, Tensor]]:
    """Whole tensors of an adapter, with the names in peft's files. All processes must iterate over all of them."""
    for name, tensor in causal.state_dict().items():
        if any(f"{part}{adapter}." in name for part in _OWN):
            yield f"base_model.model.{name.replace(f'.{adapter}.', '.')}", full(tensor.detach())


def write_adapter(
    causal: nn.Module, base: str, tensors: dict[str, Tensor], folder: Path, adapter: str = NAME
) -> None:
    """Write a folder that ``peft.PeftModel.from_pretrained`` loads onto the base model.

    Args:
        causal: The model with the adapters.
        base: Folder or hub name of the model without adapters.
        tensors: The tensors from `adapter_weights`.
        folder: An existing folder.
        adapter: The name of the adapter in the model.
    """
    from peft import LoraConfig
    from safetensors.torch import save_file

    layers = list(_layers(causal))
    layer = layers[0][1]
    dropout = layer.lora_dropout[adapter]
    config = LoraConfig(
        r=layer.r[adapter],
        lora_alpha=layer.lora_alpha[adapter],
        target_modules=sorted({name.rpartition(".")[2] for name, _ in layers}),
        lora_dropout=dropout.p if isinstance(dropout, nn.Dropout) else 0.0,
        base_model_name_or_path=base,
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    save_file(
        {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
        folder / "adapter_model.safetensors",
        metadata={"format": "pt"},
    )


def _layers(causal: nn.Module) -> Iterator[tuple[str, Any]]:
    """The layers that have an adapter, with their names."""
    return ((name, module) for name, module in causal.named_modules() if hasattr(module, "lora_A"))
