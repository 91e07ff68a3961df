"""The cache on disk: first value wins, many writers, files that are no cache."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.scoring.judging import JudgeCache, MemoryCache

WRITER = """
import sys
from wideseek_env.scoring.judging import JudgeCache
cache, name = JudgeCache(sys.argv[1]), sys.argv[2]
for number in range(25):
    cache.put_many({f"{name}-{number}": name, f"shared-{number}": name})
    assert cache.get_many([f"{name}-{number}"]) == {f"{name}-{number}": name}
"""


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryCache | JudgeCache:
    return MemoryCache() if request.param == "memory" else JudgeCache(tmp_path / "cache.sqlite")


def test_what_is_stored_is_found_and_stays(cache: MemoryCache | JudgeCache) -> None:
    assert cache.get_many(["a"]) == {}
    cache.put_many({})
    cache.put_many({"a": "1", "b": "西"})
    cache.put_many({"a": "2", "c": "3"})
    assert cache.get_many(["a", "b", "c", "d", "a"]) == {"a": "1", "b": "西", "c": "3"}
    assert cache.get_many([]) == {}


def test_many_keys_are_found_at_once(tmp_path: Path) -> None:
    cache = JudgeCache(tmp_path / "cache.sqlite")
    entries = {f"key {number}": str(number) for number in range(3_000)}
    cache.put_many(entries)
    assert cache.get_many(entries) == entries
    assert len(cache) == 3_000


def test_several_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    cache = JudgeCache(path)
    assert len(cache) == 4 * 25
    assert set(cache.get_many([f"shared-{number}" for number in range(25)]).values()) <= set("abc")


def test_reading_makes_no_file(tmp_path: Path) -> None:
    cache = JudgeCache(tmp_path / "folder" / "cache.sqlite")
    assert cache.get_many(["a"]) == {}
    assert len(cache) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_cache_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes " * 1000)
    with pytest.raises(ConfigError, match=r"notes\.txt is not a judge cache"):
        JudgeCache(path).put_many({"a": "1"})
    assert path.read_text() == "my notes " * 1000


def test_a_cache_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="another version"):
        JudgeCache(path).get_many(["a"])


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WideSeekError, match="cannot make the folder"):
        JudgeCache(tmp_path / "file" / "cache.sqlite").put_many({"a": "1"})
    with pytest.raises(WideSeekError, match="cannot use the judge cache"):
        JudgeCache(tmp_path).put_many({"a": "1"})
