"""Copies and pickles of environments: both continue as the original does, from any moment, in any process."""

from __future__ import annotations

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle  # Gymnasium depends on it
import playing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import KINDS, SMALL, digest, play, play_on

import wideseek_env
from wideseek_env import (
    CopyError,
    GameConfig,
    Page,
    Rules,
    SearchHit,
    TaskSet,
    ToolCall,
    ToolResult,
    tool,
)
from wideseek_env.catalog import located, open_corpus
from wideseek_env.corpus.dense import DenseIndex, HybridCorpus
from wideseek_env.corpus.files import SourcePage
from wideseek_env.corpus.live.config import LiveConfig, located_spec
from wideseek_env.corpus.live.corpus import LiveCorpus
from wideseek_env.corpus.live.recording import Recorder, Replay
from wideseek_env.corpus.remote import RemoteCorpus
from wideseek_env.corpus.stored import MemoryCorpus, StoredCorpus
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import ConfigError, CorpusError, TaskError
from wideseek_env.messages import Message, count_characters
from wideseek_env.profiles import PROFILES
from wideseek_env.render.human import LiveRenderer, PlainRenderer
from wideseek_env.scoring import OfflineJudge
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.scoring.judging.recorded import RecordingJudge
from wideseek_env.tasks.jsonl import save_tasks
from wideseek_env.tools.executor import CorpusTools, run_calls
from wideseek_env.wrappers import MarkdownReader, Symbolic, SymbolicVec

WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda env: copy.deepcopy([env, {"it": env}])[1]["it"],
    "copy of a copy": lambda env: copy.deepcopy(copy.deepcopy(env)),
    **{f"pickle {n}": lambda env, n=n: pickle.loads(pickle.dumps(env, n)) for n in range(2, 6)},
    "pickle of a pickle": lambda env: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(env)))),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
    "pickle of a copy": lambda env: pickle.loads(pickle.dumps(copy.deepcopy(env))),
}


# --- every environment, every way, every moment ----------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_continues_as_the_original_does(kind: str, way: str) -> None:
    driver, env = KINDS[kind], KINDS[kind].make()
    _, last = driver.reset(env, 5)
    _, last = play(driver, env, last, 2)
    again = WAYS[way](env)
    kept = copy.deepcopy(last)
    one = play_on(driver, again, kept)
    assert one == play_on(driver, env, last), "the copy was played first"


@settings(max_examples=25)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    way=st.sampled_from(sorted(WAYS)),
    cut=st.integers(0, 25),
    seed=st.integers(0, 2**31),
    episodes=st.integers(0, 1),
)
def test_the_moment_of_the_copy_does_not_matter(
    kind: str, way: str, cut: int, seed: int, episodes: int
) -> None:
    driver, env = KINDS[kind], KINDS[kind].make()
    _, last = driver.reset(env, seed)
    for _ in range(episodes):
        play(driver, env, last)
        _, last = driver.reset(env)
    _, last = play(driver, env, last, cut)
    again, kept = WAYS[way](env), copy.deepcopy(last)
    assert play_on(driver, env, last) == play_on(driver, again, kept), "the original was played first"


@pytest.mark.parametrize("way", ["deepcopy", "pickle 2", "cloudpickle"])
@pytest.mark.parametrize("kind", KINDS)
def test_before_the_first_reset_after_the_end_and_closed(kind: str, way: str) -> None:
    driver = KINDS[kind]
    fresh = driver.make()
    for env in (WAYS[way](fresh), fresh):
        _, last = driver.reset(env, 3)
        play(driver, env, last)
    ended = [driver.reset(env)[0] for env in (WAYS[way](fresh), fresh)]
    assert ended[0] == ended[1], "the order of tasks continues"
    record = driver.record
    env = driver.make()
    _, last = driver.reset(env, 3)
    _, last = play(driver, env, last)
    if kind != "SymbolicVec":
        assert record(WAYS[way](env)) == record(env), "the ended episode can be read"
    env.close() if hasattr(env, "close") else None
    again = WAYS[way](env)
    assert driver.reset(again, 4)[0] == driver.reset(env, 4)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_shallow_copy_is_independent_too(kind: str) -> None:
    if kind == "gymnasium.make":
        pytest.skip("the outermost wrapper is Gymnasium's, whose shallow copy shares the environment")
    driver, env = KINDS[kind], KINDS[kind].make()
    _, last = driver.reset(env, 5)
    _, last = play(driver, env, last, 2)
    again, kept = copy.copy(env), copy.deepcopy(last)
    assert play_on(driver, again, kept) == play_on(driver, env, last)


