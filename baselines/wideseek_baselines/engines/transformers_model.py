"""Loads a Hugging Face model for the transformers engine, and replaces its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_baselines.checksums import check_model
from wideseek_baselines.engines.base import Weights
from wideseek_baselines.model_names import find_model
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

if TYPE_CHECKING:
    from torch import Tensor

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model on its device, in evaluation mode."""

    model: Any
    device: str
    context: int
    versions: Mapping[str, str]
    """Versions of the libraries."""


def load_model(name: str, context: int | None, device: str, dtype: str) -> Loaded:
    """Load a model from a folder, by its hub name, or by the name of a shipped model.

    Raises:
        ConfigError: The model cannot be loaded, or its context is shorter than the requested one.
        DamagedError: The folder has checksums, and a file does not have its checksum.
        MissingDependencyError: transformers or torch is not installed.
    """
    source = find_model(name)
    check_model(Path(source))
    try:
        import torch
        from transformers import AutoModelForCausalLM, __version__
    except ImportError as error:
        raise MissingDependencyError(
            f"this engine needs transformers and torch; {baselines_hint('transformers')}"
        ) from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with _without_progress():
            model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, dtype))
        model = model.to(device).eval()
    except Exception as error:  # a wrong path, a damaged file, an unknown architecture, too little memory
        raise ConfigError(
            f"the model {name!r} cannot be loaded: {type(error).__name__}: {str(error).strip()[:300]}"
        ) from error
    made_for = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if made_for is not None and context is not None and context > made_for:
        raise ConfigError(
            f"the model {name!r} has a context of {made_for}, not {context}: use at most {made_for}"
        )
    versions = {"transformers": __version__, "torch": torch.__version__}
    return Loaded(model, device, context or made_for or 2048, versions)


@contextmanager
def _without_progress() -> Iterator[None]:
    """Hide the progress bar that transformers shows for every model that it loads."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def read_tensors(weights: Weights) -> dict[str, Tensor]:
    """All weights by name. If `weights` is a folder, they are read from its safetensors files."""
    if not isinstance(weights, Path):
        return dict(weights)
    from safetensors.torch import load_file

    files = sorted(weights.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"{weights} has no .safetensors files")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def copy_weights(model: Any, tensors: dict[str, Tensor]) -> None:
    """Copy `tensors` into the model in place. If they do not fit, raise `ConfigError` and copy nothing."""
    import torch

    own: dict[str, Tensor] = model.state_dict()
    unknown = [name for name in tensors if name not in own]
    given = {own[name].data_ptr() for name in tensors if name in own}
    missing = [
        name for name, tensor in own.items() if tensor.data_ptr() not in given
    ]  # of tied tensors one is enough
    wrong = [
        f"{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if name in own and tensor.shape != own[name].shape
    ]
    for what, names in (("unknown", unknown), ("missing", missing), ("of another shape", wrong)):
        if names:
            raise ConfigError(
                f"these weights do not fit the model: {len(names)} tensors are {what}, such as {', '.join(names[:3])}"
            )
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
