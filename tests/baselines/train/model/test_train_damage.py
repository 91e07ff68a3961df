"""Damaged checkpoints and models are found and named, and the run resumes from the checkpoint before."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from training_parts import saved_model

from wideseek_baselines import checksums
from wideseek_baselines.checksums import DamagedError, about_model, check_model
from wideseek_baselines.engines.weights import model_folder
from wideseek_baselines.train.config.options import ModelOptions
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.checkpoint import CheckpointError
from wideseek_baselines.train.model.export import export, recover
from wideseek_baselines.train.model.model import load_model


def flip(name: str, at: int = -5) -> Callable[[Path], None]:
    """Flip one bit of a file."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[at] ^= 4
        (folder / name).write_bytes(content)

    return damage


def truncate(name: str) -> Callable[[Path], None]:
    """Cut off the last byte of a file."""
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size - 1)


def zero(name: str) -> Callable[[Path], None]:
    """Overwrite a file with zeros of the same length."""
    return lambda folder: (folder / name).write_bytes(bytes((folder / name).stat().st_size)) and None


def empty(name: str) -> Callable[[Path], None]:
    """Make a file empty."""
    return lambda folder: os.truncate(folder / name, 0)


def lengthen(name: str) -> Callable[[Path], None]:
    """Append a byte to a file."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b"\0") and None


def remove(name: str) -> Callable[[Path], None]:
    """Delete a file."""
    return lambda folder: (folder / name).unlink()


def become_folder(name: str) -> Callable[[Path], None]:
    """Put a folder in place of a file."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def write(content: object) -> Callable[[Path], None]:
    """Replace the checksums."""
    return lambda folder: (folder / "checksums.json").write_text(json.dumps(content)) and None


def edit(change: Callable[[dict[str, dict[str, object]]], object]) -> Callable[[Path], None]:
    """Change the table of files in the checksums."""

    def damage(folder: Path) -> None:
        record = json.loads((folder / "checksums.json").read_text())
        change(record["files"])
        (folder / "checksums.json").write_text(json.dumps(record))

    return damage


def of_another(folder: Path) -> None:
    """Take the weights of the checkpoint before."""
    shutil.copy(folder.parent / "step-00000001" / "weights.safetensors", folder)


