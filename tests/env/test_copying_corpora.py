"""Environments over every kind of corpus can be copied and pickled."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle  # Gymnasium depends on it
import pytest
from copied_parts import (
    LOCKED,
    PAGES,
    WAYS,
    Blocking,
    Shelf,
)
from dense_doubles import WordEmbedder
from playing import KINDS, SMALL, play, play_on
from remote_services import serving

from wideseek_env.catalog import open_corpus
from wideseek_env.corpus.dense import DenseIndex, HybridCorpus
from wideseek_env.corpus.live.config import LiveConfig
from wideseek_env.corpus.live.recording import Recorder, Replay
from wideseek_env.corpus.remote import RemoteCorpus
from wideseek_env.corpus.stored import MemoryCorpus, StoredCorpus


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("corpora")
    StoredCorpus.build(folder / "stored", PAGES, name="ours").close()
    documents = [(page.url, page.title, f"museum river list {page.title}") for page in PAGES]
    DenseIndex.build(folder / "dense", documents, WordEmbedder()).close()
    yield folder
    shutil.rmtree(folder)


CORPORA: dict[str, Callable[[Path], Any]] = {
    "synthetic by name": lambda places: SMALL,
    "synthetic": lambda places: open_corpus(SMALL),
    "in memory": lambda places: MemoryCorpus(PAGES, "pages", gone=[PAGES[3].url]),
    "folder by name": lambda places: str(places / "stored"),
    "folder": lambda places: StoredCorpus.open(places / "stored"),
    "dense": lambda places: DenseIndex.open(places / "dense", WordEmbedder()),
    "hybrid": lambda places: HybridCorpus(
        StoredCorpus.open(places / "stored"), DenseIndex.open(places / "dense", WordEmbedder())
    ),
    "custom": lambda places: Shelf(),
    "custom by name": lambda places: "copied_parts:Shelf",
    "custom without a pickle, by name": lambda places: "copied_parts:LOCKED",
    "custom without a pickle, with a name": lambda places: LOCKED,
    "on threads": lambda places: Blocking(),
    "recorder": lambda places: Recorder(places / "recorder.rec", Shelf()),
    "replay": lambda places: Replay(recorded(places)),
    "replay by name": lambda places: f"live:replay={recorded(places)}",
}


def recorded(places: Path) -> Path:
    """The recording of an episode over `Shelf`."""
    file = places / "episode.rec"
    if not file.exists():
        recorder = Recorder(file, Shelf())
        env = KINDS["parallel"].make(corpus=recorder)
        KINDS["parallel"].reset(env, 6)
        play(KINDS["parallel"], env)
        recorder.close()
    return file


@pytest.mark.parametrize("way", ["deepcopy", "pickle 5", "cloudpickle"])
@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_travels(name: str, way: str, places: Path) -> None:
    corpus = CORPORA[name](places)
    driver = KINDS["parallel"]
    env = driver.make(corpus=corpus)
    driver.reset(env, 6)
    play(driver, env, None, 2)
    again = WAYS[way](env)
    assert play(driver, again) == play(driver, env)
    assert again.game.corpus_name == env.game.corpus_name
    if way == "deepcopy":
        assert again.game.executor.corpus is env.game.executor.corpus


def test_hybridqa_travels_by_its_name(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIDESEEK_CACHE", str(tmp_path))
    driver = KINDS["parallel"]
    env = driver.make(tasks=f"hybridqa:{small},min_rows=1")
    driver.reset(env, 6)
    play(driver, env, None, 2)
    data = pickle.dumps(env)
    again = pickle.loads(data)
    assert play_on(driver, again) == play_on(driver, env)
    assert str(small).encode() in data


def test_a_remote_corpus_travels_with_what_it_cannot_fetch_again() -> None:
    def answer(path: str, body: Any) -> Any:
        if path != "/retrieve":
            return 404, {}, {}
        texts = [{"document": {"contents": f'"Title {n}"\nmuseum {n}'}, "score": 1.0} for n in range(3)]
        return 200, {"result": [texts for _ in body["queries"]]}, {}

    driver = KINDS["parallel"]
    with serving(answer) as service:
        for corpus in (f"remote:{service.url}", RemoteCorpus(service.url)):
            env = driver.make(corpus=corpus)
            driver.reset(env, 6)
            play(driver, env, None, 2)  # they have searched, and open what they have found in the next step
            for again in (
                pickle.loads(pickle.dumps(env)),
                cloudpickle.loads(cloudpickle.dumps(env)),
                copy.deepcopy(env),
            ):
                log, _ = play(driver, again, None, 1)
                assert "\nTitle: Title 1\n" in "".join(log[0][0][0].values())
                again.game.executor.corpus.close()
            assert play(driver, env, None, 1)[0] == log


def test_a_live_corpus_is_opened_again_from_its_settings(tmp_path: Path) -> None:
    corpus = LiveConfig(
        searxng="http://127.0.0.1:9", browse="none", cache=str(tmp_path / "c.db"), name="ours"
    ).open()
    for part in (corpus, f"live:searxng=http://127.0.0.1:9,browse=none,cache={tmp_path / 'd.db'},name=ours"):
        env = KINDS["parallel"].make(corpus=part)
        env.reset(seed=1)
        again = pickle.loads(pickle.dumps(env))
        assert again.game.executor.corpus is not env.game.executor.corpus
        assert (again.game.corpus_name, again.game.executor.corpus.name) == ("ours", "ours")
        assert copy.deepcopy(env).game.executor.corpus is env.game.executor.corpus
        for each in (again, env):
            each.game.executor.corpus.close()
