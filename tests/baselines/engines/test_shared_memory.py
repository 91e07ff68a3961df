"""Room in shared memory for several writers of one machine."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from wideseek_baselines.engines import shared_memory
from wideseek_baselines.engines.shared_memory import writing_folder

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
    start, chosen = threading.Barrier(8), threading.Barrier(8)
    folders: list[Path] = []

    def write() -> None:
        start.wait()
        with writing_folder(size) as folder:
            folders.append(folder)
            chosen.wait()  # all have chosen before any has written
            (folder / "model.safetensors").write_bytes(bytes(size))

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(folders)) == 8
    assert sum(map(inside, folders)) == fit
    assert all((folder / "model.safetensors").stat().st_size == size for folder in folders)
    assert shared_memory.free_bytes() == CAPACITY - fit * size >= 0
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == (fit < 8)


def test_what_a_writer_has_written_is_not_counted_twice(memory: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(writing_folder(5000))  # reserves 6,000
        (first / "part.safetensors").write_bytes(bytes(4000))
        second = stack.enter_context(writing_folder(3300))  # 3,960 of 10,000 - 4,000 - 2,000 bytes
        third = stack.enter_context(writing_folder(100))
        assert [inside(each) for each in (first, second, third)] == [True, True, False]


def test_room_is_given_back_when_a_writer_is_done_or_fails(memory: Path) -> None:
    with writing_folder(8000) as folder:
        (folder / "model.safetensors").write_bytes(bytes(100))
    with writing_folder(8000) as again:  # the reservation of 9,600 has become 100 bytes
        assert inside(again)
    with pytest.raises(OSError, match="broken off"), writing_folder(1) as failed:
        raise OSError("broken off")
    assert not failed.exists()
    with writing_folder(8200) as whole:
        assert inside(whole)


def test_what_a_killed_writer_left_is_removed(memory: Path) -> None:
    left = memory / "wideseek-weights-left"
    left.mkdir()
    (left / "reserved").write_text("9000")  # nobody holds its lock
    (left / "model.safetensors").write_bytes(bytes(3000))
    with writing_folder(8000) as folder:
        assert inside(folder)
        assert not left.exists()


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
    with writing_folder(1) as folder:
        assert folder.parent == tmp_path / "tmp"
    assert not caplog.records
