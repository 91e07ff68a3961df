"""Files: whole or not at all, and lines that survive a process that is killed while it writes."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wideseek_env.errors import TaskError, TrajectoryError
from wideseek_env.files import (
    JsonlWriter,
    cache_folder,
    is_temporary,
    open_bytes,
    read_lines,
    whole_lines,
    write_json,
    write_whole,
    writing,
)


def test_a_file_appears_whole_and_is_synced_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), sync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b))[1])
    path = tmp_path / "x.json"
    write_json(path, {"name": "Åse"})
    assert order == ["fsync", "replace"]
    assert path.read_bytes() == '{\n  "name": "Åse"\n}\n'.encode()
    write_whole(path, "a\r\nb\n", sync=False)
    assert path.read_bytes() == b"a\r\nb\n"
    assert order == ["fsync", "replace", "replace"]
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_whole(path, "old")
    leftovers: list[Path] = []

    def fail() -> None:
        with writing(path) as file:
            file.write(b"new")
            leftovers.extend(each for each in tmp_path.iterdir() if each != path)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    (leftover,) = leftovers
    assert is_temporary(leftover, ["x.txt"])
    assert not is_temporary(leftover, ["y.txt"])
    assert not is_temporary(path, ["x.txt"])
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_lines_survive_a_cut_at_any_byte(tmp_path: Path, name: str) -> None:
    path = tmp_path / "folder" / name
    values = [{"text": "Å"}, {"text": "two\nlines"}]
    with JsonlWriter(path) as writer:
        for value in values:
            writer.write(value)
        writer.close()
    whole = path.read_bytes()
    with open_bytes(path) as file:
        assert [json.loads(line) for line in file] == values
    first = len(
        gzip.compress(b'{"text":"\xc3\x85"}\n', 6, mtime=0)
        if name.endswith("gz")
        else b'{"text":"\xc3\x85"}\n'
    )
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        found = [json.loads(line) for line in whole_lines(path)]
        assert found == values[: len(found)]
        assert len(found) >= (cut >= first)
        with JsonlWriter(path) as writer:
            writer.write(values[1])
        assert [json.loads(line) for line in whole_lines(path)] == [*values[: cut >= first], values[1]]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of a file with RLIMIT_FSIZE")
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
@pytest.mark.parametrize("room", [0, 1, 7, 30])
def test_a_full_disk_leaves_whole_lines(tmp_path: Path, name: str, room: int) -> None:
    program = """
import json, resource, signal, sys
from wideseek_env.files import JsonlWriter
path, room = sys.argv[1], int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with JsonlWriter(path) as writer:
    writer.write({"n": 0})
    size = writer.path.stat().st_size
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, hard))
    for attempt in range(3):
        try:
            writer.write({"long": "x" * 100, "random": str([attempt * 7919 % 101 * n for n in range(50)])})
        except OSError as error:
            print(error.errno, path and writer.path.stat().st_size - size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    writer.write({"n": 1})
"""
    path = tmp_path / name
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(room)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(errno.EFBIG), "0"] * 3
    assert [json.loads(line) for line in whole_lines(path)] == [{"n": 0}, {"n": 1}]


def test_what_is_no_gzip_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(b"nothing packed\n")
    with pytest.raises(TrajectoryError, match=r"x\.jsonl\.gz is damaged after byte 0"):
        list(whole_lines(path))
    with pytest.raises(TrajectoryError, match=r"x\.jsonl\.gz is damaged after byte 0"):
        JsonlWriter(path)
    assert path.read_bytes() == b"nothing packed\n"


def test_lines_are_numbered_without_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf1\n\n  \n2")
    assert list(read_lines(path, TaskError)) == [(1, b"1\n"), (4, b"2")]
    packed = tmp_path / "x.jsonl.gz"
    packed.write_bytes(gzip.compress(b"1\n2\n")[:-4])
    with pytest.raises(TaskError, match=r"x\.jsonl\.gz cannot be read after line 2: "):
        list(read_lines(packed, TaskError))
    with pytest.raises(TaskError, match=r"cannot read tasks: .*No such file"):
        list(read_lines(tmp_path / "none", TaskError, "cannot read tasks"))


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WIDESEEK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "wideseek"
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
