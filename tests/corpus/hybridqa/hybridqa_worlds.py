"""Fixtures: the hand-made data, a sample of the real data, and a corpus of each."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hybridqa_data import dataset, write_jsonl

from wideseek_env.corpus.hybridqa import build_hybridqa
from wideseek_env.corpus.stored import StoredCorpus


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fixtures: the hand-made data in the JSON Lines layout."""
    return write_jsonl(tmp_path_factory.mktemp("hybridqa") / "data", *dataset())


@pytest.fixture(scope="session")
def small_corpus(small: Path) -> StoredCorpus:
    return build_hybridqa(small, small.parent / "corpus")


@pytest.fixture(scope="session")
def sample(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth real table with the passages that it links to, as a data folder of its own."""
    source = data_dir / "hybridqa"
    if not source.is_dir():
        pytest.skip(f"no HybridQA data in {data_dir}")
    folder = tmp_path_factory.mktemp("hybridqa-sample") / "data"
    folder.mkdir()
    with gzip.open(source / "tables.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [line for number, line in enumerate(file) if number % 12 == 0]
    links = {link for line in lines for row in json.loads(line)["data"] for _, links in row for link in links}
    (folder / "tables.jsonl").write_text("".join(lines), encoding="utf-8")
    with (
        gzip.open(source / "passages.jsonl.gz", "rt", encoding="utf-8") as file,
        (folder / "passages.jsonl").open("w", encoding="utf-8") as out,
    ):
        out.writelines(line for line in file if json.loads(line)["url"] in links)
    return folder


@pytest.fixture(scope="session")
def sample_corpus(sample: Path) -> StoredCorpus:
    return build_hybridqa(sample, sample.parent / "corpus")
