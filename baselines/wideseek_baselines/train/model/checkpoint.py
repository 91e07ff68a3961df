"""Checkpoints. A checkpoint gets its name only when all of it is on disk, so there are no incomplete ones.

A checkpoint is a folder such as ``step-00000120``. If the same step is saved again, ``.1`` is appended. The folder has
the weights (safetensors), the states of the optimizers and of the random number generators, a JSON file with the
position of the run, and the checksums of these files. If a checkpoint is damaged, the one before it is loaded.

While it is written, the folder has a temporary name. If the process is killed during that time, the temporary folder
stays. It is never loaded, and `clear_remains` and the next `save` remove it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import random
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wideseek_baselines.checksums import NAME as CHECKSUMS
from wideseek_baselines.checksums import DamagedError, check_files, write_checksums
from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.export import duplicates, to_disk
from wideseek_baselines.train.model.sharding import gather, part_like
from wideseek_env.errors import WideSeekError

log = logging.getLogger(__name__)

FORMAT = 2
WITHOUT_CHECKSUMS = 1
"""An earlier format, which can be read too."""
FILES = ("weights.safetensors", "state.pt", "position.json")
_NAME = re.compile(r"step-(\d{8})(?:\.(\d+))?")
_UNFINISHED = ".unfinished-"
_DAMAGED = ".damaged"


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
    damaged: Mapping[Path, str] = field(default_factory=dict)
    """Newer checkpoints that `load_latest` could not use, with a sentence about each for the user."""

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
    generators: Mapping[str, Any] | None = None,
    keep: int = 2,
) -> Path:
    """Write the checkpoint of a step into `folder`, and keep only the `keep` newest ones. All processes must call this.

    Args:
        folder: Folder of all checkpoints of the run.
        step: The number of steps that are done.
        module: The module whose state is saved, without frozen parameters.
        optimizer: The states of the optimizers.
        position: JSON values that the run needs to resume, such as its place in the data.
        generators: The states of the random number generators, from `generator_states`. Default: the current ones.
        keep: How many checkpoints are kept. Older ones are removed after the new one is complete, and so are damaged
            ones.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    left_out = _left_out(module)
    weights = gather({name: part for name, part in module.state_dict().items() if name not in left_out})
    state = {"optimizer": gather(dict(optimizer)), "generators": dict(generators or generator_states())}
    return distributed.from_main(lambda: _write(Path(folder), step, weights, state, position, keep))


def _write(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    state: dict[str, Any],
    position: Mapping[str, Any],
    keep: int,
) -> Path:
    from safetensors.torch import save_file

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_remains(folder)
        place = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        place.chmod(0o755)
        save_file(weights, place / "weights.safetensors")
        torch.save(state, place / "state.pt")
        about = {"format": FORMAT, "step": step, "position": dict(position)}
        (place / "position.json").write_text(json.dumps(about), "utf-8")
        write_checksums(place)
        for file in place.iterdir():
            to_disk(file)
        to_disk(place)
        target = _free_name(folder, step)
        os.replace(place, target)
        to_disk(folder)
    except OSError as error:
        raise CheckpointError(f"no checkpoint can be written to {folder}: {error}") from error
    for path in [*folder.glob(f"*{_DAMAGED}"), *(path for _, path in steps(folder)[:-keep])]:
        # Renamed first: a removal that is interrupted must not leave a checkpoint that looks complete.
        doomed = path.with_name(f"{_UNFINISHED}{path.name}")
        os.replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return target


def clear_remains(folder: Path | str) -> None:
    """Remove what killed processes left of checkpoints that they were writing or removing."""
    for left in Path(folder).glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def set_aside(damaged: Sequence[Path]) -> None:
    """Rename damaged checkpoints, so that they do not count as checkpoints. The next `save` removes them. All processes
    must call this."""

    def rename() -> None:
        for path in damaged:
            aside = path.with_name(path.name + _DAMAGED)
            shutil.rmtree(aside, ignore_errors=True)  # of an earlier checkpoint with this name
            os.replace(path, aside)

    distributed.from_main(rename)


def steps(folder: Path | str) -> list[tuple[int, Path]]:
    """The steps and paths of the checkpoints in a folder, oldest first."""
    folder = Path(folder)
    found = [(_NAME.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ())]
    known = sorted((int(match[1]), int(match[2] or 0), path) for match, path in found if match is not None)
    return [(step, path) for step, _, path in known]


