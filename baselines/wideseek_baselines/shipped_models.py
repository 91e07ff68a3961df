"""The models that ship with this package, by name. Each is a model folder in the package's folder `models`."""

from __future__ import annotations

import re
from pathlib import Path

from wideseek_env.errors import ConfigError

MODELS = Path(__file__).resolve().parent / "models"
"""The folder of the shipped models."""
_SHORT = re.compile(r"\w[\w.-]*")


def shipped_models() -> list[str]:
    """The names of the shipped models, sorted."""
    return sorted(path.parent.name for path in MODELS.glob("*/config.json"))


def model_path(model: str | Path) -> str:
    """The folder or hub name from which a model is loaded. A shipped model has a short name, such as ``nano-team``.

    A folder of the user comes before a shipped model with the same name.

    Raises:
        ConfigError: `model` is a short name, but there is neither a folder nor a shipped model with this name.
    """
    text = str(model)
    if isinstance(model, Path) or _SHORT.fullmatch(text) is None or Path(text).exists():
        return text
    known = shipped_models()
    if text not in known:
        named = f", or a model that ships with the baselines: {', '.join(known)}" if known else ""
        raise ConfigError(f"there is no model {text!r}: give a model folder, a hub name as owner/name{named}")
    return str(MODELS / text)
