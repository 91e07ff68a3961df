"""The HybridQA world by name: settings, cache, and rebuilding what was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from wideseek_env import catalog
from wideseek_env.errors import ConfigError, CorpusError
from wideseek_env.tasks.hybridqa.world import HybridQAWorld


def test_settings_are_read_and_checked(tmp_path: Path) -> None:
    world = HybridQAWorld.from_spec(f"hybridqa:{tmp_path},mode=pages,min_rows=12", tmp_path)
    assert (world.folder, world.mode, world.min_rows, world.max_rows) == (tmp_path, "pages", 12, 60)
    for spec, message in (
        (f"hybridqa:{tmp_path},mode=prose", "mode must be pages, table, wide or depth"),
        (f"hybridqa:{tmp_path},rows=3", "unknown setting 'rows=3'"),
        (f"hybridqa:{tmp_path},min_rows=few", "whole numbers"),
        (f"hybridqa:{tmp_path},min_rows=0", "at least 1"),
        (f"hybridqa:{tmp_path},mode=wide,max_rows=-1", "at least 1"),
        (f"hybridqa:{tmp_path},mode=wide,min_rows=50,max_rows=20", "at most max_rows"),
    ):
        with pytest.raises(ConfigError, match=message):
            HybridQAWorld.from_spec(spec, tmp_path)
    with pytest.raises(CorpusError, match="there is no folder"):
        HybridQAWorld.from_spec("hybridqa:/nowhere", tmp_path)


def test_without_a_folder_the_variable_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIDESEEK_DATA", raising=False)
    with pytest.raises(CorpusError, match="WIDESEEK_DATA"):
        HybridQAWorld.from_spec("hybridqa", tmp_path)
    (tmp_path / "hybridqa").mkdir()
    monkeypatch.setenv("WIDESEEK_DATA", str(tmp_path))
    assert HybridQAWorld.from_spec("hybridqa:,mode=table", tmp_path).folder == tmp_path / "hybridqa"


def test_corpus_and_tasks_are_made_once_and_again_when_damaged(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = HybridQAWorld.from_spec(f"hybridqa:{small},min_rows=1", tmp_path)
    first = world.corpus()
    pages = len(first)
    first.close()
    tasks = {split: world.tasks(split) for split in catalog.SPLITS}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("made a second time")

    with monkeypatch.context() as patch:
        patch.setattr("wideseek_env.tasks.hybridqa.world.build_hybridqa", refuse)
        patch.setattr("wideseek_env.tasks.hybridqa.world.hybridqa_tasks", refuse)
        again = world.corpus()
        assert len(again) == pages
        again.close()
        assert {split: list(world.tasks(split)) for split in catalog.SPLITS} == {
            s: list(t) for s, t in tasks.items()
        }
    (folder,) = (p for p in tmp_path.iterdir() if p.is_dir() and p.suffix != ".tasks")
    (folder / "hybridqa.json").unlink()
    assert len(world.corpus()) == pages


def test_the_catalog_opens_tasks_and_corpus_that_belong_together(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path))
    found = {}
    for split in catalog.SPLITS:
        tasks, corpus = catalog.open_world(f"hybridqa:{small},min_rows=1", split=split)
        assert corpus is not None
        found |= {task.id: task.meta["corpus"] == corpus.name for task in tasks}
    assert found
    assert all(found.values())


def test_the_world_of_short_questions(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = HybridQAWorld.from_spec(f"hybridqa:{small},mode=depth", tmp_path)
    found = {split: list(world.tasks(split)) for split in catalog.SPLITS}
    tasks = [task for split in catalog.SPLITS for task in found[split]]
    assert len(tasks) > 3
    assert {(task.gold, task.language, task.meta["kind"]) for task in tasks} == {(None, "en", "depth")}
    assert all(task.meta["split"] == split for split in catalog.SPLITS for task in found[split])
    corpus = world.corpus()
    assert {task.meta["corpus"] for task in tasks} == {corpus.name}
    corpus.close()
    monkeypatch.setattr("wideseek_env.tasks.hybridqa.world.build_tasks", None)  # a second build would fail
    assert {split: list(world.tasks(split)) for split in catalog.SPLITS} == found
    for rows in ("min_rows=3", "max_rows=9", "min_rows=3,max_rows=9"):
        with pytest.raises(ConfigError, match="mode depth have no rows"):
            HybridQAWorld.from_spec(f"hybridqa:{small},mode=depth,{rows}", tmp_path)
