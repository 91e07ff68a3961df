"""``training.json``: the record of a training run, with settings, inputs, versions and the command."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_baselines.train import distributed
from wideseek_env.errors import WideSeekError
from wideseek_env.game import GameConfig
from wideseek_env.provenance.command import command_line
from wideseek_env.provenance.files import FileDigests
from wideseek_env.provenance.inputs import Inputs, game_inputs, model_files
from wideseek_env.provenance.record import RunRecord

RECORD = "training.json"


def training_record(out: Path, kind: str, state: Mapping[str, Any]) -> RunRecord:
    """The record of a training run. Only the first process hashes files, and only it may write the record.

    Args:
        out: The folder of the run.
        kind: The name of the class of its settings, such as ``GrpoConfig``.
        state: The values of a checkpoint that are no tensors: ``settings``, ``data`` and, if there is one, ``game``.
    """
    settings = {"kind": kind, **state["settings"], "data_digest": state["data"]}
    if "game" in state:
        settings["game"] = state["game"]
    if distributed.is_main():
        settings["inputs"] = _inputs(state)
    earlier = None
    try:
        found = json.loads((out / RECORD).read_text("utf-8"))
        earlier = found if isinstance(found, dict) and isinstance(found.get("settings"), dict) else None
    except (OSError, ValueError, RecursionError):
        pass  # there is none yet, or it is damaged: checkpoints decide whether the run may resume
    out.mkdir(parents=True, exist_ok=True)
    return RunRecord(out / RECORD, settings, command_line(), earlier)


def _inputs(state: Mapping[str, Any]) -> Inputs:
    digests = FileDigests()
    model = state["settings"].get("model", {}).get("path")
    found: Inputs = {"files.model.path": model_files(str(model), digests)}
    game = state.get("game")
    if isinstance(game, Mapping):
        with contextlib.suppress(WideSeekError):  # a live object, which has a digest in the settings
            found |= game_inputs(GameConfig.from_dict(_named(game)), None, digests)
    digests.save()
    return {name: files for name, files in found.items() if files}


def _named(game: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recorded game that name something. Live objects, which are ``name@digest``, are left out."""
    return {
        name: value
        for name, value in game.items()
        if value is not None and not (isinstance(value, str) and "@" in value and name != "judge")
    }
