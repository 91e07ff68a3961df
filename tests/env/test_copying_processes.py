"""Pickled environments continue in other processes and from other folders."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle  # Gymnasium depends on it
import playing
import pytest
from copied_parts import (
    PAGES,
)
from playing import KINDS, SMALL, digest, play, play_on

import wideseek_env
from wideseek_env.catalog import located
from wideseek_env.corpus.live.config import located_spec
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import TaskError
from wideseek_env.scoring import OfflineJudge
from wideseek_env.scoring.judging.recorded import RecordingJudge
from wideseek_env.tasks.jsonl import save_tasks

CONTINUE = """
import pickle, sys
from playing import KINDS, digest, play_on
kind, file = sys.argv[1:]
with open(file, "rb") as pickled:
    env, last = pickle.loads(pickle.dumps(pickle.load(pickled)))
print(digest(play_on(KINDS[kind], env, last)))
"""


def in_a_fresh_interpreter(folder: Path, program: str, *words: str) -> str:
    here = Path(__file__).resolve()
    paths = [str(here.parent), str(here.parents[1]), str(here.parents[2])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["parallel", "gymnasium.make", "Flat", "SymbolicVec"])
@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_a_fresh_interpreter_continues(kind: str, module: Any, tmp_path: Path) -> None:
    driver, env = KINDS[kind], KINDS[kind].make()
    _, last = driver.reset(env, 8)
    _, last = play(driver, env, last, 2)
    (tmp_path / "env.pickle").write_bytes(module.dumps((env, last)))
    assert in_a_fresh_interpreter(tmp_path, CONTINUE, kind, "env.pickle") == digest(
        play_on(driver, env, last)
    )


def continued(kind: str, env: Any, last: Any) -> str:
    return digest(play_on(KINDS[kind], env, last))


def test_a_spawned_process_continues() -> None:
    driver, env = KINDS["env"], KINDS["env"].make()
    driver.reset(env, 8)
    play(driver, env, None, 4)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(continued, "env", env, None).result()
    assert there == continued("env", env, None)


def test_ray_carries_lambdas_as_cloudpickle_does() -> None:
    carrier = pytest.importorskip("ray.cloudpickle")
    env = wideseek_env.parallel_env(tasks=SMALL, counter=lambda message: 2 * len(message["content"]))
    env.reset(seed=1)
    again = carrier.loads(carrier.dumps(env))
    assert again.game.counter({"content": "abc"}) == 6


def test_relative_paths_are_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    StoredCorpus.build("pages", PAGES, name="ours").close()
    save_tasks(playing.example_tasks(20), Path("some.jsonl.gz"))
    judge = RecordingJudge(OfflineJudge(), "verdicts.jsonl")
    assert Path("verdicts.jsonl").is_file(), judge.name
    env = wideseek_env.parallel_env(
        tasks="some.jsonl.gz", corpus="pages", judge="recorded:verdicts.jsonl", rules=playing.RULES, limit=10,
        render_mode="ansi",
    )  # fmt: skip
    driver = KINDS["parallel"]
    driver.reset(env, 2)
    play(driver, env, None, 2)
    (tmp_path / "else" / "where").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "else")  # the folder at the time of opening decides
    Path("env.pickle").write_bytes(pickle.dumps((env, None)))
    there = in_a_fresh_interpreter(tmp_path / "else" / "where", CONTINUE, "parallel", "../env.pickle")
    assert there == digest(play_on(driver, env))
    again = pickle.loads(Path("env.pickle").read_bytes())[0]
    assert again.game.config == env.game.config, "the configuration stays as it was written"
    assert again.game.record() == env.game.record()


def test_loaded_environments_share_the_tasks_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    save_tasks(playing.example_tasks(5), file)
    env = wideseek_env.parallel_env(tasks=str(file), corpus=SMALL)
    data = pickle.dumps(env)
    one, other = pickle.loads(data), pickle.loads(data)
    assert one.game.pool is other.game.pool
    save_tasks([replace(task, language="zh") for task in playing.example_tasks(5)], file)
    os.utime(file, ns=(1, 1))
    third = pickle.loads(data)
    assert (one.game.pool[0].language, third.game.pool[0].language) == ("en", "zh"), "the file has changed"


def test_changed_tasks_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    save_tasks(playing.example_tasks(5), file)
    data = pickle.dumps(wideseek_env.parallel_env(tasks=str(file), corpus=SMALL))
    pickle.loads(data)
    save_tasks(playing.example_tasks(4), file)
    with pytest.raises(TaskError, match="have changed"):
        pickle.loads(data)


@pytest.mark.parametrize(("name", "expected"), [
    ("synthetic", "synthetic"),
    ("synthetic:seed=1", "synthetic:seed=1"),
    ("offline", "offline"),
    ("openai:m@http://127.0.0.1:1/v1", "openai:m@http://127.0.0.1:1/v1"),
    ("remote:http://127.0.0.1:1", "remote:http://127.0.0.1:1"),
    ("module:name,folder=x", "module:name,folder=x"),
    ("hybridqa:", "hybridqa:"),
    ("hybridqa:data,mode=pages", "hybridqa:{}/data,mode=pages"),
    ("hybridqa:/,mode=pages", "hybridqa:/,mode=pages"),
    ("widesearch:data", "widesearch:{}/data"),
    ("wideseek-r1:file", "wideseek-r1:{}/file"),
    ("dense:data", "dense:{}/data"),
    ("hybrid:data+data", "hybrid:{0}/data+{0}/data"),
    ("hybrid:remote:http://127.0.0.1:1+data", "hybrid:remote:http://127.0.0.1:1+{}/data"),
    ("recorded:file", "recorded:{}/file"),
    ("data", "{}/data"),
    ("./data", "{}/data"),
    ("live:live.toml,cache=a,b.db,country=us", "live:{0}/live.toml,cache={0}/a,b.db,country=us"),
    ("live:searxng=http://127.0.0.1:1,record=/r", "live:searxng=http://127.0.0.1:1,record=/r"),
    ("live:replay=some.rec", "live:replay={}/some.rec"),
])  # fmt: skip
def test_names_with_paths(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "file").touch()
    assert located(name, tmp_path) == expected.format(tmp_path)
    if name.startswith("live:"):
        assert located_spec(name, tmp_path) == expected.format(tmp_path)
