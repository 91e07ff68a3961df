"""Judges, tools, counters, profiles and executors in copies and pickles of environments."""

from __future__ import annotations

import copy
import pickle
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import cloudpickle  # Gymnasium depends on it
import playing
import pytest
from copied_parts import (
    LOCKED,
    NAMED_JUDGE,
    PAGES,
    WAYS,
    Counting,
    Engine,
    Locked,
    LockedCounting,
    NamedJudge,
    Own,
    Shelf,
    doubled,
    tripled,
    words,
)
from playing import KINDS, SMALL, play, play_on

import wideseek_env
from wideseek_env import (
    CopyError,
    ToolCall,
    tool,
)
from wideseek_env.corpus.live.corpus import LiveCorpus
from wideseek_env.corpus.stored import MemoryCorpus, StoredCorpus
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError
from wideseek_env.profiles import PROFILES
from wideseek_env.scoring import OfflineJudge
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.scoring.judging.recorded import RecordingJudge
from wideseek_env.summaries import OpenAISummariser
from wideseek_env.tasks.jsonl import save_tasks
from wideseek_env.tools.executor import CorpusTools
from wideseek_env.wrappers import MarkdownReader, Symbolic, SymbolicVec

PARTS: dict[str, dict[str, Any]] = {
    "judge by name": {"judge": "copied_parts:NamedJudge"},
    "judge with a name": {"judge": NAMED_JUDGE},
    "judge of a server": {"judge": "openai:m@http://127.0.0.1:9/v1"},
    "live judge of a server": {"judge": judge_from_spec("openai:m@http://127.0.0.1:9/v1")},
    "tool by name": {"tools": ["copied_parts:doubled"]},
    "decorated tool": {"tools": [doubled]},
    "tool of a function": {"tools": [tool(tripled, roles=["lead", "subagent"])]},
    "two tools": {"tools": [doubled, "lead=copied_parts:tripled"]},
    "counter": {"counter": words},
    "counter by name": {"counter": "copied_parts:words", "limits": {"context": 300}},
    "profile": {"profile": "terse"},
    "reward": {"reward": "wideseek_r1"},
    "summariser of a server": {"summariser": "openai:m@http://127.0.0.1:9/v1"},
    "live summariser": {"summariser": OpenAISummariser("http://127.0.0.1:9/v1", "m")},
    "executor": {"executor": Counting()},
    "executor by name": {"executor": "copied_parts:Counting"},
    "executor over a corpus": {"executor": CorpusTools(MemoryCorpus(PAGES, "pages"), timeout=5)},
    "subclass of CorpusTools": {"executor": Own()},
    "tasks in memory": {"tasks": playing.example_tasks(7), "corpus": SMALL},
    "limits": {"limits": {"episode_calls": 20}, "limit": 5, "where": ["rows>=2"]},
}


@pytest.mark.parametrize("way", ["deepcopy", "pickle 2", "pickle 5", "cloudpickle"])
@pytest.mark.parametrize("name", PARTS)
def test_every_part_travels(name: str, way: str) -> None:
    driver = KINDS["parallel"]
    env = driver.make(**PARTS[name])
    driver.reset(env, 6)
    play(driver, env, None, 2)
    again = WAYS[way](env)
    assert again.game.corpus_name == env.game.corpus_name
    if "executor" not in PARTS[name] and not name.startswith("live "):  # the digest of a lock is random
        assert again.game.record() == env.game.record()
    assert play_on(driver, again) == play_on(driver, env)


def test_a_recording_judge_continues_its_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = wideseek_env.parallel_env(tasks=SMALL, judge=RecordingJudge(OfflineJudge(), "verdicts.jsonl"))
    data = pickle.dumps(env)
    monkeypatch.chdir("/")
    judge = pickle.loads(data).game.judge
    assert judge.judge("column", "criterion", [("a", "a")]) == [True]
    assert '"predicted": "a"' in (tmp_path / "verdicts.jsonl").read_text()


def test_an_executor_without_a_pickle_is_opened_again_by_its_name() -> None:
    env = wideseek_env.parallel_env(tasks=SMALL, executor="copied_parts:CopiedCounting")
    env.game.executor.run([ToolCall("a/1/0", "a", "search", {})] * 3)
    assert pickle.loads(pickle.dumps(env)).game.executor.calls == 0
    assert copy.deepcopy(env).game.executor.calls == 3  # type: ignore[attr-defined]


def unnamed() -> dict[str, dict[str, Any]]:
    """Parts that only cloudpickle can carry."""

    def local(text: str) -> str:
        """Echo a text.

        Args:
            text: The text.
        """
        return text

    class LocalJudge(OfflineJudge):
        name = "local"

    class LocalShelf(Shelf):
        name = "local"

    class LocalReward:
        name = "local"

        def __call__(self, episode: Any, score: Any) -> dict[str, float]:
            return {"local": 0.5}

    class LocalExecutor(Counting):
        pass

    terse = PROFILES["terse"]
    profile = terse.with_tool("lead", wideseek_env.tool(local).spec)
    return {
        "counter": {"counter": lambda message: len(message["content"])},
        "tool": {"tools": [tool(local)]},
        "judge": {"judge": LocalJudge()},
        "corpus": {"corpus": LocalShelf()},
        "corpus made of lambdas": {"corpus": MemoryCorpus(PAGES, "m", html_of=lambda url: f"<p>{url}</p>")},
        "reward": {"reward": LocalReward()},
        "executor": {"executor": LocalExecutor()},
        "executor over a corpus": {"executor": CorpusTools(LocalShelf())},
        "profile": {"profile": profile},
    }


