"""Reading a file that grows, is cut, is replaced, is not there, or is damaged."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from wideseek_env.evaluation.tail import Tail


def lines(tail: Tail) -> list[bytes]:
    return list(tail.lines())


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_each_line_comes_once_and_half_a_line_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path)
    assert lines(tail) == []
    assert not tail.exists
    append(path, b"one\ntw")
    assert lines(tail) == [b"one"]
    assert lines(tail) == []
    append(path, b"o\nthree\n")
    assert lines(tail) == [b"two", b"three"]
    assert (tail.generation, tail.behind) == (0, 0)


def test_half_a_line_may_be_cut_off_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path)
    append(path, b"one\nhalf")
    assert lines(tail) == [b"one"]
    os.truncate(path, 4)
    append(path, b"two\n")
    assert lines(tail) == [b"two"]
    assert tail.generation == 0


def test_a_file_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path)
    append(path, b"one\ntwo\nthree\n")
    lines(tail)
    os.truncate(path, 4)
    assert lines(tail) == [b"one"]
    assert tail.generation == 1


def test_a_file_cut_and_grown_beyond_its_old_size_between_two_looks_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path)
    append(path, b"1 old\n2 old\n3 old\n")
    lines(tail)
    os.truncate(path, 6)
    append(path, b"2 new\n3 new\n4 new\n")
    assert lines(tail) == [b"1 old", b"2 new", b"3 new", b"4 new"]
    assert tail.generation == 1


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path, other = tmp_path / "a.jsonl", tmp_path / "b"
    tail = Tail(path)
    append(path, b"one\n")
    lines(tail)
    append(other, b"one\ntwo\n")
    os.replace(other, path)
    assert lines(tail) == [b"one", b"two"]
    assert tail.generation == 1


def test_a_deleted_file_that_comes_back_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path)
    append(path, b"one\n")
    lines(tail)
    path.unlink()
    assert lines(tail) == []
    assert not tail.exists
    append(path, b"two\n")
    assert lines(tail) == [b"two"]
    assert tail.generation == 1


def test_a_folder_in_its_place_is_no_file(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert lines(tail) == []
    assert not tail.exists


def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path, budget=1000)
    append(path, b"".join(b"%09d\n" % n for n in range(1000)))
    first = lines(tail)
    assert len(first) == 100
    assert tail.behind == 9000
    rest = []
    while tail.behind:
        rest += lines(tail)
    assert [int(line) for line in first + rest] == list(range(1000))


def test_what_has_been_read_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path)
    append(path, b"x" * 99 + b"\n" + b"y" * 9_999_899 + b"\n")
    lines(tail)
    append(path, b"z\n")
    read = count_reads(path, monkeypatch)
    assert lines(tail) == [b"z"]
    assert sum(read) < 2000


def count_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that are taken from the file from now on, by the process's own reading of it."""
    import builtins

    whole, read = builtins.open, []

    def counting(*arguments: object, **others: object) -> object:
        file = whole(*arguments, **others)  # type: ignore[call-overload]
        real_read, real_line = file.read, file.readline

        class Counted:
            def __enter__(self) -> Counted:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def __getattr__(self, name: str) -> object:
                return getattr(file, name)

            def read(self, *size: int) -> bytes:
                data = real_read(*size)
                read.append(len(data))
                return data

            def readline(self, *size: int) -> bytes:
                data = real_line(*size)
                read.append(len(data))
                return data

        return Counted()

    monkeypatch.setattr(builtins, "open", counting)
    return read


def test_a_line_that_is_too_long_is_passed_over_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    tail = Tail(path, longest=100)
    append(path, b"one\n" + b"x" * 1000)
    assert lines(tail) == [b"one"]
    assert tail.damaged == 0
    append(path, b"x" * 50 + b"\ntwo\n")
    assert lines(tail) == [b"two"]
    assert tail.damaged == 1


def test_gzip_members_come_once_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    tail = Tail(path)
    first, second = gzip.compress(b"one\n"), gzip.compress(b"two\n")
    append(path, first + second[:7])
    assert lines(tail) == [b"one"]
    append(path, second[7:])
    assert lines(tail) == [b"two"]
    assert lines(tail) == []


def test_half_a_gzip_member_may_be_cut_off_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    tail = Tail(path)
    first = gzip.compress(b"one\n")
    append(path, first + gzip.compress(b"lost\n")[:9])
    assert lines(tail) == [b"one"]
    os.truncate(path, len(first))
    append(path, gzip.compress(b"two\n"))
    assert lines(tail) == [b"two"]
    assert tail.generation == 0


def test_one_gzip_member_of_many_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % n for n in range(5000))))
    assert len(lines(Tail(path))) == 5000


def test_what_is_no_gzip_is_counted_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"one\n") + b"this is no gzip member at all")
    tail = Tail(path)
    assert lines(tail) == [b"one"]
    assert tail.damaged == 1
