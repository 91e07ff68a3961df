"""Model folders and their safetensors files: what tensors they hold, whether two agree, and writing new ones.

Only safetensors are read and written, never pickles: a file of weights cannot run code.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wideseek_env.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]

MAX_HEADER = 100_000_000  # bytes, as the safetensors format allows
SHARD = 2_000_000_000  # bytes a file, so that writing a large model never holds more than this beside it
TIED = "lm_head.weight"
SHARED_MEMORY = Path("/dev/shm")


def model_folder(model: str | Path) -> Path:
    """The folder of a model: `model` itself, or where the Hugging Face hub's files for that name are kept.

    Raises:
        ConfigError: There is no such folder or name, or it has no configuration or no safetensors.
        MissingDependencyError: It is a hub name and huggingface_hub is not installed.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(model)) or isinstance(model, Path):
            raise ConfigError(
                f"there is no model folder {str(model)!r}: give a folder, or a hub name as owner/name"
            )
        folder = _from_hub(str(model))
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} is no model folder: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{folder} has no *.safetensors; weights in pickled form are not loaded: save the model again with "
            "model.save_pretrained(folder)"
        )
    return folder


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            f"there is no folder {name!r}, and loading from the hub needs: pip install huggingface_hub"
        ) from error
    try:
        wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # no network, no such name, a login that is needed
        raise ConfigError(
            f"{name!r} is neither a folder nor a model that the Hugging Face hub gives out "
            f"({type(error).__name__}: {str(error).strip()[:300]})"
        ) from error


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor in a folder's safetensors files, from their headers alone.

    Raises:
        ConfigError: There are none, or a file is damaged.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                if size > MAX_HEADER:
                    raise ValueError("its header is too long")
                header = json.loads(file.read(size))
                ends = [
                    0,
                    *(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"),
                ]
                if path.stat().st_size != 8 + size + max(ends):
                    raise ValueError("its length is not what its header says")
            shapes |= {
                name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} is not a complete safetensors file: {error}") from error
    if not shapes:
        raise ConfigError(f"{folder} has no *.safetensors to take weights from")
    return shapes


def ties_embeddings(folder: Path) -> bool:
    """Whether the model's output layer is its input embedding, so that `TIED` may be there or not."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("tie_word_embeddings", False))


def check_shapes(expected: Shapes, given: Shapes, *, tied: bool) -> None:
    """See that `given` can replace `expected`: the same names and shapes, all of them.

    Raises:
        ConfigError: Names the first tensors that are missing, unknown or of another shape.
    """
    names = {name for name in expected if not (tied and name == TIED)}
    offered = {name for name in given if not (tied and name == TIED)}
    wrong = [f"missing: {_some(names - offered)}"] if names - offered else []
    if offered - names:
        wrong.append(f"unknown: {_some(offered - names)}")
    if odd := {name for name in names & offered if tuple(expected[name]) != tuple(given[name])}:
        first = min(odd)
        wrong.append(f"of another shape: {_some(odd)} ({first} is {given[first]}, not {expected[first]})")
    if wrong:
        raise ConfigError(
            f"these weights do not fit the model that is loaded ({'; '.join(wrong)}): give all of its tensors, under "
            "the names that its folder has"
        )


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def save_tensors(
    tensors: Iterable[tuple[str, Tensor]], expected: Shapes, *, tied: bool, shard: int = SHARD
) -> Path:
    """Write named tensors to safetensors in a new folder, which the caller deletes.

    The folder is in shared memory where there is room for all of it, so that it never touches a disk. Tensors are
    taken one at a time and may lie on any device; a file is written whenever `shard` bytes have come together.

    Raises:
        ConfigError: They do not fit `expected` (see `check_shapes`), or one comes twice.
    """
    from safetensors.torch import save_file

    folder = Path(
        tempfile.mkdtemp(prefix="wideseek-weights-", dir=_roomy(4 * sum(map(_size, expected.values()))))
    )
    given: dict[str, tuple[int, ...]] = {}
    batch: dict[str, Tensor] = {}
    held = files = 0
    try:
        for name, tensor in tensors:
            if name in given:
                raise ConfigError(f"the tensor {name} was given twice")
            given[name] = tuple(tensor.shape)
            if tied and name == TIED:
                continue  # the same numbers as the embedding
            # A copy, because the format refuses tensors that share memory, as tied ones do.
            batch[name] = tensor.detach().to("cpu", copy=True).contiguous()
            held += batch[name].nbytes
            if held >= shard:
                save_file(batch, folder / f"model-{files:05}.safetensors")
                batch, held, files = {}, 0, files + 1
        if batch:
            save_file(batch, folder / f"model-{files:05}.safetensors")
        check_shapes(expected, given, tied=tied)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _roomy(size: int, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Path | None:
    """Where to put `size` bytes: shared memory if they fit with room to spare, else the usual temporary folder."""
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK) and usage(SHARED_MEMORY)[2] > 1.2 * size:
        return SHARED_MEMORY
    return None