@pytest.mark.parametrize("name", unnamed())
def test_only_cloudpickle_carries_parts_without_a_name(name: str) -> None:
    driver, parts = KINDS["parallel"], unnamed()[name]
    env = driver.make(**parts)
    driver.reset(env, 6)
    play(driver, env, None, 2)
    what = "corpus" if "corpus" in name else name
    if name == "profile":
        pickle.dumps(env)  # a tool's specification does not have its function
    else:
        with pytest.raises(CopyError, match=rf"the {what} .* cannot be pickled.*module:name.*cloudpickle"):
            pickle.dumps(env)
        with pytest.raises(CopyError, match="cannot be pickled"):
            pickle.dumps(env.game.config)
    copies = [copy.deepcopy(env), cloudpickle.loads(cloudpickle.dumps(env))]
    log = play_on(driver, env)
    for again in copies:
        assert play_on(driver, again) == log


@pytest.mark.parametrize(("parts", "what"), [
    ({"judge": NamedJudge()}, "judge"),
    ({"corpus": Locked()}, "corpus"),
    ({"executor": LockedCounting()}, "executor"),
    ({"corpus": LiveCorpus(search=Engine())}, "corpus"),
    ({"counter": lambda message, lock=threading.Lock(): 1}, "counter"),  # noqa: B008
])  # fmt: skip
def test_what_nothing_can_carry_is_named(parts: dict[str, Any], what: str) -> None:
    env = wideseek_env.parallel_env(tasks=SMALL, **parts)
    env.reset(seed=1)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        with pytest.raises(CopyError, match=f"the {what} .* cannot be pickled"):
            dumps(env)


def test_an_executor_that_cannot_be_copied_is_named() -> None:
    env = wideseek_env.parallel_env(tasks=SMALL, executor=LockedCounting())
    with pytest.raises(CopyError, match=r"the executor .*LockedCounting.* cannot be copied .*__deepcopy__"):
        copy.deepcopy(env)


def test_a_removed_file_is_named(tmp_path: Path) -> None:
    StoredCorpus.build(tmp_path / "pages", PAGES, name="ours").close()
    save_tasks(playing.example_tasks(3), tmp_path / "some.jsonl")
    by_name = wideseek_env.parallel_env(tasks=SMALL, corpus=str(tmp_path / "pages"))
    live = wideseek_env.parallel_env(tasks=SMALL, corpus=StoredCorpus.open(tmp_path / "pages"))
    tasks = wideseek_env.parallel_env(tasks=str(tmp_path / "some.jsonl"), corpus=SMALL)
    shutil.rmtree(tmp_path / "pages")
    (tmp_path / "some.jsonl").unlink()
    for env in (by_name, live, tasks):
        with pytest.raises(CopyError, match=f"there is no {tmp_path}.* any more"):
            pickle.dumps(env)
        copy.deepcopy(env)


def test_a_part_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brief.py").write_text("from copied_parts import Locked\nCORPUS = Locked()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import brief  # type: ignore[import-not-found]

    data = pickle.dumps(wideseek_env.parallel_env(tasks=SMALL, corpus=brief.CORPUS))
    monkeypatch.delitem(sys.modules, "brief")
    (tmp_path / "brief.py").unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="the corpus 'brief:CORPUS' of a pickled game cannot be loaded"):
        pickle.loads(data)


def test_a_reader_and_a_callback_without_a_name() -> None:
    class LocalReader(MarkdownReader):
        pass

    game = wideseek_env.parallel_env(tasks=SMALL, width=2)
    made = Symbolic(game, reader=LocalReader())
    ended: list[EpisodeRun] = []
    vector = SymbolicVec(Symbolic(game), 2, on_end=lambda run: ended.append(run))
    for each, what in ((made, "reader"), (vector, "function on_end")):
        each.reset(seed=1)
        with pytest.raises(CopyError, match=f"the {what} "):
            pickle.dumps(each)
        cloudpickle.loads(cloudpickle.dumps(each)).reset(seed=1)
    again = copy.deepcopy(vector)
    assert again.on_end is vector.on_end, "the callback is the user's, so both call it"


def test_arguments_of_gymnasium_travel() -> None:
    import gymnasium

    env = gymnasium.make(
        "wideseek_env:WideSeek-v0", tasks=SMALL, corpus=LOCKED, counter=words, tools=[doubled]
    )
    env.reset(seed=1)
    for again in (
        copy.deepcopy(env),
        pickle.loads(pickle.dumps(env)),
        cloudpickle.loads(cloudpickle.dumps(env)),
    ):
        assert again.unwrapped.spec.kwargs["corpus"] is LOCKED
        assert again.unwrapped.spec.kwargs["counter"] is words
        assert again.unwrapped.spec.id == "WideSeek-v0"
    alone = gymnasium.make("wideseek_env:WideSeek-v0", tasks=SMALL, counter=lambda message: 1)
    with pytest.raises(CopyError, match="the counter"):
        pickle.dumps(alone)