def test_branches_of_one_episode_differ_from_each_other_only_by_their_actions() -> None:
    env = KINDS["parallel"].make()
    env.reset(seed=1)
    branches = [copy.deepcopy(env) for _ in range(4)]
    for number, branch in enumerate(branches):
        branch.step({"lead": f"| Name |\n|---|\n| {number} |"})
        assert (branch.episode_run.done, env.episode_run.done) == (True, False)
    answers = [branch.episode_run.episode.outcome.answer[-3:-2] for branch in branches]
    assert answers == ["0", "1", "2", "3"]


# --- what is shared --------------------------------------------------------------------------------------------------


def test_a_deep_copy_shares_what_does_not_change(tmp_path: Path) -> None:
    env = wideseek_env.parallel_env(tasks=SMALL, judge=NamedJudge(), tools=[doubled])
    env.reset(seed=1)
    env.step({"lead": playing.call("delegate", subtasks=["a", "b"])})
    again = copy.deepcopy(env)
    old, new = env.game, again.game
    assert new.executor is not old.executor
    assert new.executor.corpus is old.executor.corpus  # type: ignore[attr-defined]
    for name in ("config", "tasks", "pool", "judge", "reward", "profile", "counter", "rules"):
        assert getattr(new, name) is getattr(old, name), name
    run, copied = env.episode_run, again.episode_run
    assert (copied.game, copied.task) == (new, run.task)
    assert copied.task is run.task
    messages = [[id(m) for m in c.messages] for r in (run, copied) for c in r.episode.conversations]
    assert messages[:3] == messages[3:], "messages never change, so they are not copied"
    assert run.episode.conversations[0].messages is not copied.episode.conversations[0].messages


def test_closing_a_copy_closes_nothing_of_the_original(tmp_path: Path) -> None:
    corpus = StoredCorpus.build(tmp_path / "c", PAGES, name="ours")
    env = KINDS["parallel"].make(corpus=corpus)
    env.reset(seed=1)
    for each in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        play(KINDS["parallel"], each, None, 3)
        each.close()
    assert env.game.executor.corpus.fetch(PAGES[0].url).status == 200  # type: ignore[attr-defined, union-attr]
    corpus.close()


def test_the_pages_of_a_copy_are_its_own() -> None:
    tools = CorpusTools(MemoryCorpus(PAGES, "pages"))
    browse = ToolCall("a/1/0", "a", "browse", {"url": PAGES[0].url, "chunk": 1, "focus": ""})
    text = tools.run([browse])[0].text
    again = copy.deepcopy(tools)
    tools.close()
    assert (len(tools._documents), len(again._documents)) == (0, 1)
    assert again.run([browse])[0].text == text
    assert len(copy.copy(again)._documents) == 1
    assert pickle.loads(pickle.dumps(again)).run([browse])[0].text == text


def test_environments_of_one_game_still_share_it() -> None:
    game = GameConfig(tasks=SMALL).open()
    pair = [wideseek_env.WideSeekEnv(game), wideseek_env.WideSeekEnv(game)]
    for one, other in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        assert one.game is other.game
        assert one.game.executor is not game.executor


def test_a_derived_game_is_opened_once_with_its_origin() -> None:
    env = KINDS["Symbolic"].make()
    for again in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert again.game.executor is again.env.game.executor
        assert again.game.tasks[0] is again.env.game.tasks.get(again.game.tasks[0].id)
        assert again.game.tasks.ids == env.game.tasks.ids
        assert (again.game.roster, again.env.game.roster) == ("fixed", "dynamic")


