"""The benchmark of corpora at several sizes runs, and its text is the same each time."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest
from scripts import load_script


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_script("benchmarks/corpus_size.py")
    monkeypatch.setattr(module, "VOCABULARY", 5_000)
    return module


def test_the_text_is_the_same_each_time(size: ModuleType) -> None:
    first = list(islice(size.rows(6_000), 5_500))
    assert first == list(islice(size.rows(6_000), 5_500))
    titles = [row["contents"].partition("\n")[0] for row in first]
    assert 5 < len(titles) / len(set(titles)) < 9
    assert len({size.spelling(rank) for rank in range(20_000)}) == 20_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_every_figure_is_measured(size: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "size"
    folder.mkdir()
    found = size.measure(3_000, folder, 2)
    assert found["passages"] == 3_000
    assert found["segments"] == 1
    assert all(value > 0 for value in found.values()), found
    assert sorted(path.name for path in folder.iterdir()) == ["queries.json"]
