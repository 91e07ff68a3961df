"""What a folder contains, so that no command writes its results into the folder of another kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from wideseek_env.errors import ConfigError

FolderKind = Literal["eval", "score", "width", "depth", "suite", "train", "corpus", "model", "stages"]

NAMES: dict[FolderKind, str] = {
    "eval": "a run of `wideseek eval`",
    "score": "scores of `wideseek score`",
    "width": "a sweep of `wideseek bench width`",
    "depth": "a sweep of `wideseek bench depth`",
    "suite": "a run of `wideseek bench suite`",
    "train": "a run of `wideseek train`",
    "corpus": "a corpus or index of `wideseek corpus`",
    "model": "a model",
    "stages": "the stages of `wideseek tasks build`",
}


def kind_of(folder: Path) -> FolderKind | None:
    """What `folder` contains. None if it does not exist, is empty or has other files."""
    if not folder.is_dir():
        return None

    def has(*names: str) -> bool:
        return any((folder / name).is_file() for name in names)

    if has("suite.json"):
        return "suite"
    if has("width.json"):
        return "width"
    if has("depth.json"):
        return "depth"
    if has("scores.jsonl"):
        return "score"
    if has("run.json", "trajectories.jsonl"):
        return "eval"
    if has("training.json", "metrics.jsonl") or (folder / "checkpoints").is_dir():
        return "train"
    if has("manifest.json"):
        return "corpus"
    if has("settings.json") and any(re.fullmatch(r"[0-9]-\w+", each.name) for each in folder.iterdir()):
        return "stages"
    if has("config.json", "adapter_config.json"):
        return "model"
    return None


def check_kind(folder: Path, kind: FolderKind) -> None:
    """Check that `folder` can get the results of `kind`. Nothing is written.

    A folder without results of this project is not refused here.

    Raises:
        ConfigError: The folder contains something of another kind. The message says what.
    """
    found = kind_of(folder)
    if found is not None and found != kind:
        raise ConfigError(
            f"{folder} contains {NAMES[found]}, and this command writes {NAMES[kind]}: give another folder"
        )