@pytest.mark.parametrize("change", [
    {"rules": Rules(width=2)}, {"roster": "fixed"}, {"team": False}, {"profile": PROFILES["terse"]},
    {"judge": OfflineJudge()},
    {"counter": count_characters}, {"corpus_name": "another"}, {"tasks": "first"}, {"tasks": "other"},
])  # fmt: skip
def test_replaced_parts_of_a_game_travel(change: dict[str, Any]) -> None:
    game = GameConfig(tasks=SMALL, limit=9).open()
    if change.get("tasks") == "first":
        change = {"tasks": TaskSet(list(game.tasks)[:3], "first three")}
    elif change.get("tasks") == "other":
        change = {"tasks": TaskSet(GameConfig(tasks="synthetic:seed=9,pages=400").open().tasks[:2], "others")}
    made = game.replace(**change)
    again = pickle.loads(pickle.dumps(made))
    ((name, value),) = change.items()
    found = getattr(again, name)
    if isinstance(value, TaskSet):
        assert (found.name, list(found)) == (value.name, list(value))
    elif name in ("judge", "profile"):
        assert found.name == value.name
    else:
        assert found == value
    assert repr(again) == repr(made)
    assert repr(pickle.loads(pickle.dumps(again))) == repr(made)


# --- other processes -------------------------------------------------------------------------------------------------

