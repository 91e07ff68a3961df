"""The environment on HybridQA's corpus keeps the same promises as on any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from pettingzoo.test import parallel_seed_test

import wideseek_env
from wideseek_env.corpus import StoredCorpus
from wideseek_env.corpus.hybridqa import open_hybridqa
from wideseek_env.parallel import WideSeekEnv
from wideseek_env.testing import check_corpus, check_parallel_env


def make(data: Path, **settings: object) -> WideSeekEnv:
    world = f"hybridqa:{data},min_rows=1"
    for split in ("train", "validation", "test"):  # a small sample may leave a split empty
        if len(wideseek_env.GameConfig(tasks=world, split=split).open().tasks):
            return wideseek_env.parallel_env(tasks=world, split=split, **settings)
    raise AssertionError("the sample has no tasks")


@pytest.mark.parametrize("settings", [{}, {"roster": "fixed", "width": 2}, {"subagent_lifetime": "task"}])
def test_the_environment_on_hybridqa(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path))
    check_parallel_env(lambda: make(small, **settings), episodes=3)
    parallel_seed_test(lambda: make(small, **settings), num_cycles=20)


def test_the_real_corpus_keeps_the_protocol(sample_corpus: StoredCorpus) -> None:
    corpus = open_hybridqa(sample_corpus.path)  # the check closes it
    titles = [hit.title for hit in corpus.search(["film", "city", "team"], 1)[0]]
    check_corpus(corpus, [*titles, "film director", "the city in the north"])
