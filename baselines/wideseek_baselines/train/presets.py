"""The configurations that come with the package: TOML files for `wideseek train grpo` and `wideseek train ppo`."""

from __future__ import annotations

from pathlib import Path

from wideseek_env.errors import ConfigError

FOLDER = Path(__file__).resolve().parent.parent / "presets"


def preset_names() -> list[str]:
    """All names, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def preset_file(name: str) -> Path:
    """The file of the preset called `name`; `ConfigError` when there is none."""
    if name not in preset_names():
        raise ConfigError(f"no preset {name!r}; there are: {', '.join(preset_names())}")
    return FOLDER / f"{name}.toml"
