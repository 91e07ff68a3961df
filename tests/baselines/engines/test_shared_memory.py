"""Room in shared memory for several writers of one machine."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from wideseek_baselines.engines import shared_memory
from wideseek_baselines.engines.shared_memory import PREFIX, WeightsFolder, clear_left

CAPACITY = 10_000
"""Bytes of the pretended shared memory. A writer of 1,000 bytes reserves 1,200."""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands in for shared memory, and another one for temporary files."""
    place, elsewhere = tmp_path / "shm", tmp_path / "tmp"
    place.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", place)
    monkeypatch.setattr(
        shared_memory,
        "free_bytes",
        lambda: CAPACITY - sum(file.stat().st_size for file in place.glob("*/*.safetensors")),
    )
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    monkeypatch.setattr(shared_memory, "_warned", threading.Event())
    yield place
    assert not list(place.glob("*/reserved")), "a reservation is left"


def inside(folder: Path) -> bool:
    return folder.parent == shared_memory.SHARED_MEMORY


@pytest.mark.parametrize(("size", "fit"), [(1000, 8), (1050, 7), (2000, 4), (4000, 2), (8000, 1), (9000, 0)])
def test_eight_writers_at_once_never_take_more_than_there_is(
    size: int, fit: int, memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start, chosen, checked = threading.Barrier(8), threading.Barrier(8), threading.Barrier(9)
    folders: list[Path] = []

    def write() -> None:
        start.wait()
        weights = WeightsFolder(size)
        with weights as folder:
            folders.append(folder)
            chosen.wait()  # all have chosen before any has written
            (folder / "model.safetensors").write_bytes(bytes(size))
            weights.written()
            checked.wait()
            checked.wait()

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    checked.wait()
    sizes = [(folder / "model.safetensors").stat().st_size for folder in folders]
    free = shared_memory.free_bytes()
    checked.wait()
    for writer in writers:
        writer.join()
    assert len(set(folders)) == 8
    assert sum(map(inside, folders)) == fit
    assert sizes == [size] * 8
    assert free == CAPACITY - fit * size >= 0
    assert not any(folder.exists() for folder in folders), "deleted at the end"
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == (fit < 8)


def test_what_a_writer_has_written_is_not_counted_twice(memory: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(WeightsFolder(5000))  # reserves 6,000
        (first / "part.safetensors").write_bytes(bytes(4000))
        second = stack.enter_context(WeightsFolder(3300))  # 3,960 of 10,000 - 4,000 - 2,000 bytes
        third = stack.enter_context(WeightsFolder(100))
        assert [inside(each) for each in (first, second, third)] == [True, True, False]


def test_room_is_given_back_when_a_writer_is_done_or_fails(memory: Path) -> None:
    weights = WeightsFolder(8000)
    with weights as folder:
        (folder / "model.safetensors").write_bytes(bytes(100))
        weights.written()
        with WeightsFolder(8000) as again:  # the reservation of 9,600 has become 100 bytes
            assert inside(again)
    with pytest.raises(OSError, match="broken off"), WeightsFolder(1) as failed:
        raise OSError("broken off")
    assert not failed.exists()
    with WeightsFolder(8200) as whole:
        assert inside(whole)


def test_what_a_killed_writer_left_is_removed(memory: Path) -> None:
    left = memory / "wideseek-weights-left"
    left.mkdir()
    (left / "reserved").write_text("9000")  # nobody holds its lock
    (left / "model.safetensors").write_bytes(bytes(3000))
    with WeightsFolder(8000) as folder:
        assert inside(folder)
        assert not left.exists()


KILLED = """
import os, sys, tempfile
from pathlib import Path
from wideseek_baselines.engines import shared_memory

memory, elsewhere, moment = sys.argv[1:]
shared_memory.SHARED_MEMORY, tempfile.tempdir = Path(memory), elsewhere
weights = shared_memory.WeightsFolder(100 if moment != "too large" else 10**15)
with weights as folder:
    (folder / "model.safetensors").write_bytes(bytes(50))
    if moment != "writing":
        weights.written()
    print(folder, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("moment", ["writing", "loading", "too large"])
def test_weights_of_a_killed_trainer_are_removed_and_those_of_a_living_one_are_not(
    memory: Path, tmp_path: Path, moment: str
) -> None:
    command = [sys.executable, "-c", KILLED, str(memory), str(tmp_path / "tmp"), moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        folder = Path(trainer.stdout.readline().strip())
        assert inside(folder) == (moment != "too large")
        clear_left()
        with WeightsFolder(1):
            assert (folder / "model.safetensors").exists(), "the trainer still needs it"
        trainer.kill()
        trainer.wait()
        assert folder.exists()
        clear_left()
    assert not folder.exists()


def test_only_folders_of_weights_are_removed(memory: Path, tmp_path: Path) -> None:
    old = time.time() - 3600
    kept = [
        memory / "wideseek-server-abc",
        memory / f"{PREFIX}0.lock",
        tmp_path / "tmp" / "weights",
        memory / "new",
    ]
    kept[1].touch()
    fresh = memory / f"{PREFIX}fresh"  # its owner is about to lock it
    left = [memory / f"{PREFIX}abc", tmp_path / "tmp" / f"{PREFIX}def"]
    for path in (kept[0], kept[2], kept[3], fresh, *left):
        path.mkdir()
        (path / "model.safetensors").touch()
    for path in (*kept, *left):
        os.utime(path, (old, old))
    clear_left()
    assert all(path.exists() for path in (*kept, fresh))
    assert not any(path.exists() for path in left)


def test_the_warning_has_the_numbers_and_what_to_do(memory: Path, caplog: pytest.LogCaptureFixture) -> None:
    shared_memory.warn_of_shortage(38_400_000_000, 8, 2_000_000_000)
    shared_memory.warn_of_shortage(38_400_000_000, 8, 2_000_000_000)
    (record,) = caplog.records
    for part in ("2.0 GB free", "8 processes of this machine need 38.4 GB", "remount,size=", "--shm-size="):
        assert part in record.getMessage()
    assert str(memory) in record.getMessage()
    assert tempfile.gettempdir() in record.getMessage()


def test_a_machine_without_shared_memory_uses_the_temporary_folder(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", tmp_path / "absent")
    with WeightsFolder(1) as folder:
        assert folder.parent == tmp_path / "tmp"
    assert not caplog.records
