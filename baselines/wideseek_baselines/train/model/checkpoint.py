"""Checkpoints. A checkpoint gets its name only when all of it is on disk, so there are no incomplete ones.

A checkpoint is a folder such as ``step-00000120``. If the same step is saved again, ``.1`` is appended. The folder has
the weights (safetensors), the states of the optimizers and of the random number generators, and a JSON file with the
position of the run. While it is written, the folder has a temporary name. If the process is killed during that time,
the temporary folder stays. It is never loaded, and the next `save` removes it.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.export import whole_state_dict
from wideseek_baselines.train.model.lora import adapter_weights, write_adapter
from wideseek_baselines.train.model.sharding import gather, part_like
from wideseek_env.errors import ConfigError, WideSeekError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMAT = 1
_NAME = re.compile(r"step-(\d{8})(?:\.(\d+))?")
_UNFINISHED = ".unfinished-"


class CheckpointError(WideSeekError):
    """A checkpoint cannot be written or read, or belongs to another model."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was loaded. `position` has the JSON values that `save` got, such as settings and counters."""

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    generators: dict[str, Any]
    position: dict[str, Any]

    def restore(self, module: nn.Module) -> None:
        """Load the weights into a module, and restore the generators of torch, NumPy and Python."""
        own = module.state_dict()
        weights = {name: part_like(tensor, own.get(name, tensor)) for name, tensor in self.weights.items()}
        try:
            missing, unexpected = module.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            raise CheckpointError(f"the checkpoint belongs to another model: {error}") from error
        lacking = set(missing) - _left_out(module)
        if unexpected or lacking:
            raise CheckpointError(
                f"the checkpoint belongs to another model: it lacks {sorted(lacking)[:5]} and also has "
                f"{unexpected[:5]}"
            )
        restore_generators(self.generators)


def save(
    folder: Path | str,
    step: int,
    module: nn.Module,
    optimizer: Mapping[str, Any],
    position: Mapping[str, Any],
    *,
    keep: int = 2,
) -> Path:
    """Write the checkpoint of a step into `folder`, and keep only the `keep` newest ones. All processes must call this.

    Args:
        folder: Folder of all checkpoints of the run.
        step: The number of steps that are done.
        module: The module whose state is saved, without frozen parameters.
        optimizer: The states of the optimizers.
        position: JSON values that the run needs to resume, such as its place in the data.
        keep: How many checkpoints are kept. Older ones are removed after the new one is complete.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    left_out = _left_out(module)
    weights = gather({name: part for name, part in module.state_dict().items() if name not in left_out})
    state = gather(dict(optimizer))
    return distributed.from_main(lambda: _write(Path(folder), step, weights, state, position, keep))


def _write(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    optimizer: dict[str, Any],
    position: Mapping[str, Any],
    keep: int,
) -> Path:
    from safetensors.torch import save_file

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        place.chmod(0o755)
        save_file(weights, place / "weights.safetensors")
        torch.save({"optimizer": optimizer, "generators": generator_states()}, place / "state.pt")
        about = {"format": FORMAT, "step": step, "position": dict(position)}
        (place / "position.json").write_text(json.dumps(about), "utf-8")
        for file in place.iterdir():
            _to_disk(file)
        _to_disk(place)
        target = _free_name(folder, step)
        os.replace(place, target)
        _to_disk(folder)
    except OSError as error:
        raise CheckpointError(f"no checkpoint can be written to {folder}: {error}") from error
    for _, path in steps(folder)[:-keep]:
        # Renamed first: a removal that is interrupted must not leave a checkpoint that looks complete.
        doomed = path.with_name(f"{_UNFINISHED}{path.name}")
        os.replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return target


def steps(folder: Path | str) -> list[tuple[int, Path]]:
    """The steps and paths of the checkpoints in a folder, oldest first."""
    folder = Path(folder)
    found = [(_NAME.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ())]
    known = sorted((int(match[1]), int(match[2] or 0), path) for match, path in found if match is not None)
    return [(step, path) for step, _, path in known]


def load_latest(folder: Path | str) -> Checkpoint | None:
    """The newest checkpoint in a folder. None if there is no checkpoint.

    Raises:
        CheckpointError: The checkpoint is damaged, or the processes find different checkpoints.
    """
    found = steps(folder)
    names = distributed.gathered(found[-1][1].name if found else "none")
    if len(set(names)) > 1:
        raise CheckpointError(
            f"the processes find different checkpoints in {folder} ({', '.join(names)}): it must be a folder that all "
            "machines share"
        )
    return load(found[-1][1]) if found else None


def load(path: Path | str) -> Checkpoint:
    """Read one checkpoint. Raises `CheckpointError` if it is damaged or has another format."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    try:
        about = json.loads((path / "position.json").read_text("utf-8"))
        if about.get("format") != FORMAT:
            raise CheckpointError(f"{path}: format {about.get('format')!r}, this version reads {FORMAT}")
        # With several processes the file is mapped, so each keeps only its part in memory.
        many = distributed.size() > 1
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True, mmap=many)
        return Checkpoint(
            about["step"],
            load_file(path / "weights.safetensors"),
            state["optimizer"],
            state["generators"],
            about["position"],
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def generator_states() -> dict[str, Any]:
    """The states of the global generators of Python, NumPy and torch, as plain types and tensors."""
    version, numbers, gauss = random.getstate()
    kind, keys, at, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [
            str(kind),
            torch.from_numpy(np.asarray(keys).copy()),
            int(at),
            int(has_gauss),
            float(cached),
        ],
        "torch": torch.get_rng_state(),
        "cuda": list(torch.cuda.get_rng_state_all()) if torch.cuda.is_initialized() else [],
    }


