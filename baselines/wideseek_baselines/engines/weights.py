"""Model folders and their safetensors files: listing tensors, comparing them and writing new files.

This module reads and writes only safetensors files, never pickles. So loading weights cannot run code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wideseek_baselines.checksums import check_model
from wideseek_baselines.engines.shared_memory import WeightsFolder
from wideseek_baselines.model_names import find_model
from wideseek_env.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]

MAX_HEADER = 100_000_000  # bytes, as the safetensors format allows
SHARD = 2_000_000_000  # bytes per file; writing a large model needs only this much additional memory
TIED = "lm_head.weight"


def model_folder(model: str | Path) -> Path:
    """The folder of a model: `model` itself, that of a shipped model, or the one into which the Hugging Face hub
    downloads the model.

    Raises:
        ConfigError: There is no such folder or name, or the folder has no configuration or no safetensors.
        DamagedError: The folder has checksums, and a file does not have its checksum.
        MissingDependencyError: `model` is a hub name and huggingface_hub is not installed.
    """
    source = find_model(model)
    folder = Path(source) if Path(source).is_dir() else _from_hub(source)
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} is not a model folder: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{folder} has no *.safetensors, and pickled weights are not loaded: save the model again with "
            "model.save_pretrained(folder)"
        )
    check_model(folder)
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download  # `find_model` has asked the hub, so it is installed

    try:
        wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # no network, an unknown name, a missing login
        raise ConfigError(
            f"{name!r} is neither a folder nor a model that the Hugging Face hub provides "
            f"({type(error).__name__}: {str(error).strip()[:300]})"
        ) from error


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all tensors in a folder's safetensors files. Only the headers of the files are read.

    Raises:
        ConfigError: The folder has no safetensors, or a file is damaged.
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
                    raise ValueError("its length differs from the one in its header")
            shapes |= {
                name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} is not a complete safetensors file: {error}") from error
    if not shapes:
        raise ConfigError(f"{folder} has no *.safetensors to take weights from")
    return shapes


def ties_embeddings(folder: Path) -> bool:
    """Whether the output layer shares the weights of the input embedding. Then the tensor `TIED` is optional."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("tie_word_embeddings", False))


def check_shapes(expected: Shapes, given: Shapes, *, tied: bool) -> None:
    """Check that the tensors `given` can replace those in `expected`: names and shapes must be the same.

    Raises:
        ConfigError: Tensors are missing, unknown or of another shape. The message names the first such tensors.
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
            f"these weights do not fit the loaded model ({'; '.join(wrong)}): give all of its tensors, under "
            "the names that its folder has"
        )


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@contextmanager
def saved_tensors(
    tensors: Iterable[tuple[str, Tensor]], expected: Shapes, *, tied: bool, shard: int = SHARD
) -> Iterator[Path]:
    """Write named tensors to safetensors files in a new folder, which is deleted at the end of the ``with`` block.

    If shared memory has room for all tensors, the folder is there, so that nothing is written to a disk. The tensors of
    all processes of this machine count (`shared_memory`). The function copies one tensor at a time to main memory. It
    writes a file after every `shard` bytes.

    Raises:
        ConfigError: The names and shapes differ from `expected`, or a tensor is given twice.
    """
    from safetensors.torch import save_file

    given: dict[str, tuple[int, ...]] = {}
    batch: dict[str, Tensor] = {}
    held = files = 0
    place = WeightsFolder(4 * sum(math.prod(shape) for shape in expected.values()))
    with place as folder:
        for name, tensor in tensors:
            if name in given:
                raise ConfigError(f"the tensor {name} was given twice: give each tensor once")
            given[name] = tuple(tensor.shape)
            if tied and name == TIED:
                continue  # the same numbers as the embedding
            # A copy, because the format refuses tensors that share memory, such as tied ones.
            batch[name] = tensor.detach().to("cpu", copy=True).contiguous()
            held += batch[name].nbytes
            if held >= shard:
                save_file(batch, folder / f"model-{files:05}.safetensors")
                batch, held, files = {}, 0, files + 1
        if batch:
            save_file(batch, folder / f"model-{files:05}.safetensors")
        check_shapes(expected, given, tied=tied)
        place.written()
        yield folder
