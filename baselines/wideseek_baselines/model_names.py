"""Decides what the name of a model means, a folder or a model of the Hugging Face hub, before anything is loaded.

The libraries that load models ask the hub for every name that is no folder, and repeat the question for half a minute
if there is no answer. So a misspelt folder would fail late, with a message about the network.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from wideseek_baselines.shipped_models import model_path
from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.suggestions import nearest

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_MARKS = ("config.json", "tokenizer.json", "tokenizer_config.json", "adapter_config.json")
"""Files of which the folder of a model or tokenizer has at least one."""
_SECONDS = 5.0
"""How long the hub may take for the one question whether it has a model."""


def find_model(model: str | Path) -> str:
    """The folder or hub name from which the model or tokenizer can be loaded.

    The name of a shipped model gives its folder, unless the user has a folder of this name. A folder is checked
    without any network. For a hub name, the hub is asked once. Without an answer, the result is the folder of the hub's
    local cache, if the model is there.

    Raises:
        ConfigError: There is no such folder or shipped model, the folder is not that of a model, or the hub does not
            have the model or cannot be reached.
        MissingDependencyError: `model` is a hub name and huggingface_hub is not installed.
    """
    if not str(model).strip():
        raise ConfigError("the name of the model is empty: give a folder, or a hub name as owner/name")
    if isinstance(model, str):
        model = model_path(model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return str(folder)
    if folder.is_file():
        raise ConfigError(f"{str(model)!r} is a file: give the model's folder, {str(folder.parent)!r}")
    name = str(model)
    parts = Path(name).parts
    if isinstance(model, Path) or _HUB_NAME.fullmatch(name) is None:
        raise _missing(folder, name)
    cached = _cached(name)
    if cached is None and len(parts) > 1 and Path(parts[0]).is_dir():
        raise _missing(folder, name)
    status = _status(name)
    if status is None and cached is not None:
        return cached
    if status is None:
        raise ConfigError(
            f"there is no folder {name!r}, and the Hugging Face hub cannot be reached to look for a model of this "
            "name: give an existing folder"
        )
    if status in (401, 403, 404):
        raise ConfigError(
            f"there is no folder {name!r}, and the Hugging Face hub has no model of this name that you may read "
            f"(status {status}): check the name, or log in for a private model"
        )
    return name


def _check_folder(folder: Path) -> None:
    if any((folder / mark).is_file() for mark in _MARKS):
        return
    inner = folder / "model"
    if (inner / "config.json").is_file():  # the folder of a training run
        raise ConfigError(f"{folder} is the folder of a run: its model is in {inner}")
    raise ConfigError(
        f"{folder} is no model folder: it has neither config.json nor a tokenizer. Give the folder of a model, or a "
        "hub name as owner/name"
    )


def _missing(folder: Path, name: str) -> ConfigError:
    """The error for a folder that does not exist. It suggests a folder of a similar name."""
    holder = folder.parent
    try:
        others = [each.name for each in holder.iterdir() if each.is_dir()]
    except OSError:
        return ConfigError(
            f"there is no model folder {name!r}, and no folder {str(holder)!r} either: give an existing folder, or a "
            "hub name as owner/name"
        )
    near = nearest(folder.name, others)
    hint = (
        f"did you mean {str(holder / near)!r}?"
        if near
        else "give an existing folder, or a hub name as owner/name"
    )
    return ConfigError(f"there is no model folder {name!r}: {hint}")


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError(
            "there is no folder of this name, and loading a model from the hub needs: pip install huggingface_hub"
        ) from error
    return huggingface_hub


def _cached(name: str) -> str | None:
    """The folder of a hub model in the local cache, or None."""
    hub = _hub()
    for file in ("config.json", "tokenizer_config.json"):
        found = hub.try_to_load_from_cache(name, file)
        if isinstance(found, str):
            return str(Path(found).parent)
    return None


@lru_cache(maxsize=32)
def _status(name: str) -> int | None:
    """The status of the hub's one answer to the question for this model. None if there is no answer."""
    hub = _hub()
    if hub.constants.HF_HUB_OFFLINE:
        return None
    try:
        url = f"{hub.constants.ENDPOINT}/api/models/{name}"
        return int(
            hub.get_session().get(url, headers=hub.utils.build_hf_headers(), timeout=_SECONDS).status_code
        )
    except (
        Exception
    ):  # no network, no name server, a proxy that refuses: the exceptions of several HTTP libraries
        return None