def load_latest(folder: Path | str) -> Checkpoint | None:
    """The newest checkpoint in a folder that is not damaged. None if there is no checkpoint.

    A line in the log names each damaged checkpoint.

    Raises:
        CheckpointError: All checkpoints are damaged, or the processes find different checkpoints.
    """
    found = steps(folder)
    names = distributed.gathered(found[-1][1].name if found else "none")
    if len(set(names)) > 1:
        raise CheckpointError(
            f"the processes find different checkpoints in {folder} ({', '.join(names)}): it must be a folder that all "
            "machines share"
        )
    if not found:
        return None
    name, damaged = distributed.from_main(lambda: _newest_whole(found))
    return dataclasses.replace(
        _read(Path(folder) / name),
        damaged={Path(folder) / other: problem for other, problem in damaged.items()},
    )


def _newest_whole(found: Sequence[tuple[int, Path]]) -> tuple[str, dict[str, str]]:
    """The name of the newest checkpoint that is not damaged. The names of the newer ones, with what users are told."""
    problems: dict[str, str] = {}
    for _, path in reversed(found):
        try:
            _check(path)
        except CheckpointError as error:
            problems[path.name] = str(error)
            continue
        told = {
            name: f"{problem}. The run resumes from the checkpoint {path.name} instead. {name} is renamed to "
            f"{name}{_DAMAGED}, and the next checkpoint replaces it"
            for name, problem in problems.items()
        }
        for sentence in told.values():
            log.warning("%s", sentence)
        return path.name, told
    raise CheckpointError(
        f"no checkpoint can be used: {'; '.join(problems.values())}. Restore one of them from a copy, or delete "
        "them to start over"
    )


def load(path: Path | str) -> Checkpoint:
    """Read one checkpoint. Raises `CheckpointError` if it is damaged or has another format."""
    _check(Path(path))
    return _read(Path(path))


def _check(path: Path) -> None:
    """Check that a checkpoint is not damaged. One without checksums is read as a whole."""
    try:
        if not (path / CHECKSUMS).exists() and _about(path).get("format") == WITHOUT_CHECKSUMS:
            _read(path)
        else:
            check_files(path, FILES)
            _about(path)
    except DamagedError as error:
        raise CheckpointError(f"the checkpoint {path} is damaged: {error}") from error


def _about(path: Path) -> dict[str, Any]:
    """The content of ``position.json``."""
    try:
        about = json.loads((path / "position.json").read_text("utf-8"))
        if not isinstance(about, dict) or not isinstance(about.get("position"), dict):
            raise ValueError("it has no position")
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"the checkpoint {path} is damaged: the file position.json cannot be read ({error})"
        ) from error
    if about.get("format") not in (FORMAT, WITHOUT_CHECKSUMS):
        raise CheckpointError(
            f"the checkpoint {path} has the format {about.get('format')!r}, and this version reads {FORMAT}"
        )
    return about


def _read(path: Path) -> Checkpoint:
    from safetensors.torch import load_file

    about = _about(path)
    name = "state.pt"
    try:
        # With several processes the file is mapped, so each keeps only its part in memory.
        many = distributed.size() > 1
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True, mmap=many)
        optimizer, generators = state["optimizer"], state["generators"]
        name = "weights.safetensors"
        weights = load_file(path / name)
    except Exception as error:  # a damaged pickle or archive can raise any error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(
            f"the checkpoint {path} is damaged: the file {name} cannot be read ({reason})"
        ) from error
    return Checkpoint(about["step"], weights, optimizer, generators, about["position"])


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


def _free_name(folder: Path, step: int) -> Path:
    """A free name for the checkpoint of a step. An existing checkpoint of the step is not replaced."""
    path, again = folder / f"step-{step:08d}", 0
    while path.exists():
        again += 1
        path = folder / f"step-{step:08d}.{again}"
    return path


def _left_out(module: nn.Module) -> set[str]:
    """Names of tensors that a checkpoint leaves out: the second names of tied tensors, and frozen parameters."""
    frozen = {
        name for name, part in module.named_parameters(remove_duplicate=False) if not part.requires_grad
    }
    return duplicates(module) | frozen