DAMAGE = {
    "flipped-weight": flip("weights.safetensors"),
    "flipped-header": flip("weights.safetensors", 12),
    "flipped-state": flip("state.pt", 900),
    "flipped-position": flip("position.json"),
    "truncated-weights": truncate("weights.safetensors"),
    "truncated-state": truncate("state.pt"),
    "zeroed-weights": zero("weights.safetensors"),
    "zeroed-state": zero("state.pt"),
    "zeroed-position": zero("position.json"),
    "zeroed-checksums": zero("checksums.json"),
    "empty-weights": empty("weights.safetensors"),
    "empty-checksums": empty("checksums.json"),
    "longer-state": lengthen("state.pt"),
    "no-weights": remove("weights.safetensors"),
    "no-state": remove("state.pt"),
    "no-position": remove("position.json"),
    "no-checksums": remove("checksums.json"),
    "folder-for-weights": become_folder("weights.safetensors"),
    "folder-for-checksums": become_folder("checksums.json"),
    "other-weights": of_another,
    "checksums-without-files": write({"format": 1, "about": {}, "files": {}}),
    "checksums-list": write([1, 2]),
    "checksums-of-the-future": write({"format": 99, "about": {}, "files": {"a": {}}}),
    "checksums-incomplete": edit(lambda files: files.pop("state.pt")),
    "checksums-wrong": edit(lambda files: files["state.pt"].update(sha256="0" * 64)),
    "checksums-odd": edit(lambda files: files.update({"state.pt": {"bytes": "many", "sha256": None}})),
    "checksums-outside": edit(lambda files: files.update({"../x": {"bytes": 1, "sha256": "0"}})),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    module = nn.Linear(3, 3)
    for step in (1, 2):
        nn.init.constant_(module.weight, step)
        newest = checkpoint.save(tmp_path, step, module, {"moments": torch.ones(300)}, {"task": step})
    damage(newest)
    with pytest.raises(CheckpointError, match="step-00000002 is damaged"):
        checkpoint.load(newest)
    with caplog.at_level(logging.WARNING):
        found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert (found.step, found.position) == (1, {"task": 1})
    assert (found.weights["weight"] == 1).all()
    assert "step-00000002 is damaged" in caplog.text
    assert re.search(r"step-00000002 is damaged: the file [\w.]+ ", caplog.text), (
        "which file, and what is wrong"
    )
    assert "resumes from the checkpoint step-00000001 instead" in caplog.text
    assert "Error" not in caplog.text, "plain English"
    checkpoint.set_aside(list(found.damaged))
    assert sorted(os.listdir(tmp_path)) == ["step-00000001", "step-00000002.damaged"]
    checkpoint.save(tmp_path, 2, module, {}, {})
    assert sorted(os.listdir(tmp_path)) == ["step-00000001", "step-00000002"]


def test_a_damaged_checkpoint_is_set_aside_a_second_time(tmp_path: Path) -> None:
    paths = [checkpoint.save(tmp_path, step, nn.Linear(2, 2), {}, {}) for step in (1, 2)]
    shutil.copytree(
        paths[1], tmp_path / "step-00000002.damaged"
    )  # the next save was killed before it removed it
    zero("state.pt")(paths[1])
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    checkpoint.set_aside(list(found.damaged))
    assert sorted(os.listdir(tmp_path)) == ["step-00000001", "step-00000002.damaged"]


def test_several_damaged_checkpoints(tmp_path: Path) -> None:
    paths = [checkpoint.save(tmp_path, step, nn.Linear(2, 2), {}, {}, keep=3) for step in (1, 2, 3)]
    zero("state.pt")(paths[2])
    truncate("weights.safetensors")(paths[1])
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert (found.step, list(found.damaged)) == (1, [paths[2], paths[1]])
    remove("position.json")(paths[0])
    with pytest.raises(
        CheckpointError, match=r"no checkpoint can be used: .*00003.*00002.*00001.*start over"
    ):
        checkpoint.load_latest(tmp_path)


def test_a_checkpoint_of_an_earlier_version_has_no_checksums(tmp_path: Path) -> None:
    old, new = (checkpoint.save(tmp_path, step, nn.Linear(2, 2), {}, {"at": step}) for step in (1, 2))
    for path in (old, new):
        about = json.loads((path / "position.json").read_text())
        (path / "position.json").write_text(json.dumps({**about, "format": 1}))
        (path / "checksums.json").unlink()
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert found.step == 2
    zero("state.pt")(new)
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert found.step == 1


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("source") / "model")


@pytest.fixture
def exported(source: Path, tmp_path: Path) -> Path:
    model = load_model(ModelOptions(str(source), device="cpu", precision="float32"))
    return export(model.causal, source, tmp_path / "run" / "model", {"step": 3})


@pytest.mark.parametrize(
    "damage",
    [flip("model.safetensors"), zero("model.safetensors"), remove("tokenizer.json"), truncate("config.json")],
    ids=["flipped", "zeroed", "missing", "truncated"],
)
def test_a_damaged_model_is_not_loaded(exported: Path, damage: Callable[[Path], None]) -> None:
    options = ModelOptions(str(exported), device="cpu", precision="float32")
    load_model(options)
    assert model_folder(exported) == exported
    assert about_model(exported) == {"step": 3}
    damage(exported)
    says = r"is damaged: the file .*Export or copy the model again\. .* delete .*checksums.json"
    with pytest.raises(DamagedError, match=says):
        load_model(options)
    with pytest.raises(DamagedError):
        model_folder(exported)


def test_a_model_is_hashed_once_by_each_process(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_model(exported)
    monkeypatch.setattr(checksums, "_sha256", lambda path: pytest.fail(f"{path} is hashed again"))
    check_model(exported)


@pytest.mark.parametrize("moment", ["writing", "before the second rename", "after it"])
def test_an_export_that_was_killed_is_finished_or_undone(exported: Path, moment: str) -> None:
    run = exported.parent
    place = run / ".model.unfinished-abc"
    if moment == "writing":
        place.mkdir()
        (place / "half").touch()
    elif moment == "before the second rename":
        shutil.copytree(exported, place)
        (place / "new").touch()
        os.replace(exported, place / ".earlier")
    else:
        shutil.copytree(exported, exported / ".earlier")
    (run / ".model.notes").mkdir()
    recover(exported)
    assert sorted(os.listdir(run)) == [".model.notes", "model"]
    assert not (exported / ".earlier").exists()
    assert (exported / "new").exists() == (moment == "before the second rename")
    check_model(exported)