CONTINUE = """
import pickle, sys
from playing import KINDS, digest, play_on
kind, file = sys.argv[1:]
with open(file, "rb") as pickled:
    env, last = pickle.load(pickled)
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


# --- corpora ---------------------------------------------------------------------------------------------------------

PAGES = [
    SourcePage(
        f"https://w.example/{number}",
        f"Page {number}",
        f"<h1>Page {number}</h1><p>museum river list {number}</p>",
    )
    for number in range(12)
]


class Shelf:
    """A custom corpus in memory, which remembers how often it was asked."""

    name = "shelf"
    blocking = False

    def __init__(self) -> None:
        self.asked = 0

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        self.asked += 1
        return [
            [SearchHit(page.url, page.title, f"asked {len(query)}", 1.0) for page in PAGES[:k]]
            for query in queries
        ]

    def fetch(self, url: str) -> Page | None:
        return next((Page(page.url, page.title, page.html) for page in PAGES if page.url == url), None)

    def close(self) -> None:
        pass


class Locked(Shelf):
    """A corpus that cannot be pickled."""

    name = "locked"

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


LOCKED = Locked()


class Blocking(Shelf):
    """A corpus whose calls run on threads."""

    blocking = True


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from dense_doubles import WordEmbedder

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
    "dense": lambda places: DenseIndex.open(places / "dense", word_embedder()),
    "hybrid": lambda places: HybridCorpus(
        StoredCorpus.open(places / "stored"), DenseIndex.open(places / "dense", word_embedder())
    ),
    "custom": lambda places: Shelf(),
    "custom by name": lambda places: "test_copying:Shelf",
    "custom without a pickle, by name": lambda places: "test_copying:LOCKED",
    "custom without a pickle, with a name": lambda places: LOCKED,
    "on threads": lambda places: Blocking(),
    "recorder": lambda places: Recorder(places / "recorder.rec", Shelf()),
    "replay": lambda places: Replay(recorded(places)),
    "replay by name": lambda places: f"live:replay={recorded(places)}",
}


def word_embedder() -> Any:
    from dense_doubles import WordEmbedder

    return WordEmbedder()


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
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "corpus" / "remote"))
    from remote_services import serving

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


class Engine:
    """A search engine in memory."""

    name = "engine"

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def search(self, query: str, count: int) -> list[SearchHit]:
        return []


# --- judges, tools, counters, executors ------------------------------------------------------------------------------


class NamedJudge(OfflineJudge):
    """A judge with a lock and without a pickle."""

    name = "named"

    def __init__(self) -> None:
        self._lock = threading.Lock()


NAMED_JUDGE = NamedJudge()


@tool
def doubled(text: str) -> str:
    """Double a text.

    Args:
        text: The text.
    """
    return 2 * text


def tripled(text: str) -> str:
    """Triple a text.

    Args:
        text: The text.
    """
    return 3 * text


def words(message: Message) -> int:
    return len(message["content"].split())


class Counting:
    """An executor with a state: it numbers its results."""

    def __init__(self) -> None:
        self.calls = 0

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult(f"result {next(self)}") for _ in calls]

    def __next__(self) -> int:
        self.calls += 1
        return self.calls

    def close(self) -> None:
        pass


class LockedCounting(Counting):
    """An executor without a pickle."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class CopiedCounting(LockedCounting):
    """An executor that can be copied, but not pickled."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiedCounting:
        made = CopiedCounting()
        made.calls = self.calls
        return made


class Own(CorpusTools):
    """A subclass with a state."""

    def __init__(self) -> None:
        super().__init__(MemoryCorpus(PAGES, "pages"), custom={"doubled": doubled.run})
        self.counts = {"runs": 0}

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.counts["runs"] += 1
        return [ToolResult(f"{self.counts['runs']} {each.text}", each.ok) for each in super().run(calls)]


PARTS: dict[str, dict[str, Any]] = {
    "judge by name": {"judge": "test_copying:NamedJudge"},
    "judge with a name": {"judge": NAMED_JUDGE},
    "judge of a server": {"judge": "openai:m@http://127.0.0.1:9/v1"},
    "live judge of a server": {"judge": judge_from_spec("openai:m@http://127.0.0.1:9/v1")},
    "tool by name": {"tools": ["test_copying:doubled"]},
    "decorated tool": {"tools": [doubled]},
    "tool of a function": {"tools": [tool(tripled, roles=["lead", "subagent"])]},
    "two tools": {"tools": [doubled, "lead=test_copying:tripled"]},
    "counter": {"counter": words},
    "counter by name": {"counter": "test_copying:words", "limits": {"context": 300}},
    "profile": {"profile": "terse"},
    "reward": {"reward": "wideseek_r1"},
    "executor": {"executor": Counting()},
    "executor by name": {"executor": "test_copying:Counting"},
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
    if "executor" not in PARTS[name] and name != "live judge of a server":  # the digest of a lock is random
        assert again.game.record() == env.game.record()
    assert play_on(driver, again) == play_on(driver, env)


def test_an_executor_without_a_pickle_is_opened_again_by_its_name() -> None:
    env = wideseek_env.parallel_env(tasks=SMALL, executor="test_copying:CopiedCounting")
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
    (tmp_path / "brief.py").write_text("from test_copying import Locked\nCORPUS = Locked()\n")
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


# --- moments ---------------------------------------------------------------------------------------------------------


class Interrupting(Shelf):
    """A corpus that copies the environment while the environment waits for it."""

    name = "interrupting"

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        for way in (copy.deepcopy, pickle.dumps, cloudpickle.dumps):
            with pytest.raises(CopyError, match=r"have no result yet.*between two steps"):
                way(ENVS[0])  # type: ignore[operator]
            self.asked += 1
        return super().search(queries, k)


ENVS: list[Any] = []


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_in_the_middle_of_a_step_is_refused(kind: str) -> None:
    driver, corpus = KINDS[kind], Interrupting()
    env = driver.make(corpus=corpus)
    ENVS[:] = [env]
    _, last = driver.reset(env, 5)
    play(driver, env, last)
    assert corpus.asked >= 3
    copy.deepcopy(env)


def test_an_episode_run_may_wait_for_results() -> None:
    game = GameConfig(tasks=SMALL).open()
    run = EpisodeRun(game, game.tasks[0], 3)
    run.act("lead", playing.call("delegate", subtasks=["a", "b"]))
    calls = [
        each
        for agent in ("subagent_0", "subagent_1")
        for each in run.act(agent, playing.call("search", query="x"))
    ]
    copies = [copy.deepcopy(run), copy.copy(run), pickle.loads(pickle.dumps(run))]
    results = run_calls(game.executor, calls)
    for each in (*copies, run):
        assert each.episode.pending() == [call.id for call in calls]
        for one, result in zip(calls, results, strict=True):
            each.deliver(one, result)
        each.abort("enough")
    assert len({each.trajectory().to_json(timing=False) for each in (*copies, run)}) == 1


def test_the_clock_of_a_loaded_run_continues() -> None:
    game = GameConfig(tasks=SMALL).open()
    run = EpisodeRun(game, game.tasks[0], 3)
    run._began -= 1000  # as if the episode had begun a long time ago
    run.act("lead", playing.call("delegate", subtasks=["a"]))
    state = run.__getstate__()
    assert 1000 <= state["_began"] < 1100, "seconds since the beginning, because clocks of processes differ"
    again = pickle.loads(pickle.dumps(run))
    again.act("subagent_0", "done")
    assert 1000 <= again.times[-1] < 1100
    assert again.times[:-1] == run.times
    assert again.started == run.started


def test_episodes_alone() -> None:
    env = KINDS["parallel"].make()
    KINDS["parallel"].reset(env, 4)
    play(KINDS["parallel"], env, None, 3)
    episode = env.episode_run.episode
    for again in (
        copy.deepcopy(episode),
        copy.copy(episode),
        episode.copy(),
        pickle.loads(pickle.dumps(episode)),
    ):
        assert again.events == episode.events
        again.abort("enough")
        assert not episode.done


def test_configurations() -> None:
    config = GameConfig(
        tasks=SMALL, corpus=LOCKED, judge=NAMED_JUDGE, tools=[doubled, "test_copying:tripled"]
    )
    assert copy.deepcopy(config) is config is copy.copy(config)
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.corpus is LOCKED
    assert again.to_dict() == config.to_dict()
    sure = GameConfig(tasks=playing.example_tasks(3))
    assert list(pickle.loads(pickle.dumps(sure)).tasks) == list(sure.tasks)


# --- rendering -------------------------------------------------------------------------------------------------------


def test_lines_continue_where_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    env = wideseek_env.parallel_env(tasks=SMALL, width=2, rules=playing.RULES, render_mode="human")
    assert isinstance(env._renderer, PlainRenderer)
    env.reset(seed=1)
    said: list[str] = []
    for each in (copy.deepcopy(env), pickle.loads(pickle.dumps(env)), copy.copy(env), env):
        capsys.readouterr()
        while each.agents:
            each.step({agent: playing.message(each.episode_run.turn(agent)) for agent in each.acting_agents})
        said.append(capsys.readouterr().out)
    assert len(set(said)) == 1
    assert said[0]


def test_a_live_view_is_one_for_the_terminal() -> None:
    from io import StringIO

    from rich.console import Console

    env = wideseek_env.parallel_env(tasks=SMALL, width=2, rules=playing.RULES, render_mode="human")
    console = Console(file=StringIO(), force_terminal=True, width=80, height=20)
    env._renderer = LiveRenderer(console, fps=0)
    env.reset(seed=1)
    again, loaded = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
    assert again._renderer is env._renderer
    assert isinstance(loaded._renderer, PlainRenderer), "where there is no terminal"
    for each in (env, again, loaded):
        while each.agents:
            each.step({agent: playing.message(each.episode_run.turn(agent)) for agent in each.acting_agents})
        each.close()


# --- cost ------------------------------------------------------------------------------------------------------------


def test_a_copy_costs_the_episode_and_not_the_world() -> None:
    env = KINDS["parallel"].make()
    KINDS["parallel"].reset(env, 4)
    play(KINDS["parallel"], env, None, 3)
    data = pickle.dumps(env)
    assert len(data) < 100_000, "neither tasks nor corpus are in a pickle"
    memo: dict[int, Any] = {}
    copy.deepcopy(env, memo)
    assert len(memo) < 3000


def test_a_missing_corpus_is_told_when_a_pickle_is_loaded(tmp_path: Path) -> None:
    StoredCorpus.build(tmp_path / "pages", PAGES, name="ours").close()
    data = pickle.dumps(wideseek_env.parallel_env(tasks=SMALL, corpus=str(tmp_path / "pages")))
    shutil.rmtree(tmp_path / "pages")
    with pytest.raises(CorpusError, match="pages"):
        pickle.loads(data)
