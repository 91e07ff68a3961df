"""Copies and pickles of environments: both continue as the original does, from any moment."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Sequence
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
    NamedJudge,
    Shelf,
    doubled,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import KINDS, SMALL, play, play_on

import wideseek_env
from wideseek_env import (
    CopyError,
    GameConfig,
    Rules,
    SearchHit,
    TaskSet,
    ToolCall,
)
from wideseek_env.corpus.stored import MemoryCorpus, StoredCorpus
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import CorpusError
from wideseek_env.messages import count_characters
from wideseek_env.profiles import PROFILES
from wideseek_env.render.human import LiveRenderer, PlainRenderer
from wideseek_env.scoring import OfflineJudge
from wideseek_env.tools.executor import CorpusTools, run_calls


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
    if kind == "SymbolicVec":
        assert again.closed, "a closed vector stays closed"
    else:
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


# --- what is shared -----------------------------------------------------------------------------------------------


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


# --- moments ------------------------------------------------------------------------------------------------------


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
        tasks=SMALL, corpus=LOCKED, judge=NAMED_JUDGE, tools=[doubled, "copied_parts:tripled"]
    )
    assert copy.deepcopy(config) is config is copy.copy(config)
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.corpus is LOCKED
    assert again.to_dict() == config.to_dict()
    sure = GameConfig(tasks=playing.example_tasks(3))
    assert list(pickle.loads(pickle.dumps(sure)).tasks) == list(sure.tasks)


# --- rendering ----------------------------------------------------------------------------------------------------


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


# --- cost ---------------------------------------------------------------------------------------------------------


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