def restore_generators(states: Mapping[str, Any]) -> None:
    """Restore the global generators to the states from `generator_states`."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, at, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy(), at, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])


def export(causal: PreTrainedModel, tokenizer: str | Path, folder: Path | str) -> Path:
    """Write a Hugging Face folder (model, configuration, tokenizer) that transformers and vLLM can load.

    The folder appears only when it is complete. It replaces an earlier export. Adapters are merged into the weights,
    and are also written separately to the folder ``adapter`` next to `folder`. All processes must call this function.

    Args:
        causal: The model.
        tokenizer: Folder or hub name of the tokenizer.
        folder: The folder to write.

    Raises:
        ConfigError: The folder exists and has files, but no model.
    """
    from wideseek_baselines.train.model.model import copy_tokenizer

    state = whole_state_dict(causal)
    again = _duplicates(causal)
    kept = None if state is None else {name: part for name, part in state.items() if name not in again}

    def model(place: Path) -> None:
        causal.save_pretrained(place, state_dict=kept)
        copy_tokenizer(tokenizer, place)

    adapters = dict(adapter_weights(causal))
    if adapters:
        adapter = Path(folder).with_name("adapter")
        distributed.from_main(
            lambda: _replace(adapter, lambda place: write_adapter(causal, str(tokenizer), adapters, place))
        )
    return distributed.from_main(lambda: _replace(Path(folder), model))


def _replace(folder: Path, write: Callable[[Path], None]) -> Path:
    """Write a folder under a temporary name. When the folder is complete, replace the earlier folder with it."""
    if (
        folder.exists()
        and not any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise ConfigError(f"{folder} has other files than a model: choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        place.chmod(0o755)
        write(place)
        for file in place.rglob("*"):
            _to_disk(file)
        if folder.exists():
            os.replace(folder, place / ".earlier")
        os.replace(place, folder)
        shutil.rmtree(folder / ".earlier", ignore_errors=True)
        _to_disk(folder.parent)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return folder


def _free_name(folder: Path, step: int) -> Path:
    """A free name for the checkpoint of a step. An existing checkpoint of the step is not replaced."""
    path, again = folder / f"step-{step:08d}", 0
    while path.exists():
        again += 1
        path = folder / f"step-{step:08d}.{again}"
    return path


def _duplicates(module: nn.Module) -> set[str]:
    """Names of tensors that already have another name, such as tied embeddings."""
    seen: dict[int, str] = {}
    again: set[str] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if seen.setdefault(id(tensor), name) != name:
            again.add(name)
    return again


def _left_out(module: nn.Module) -> set[str]:
    """Names of tensors that a checkpoint leaves out: the second names of tied tensors, and frozen parameters."""
    frozen = {
        name for name, part in module.named_parameters(remove_duplicate=False) if not part.requires_grad
    }
    return _duplicates(module) | frozen


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
