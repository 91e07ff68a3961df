"""A model's weights for engines and files: whole tensors, with adapters merged and the names of the model's files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_baselines.checksums import write_checksums
from wideseek_baselines.model_settings import NAME as SETTINGS
from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.lora import (
    NAME,
    adapter_weights,
    has_adapters,
    merged_weights,
    write_adapter,
)
from wideseek_baselines.train.model.parts import ModelPart
from wideseek_baselines.train.model.sharding import full_weights
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

_EARLIER = ".earlier"


def state_dict_for_engine(causal: nn.Module, adapter: str = NAME) -> Iterator[tuple[str, Tensor]]:
    """The model's tensors with their names, gathered one at a time. All processes must iterate over all of them.

    Args:
        causal: The model.
        adapter: The adapter that is merged, if the model has adapters.
    """
    return merged_weights(causal, adapter) if has_adapters(causal) else full_weights(causal)


def adapters_for_engine(
    parts: Mapping[str, ModelPart], names: Mapping[str, str]
) -> Iterator[tuple[str, Tensor]]:
    """The tensors of several adapters for an engine that serves them. All processes must iterate over all of them.

    Args:
        parts: The parts of the model by name.
        names: The name of the part of each adapter of the engine.

    Returns:
        Pairs of name and tensor. A name is that of the adapter, a slash, and the name in peft's files.
    """
    for adapter, name in names.items():
        for key, tensor in adapter_weights(parts[name].causal, parts[name].adapter):
            yield f"{adapter}/{key}", tensor


def whole_state_dict(causal: nn.Module, adapter: str = NAME) -> dict[str, Tensor] | None:
    """All tensors in main memory. Only the first process gets them. None if `causal.state_dict()` already has them."""
    if distributed.size() == 1 and not has_adapters(causal):
        return None
    kept: dict[str, Tensor] = {}
    for name, tensor in state_dict_for_engine(causal, adapter):
        if distributed.is_main():
            kept[name] = tensor.cpu()
    return kept


def export(
    causal: PreTrainedModel,
    tokenizer: str | Path,
    folder: Path | str,
    about: Mapping[str, Any] | None = None,
    *,
    settings: str = "",
    adapter: str = NAME,
    adapter_folder: Path | None = None,
) -> Path:
    """Write a Hugging Face folder (model, configuration, tokenizer) that transformers and vLLM can load.

    The folder appears only when it is complete. It replaces an earlier export. It has checksums of its files. Adapters
    are merged into the weights, and are also written separately. All processes must call this function.

    Args:
        causal: The model.
        tokenizer: Folder or hub name of the tokenizer.
        folder: The folder to write.
        about: JSON values to store with the checksums, such as the step.
        settings: The settings for which the model was trained (`wideseek_baselines.model_settings`). If they are not
            empty, the folder has them in a file.
        adapter: The adapter that is exported, if the model has adapters.
        adapter_folder: The folder of the adapter. Default: ``adapter`` next to `folder`.

    Raises:
        ConfigError: The folder exists and has files, but no model.
    """
    from wideseek_baselines.train.model.model import copy_tokenizer

    state = whole_state_dict(causal, adapter)
    again = duplicates(causal)
    kept = None if state is None else {name: part for name, part in state.items() if name not in again}

    def model(place: Path) -> None:
        causal.save_pretrained(place, state_dict=kept)
        copy_tokenizer(tokenizer, place)
        if settings:
            (place / SETTINGS).write_text(settings, "utf-8")

    own = dict(adapter_weights(causal, adapter))
    if own:
        adapter_place = adapter_folder or Path(folder).with_name("adapter")
        distributed.from_main(
            lambda: _replace(
                adapter_place, lambda place: write_adapter(causal, str(tokenizer), own, place, adapter), about
            )
        )
    return distributed.from_main(lambda: _replace(Path(folder), model, about))


def _replace(folder: Path, write: Callable[[Path], None], about: Mapping[str, Any] | None) -> Path:
    """Write a folder under a temporary name. When the folder is complete, replace the earlier folder with it."""
    if (
        folder.exists()
        and not any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise ConfigError(f"{folder} has other files than a model: choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder)
    place = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
    try:
        place.chmod(0o755)
        write(place)
        write_checksums(place, about)
        for file in place.rglob("*"):
            to_disk(file)
        if folder.exists():
            os.replace(folder, place / _EARLIER)
        os.replace(place, folder)
        shutil.rmtree(folder / _EARLIER, ignore_errors=True)
        to_disk(folder.parent)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return folder


def recover(folder: Path) -> None:
    """Finish or undo what a killed process left of an export to `folder`.

    If the process was killed after it had moved the earlier folder away, the new one is complete and gets its name.
    """
    if folder.parent.is_dir():
        name = re.compile(re.escape(_prefix(folder)) + r"\w+")
        for place in sorted(path for path in folder.parent.iterdir() if name.fullmatch(path.name)):
            if (place / _EARLIER).is_dir() and not folder.exists():
                os.replace(place, folder)
            else:
                shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(folder / _EARLIER, ignore_errors=True)


def _prefix(folder: Path) -> str:
    return f".{folder.name}.unfinished-"


def duplicates(module: nn.Module) -> set[str]:
    """Names of tensors that already have another name, such as tied embeddings."""
    seen: dict[int, str] = {}
    again: set[str] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if seen.setdefault(id(tensor), name) != name:
            again.add(name)
    return again


def to_disk(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
