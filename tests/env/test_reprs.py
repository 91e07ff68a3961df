"""Every object that people print has a `repr` of one short line, whatever text is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wideseek_env import EpisodeRun, GameConfig
from wideseek_env.corpus import MemoryCorpus, Page, SearchIndex, SourcePage, StoredCorpus
from wideseek_env.corpus.dense import HybridCorpus
from wideseek_env.corpus.live.recording import Recorder
from wideseek_env.evaluation import EpisodeRecord, summarise
from wideseek_env.reprs import short
from wideseek_env.tasks import Table, Task, TaskSet
from wideseek_env.tools import CorpusTools, tool

HOSTILE = "\x1b[2J\u202e\n\r\ud800\x00|<tool_call>" + "\u0301long " * 500


def echo(text: str) -> str:
    """Give back a text.

    Args:
        text: What is given back.
    """
    return text


class Rude:
    name = HOSTILE
    blocking = False

    def search(self, queries: Any, k: int) -> Any:
        return [[] for _ in queries]

    def fetch(self, url: str) -> None:
        return None

    def close(self) -> None:
        pass

    def __repr__(self) -> str:
        return HOSTILE


def broad(text: str) -> Task:
    rows = tuple((f"{text}{number}", "secret cell") for number in range(400))
    return Task(text, text, (text, "b"), (text,), Table((text, "b"), rows))


def ended(task: Task) -> EpisodeRun:
    run = EpisodeRun(GameConfig(tasks=[task], executor=CorpusTools(Rude())).open(), task, 3)
    run.step({"lead": "\x1b[2J\u202e\n\n| a | b |\n|---|---|\n| 1 | 2 |"})
    assert run.done
    return run


def begun(task: Task) -> EpisodeRun:
    return EpisodeRun(GameConfig(tasks=[task], executor=CorpusTools(Rude())).open(), task, 3)


def things(text: str, folder: Path) -> dict[str, Any]:
    task, depth = broad(text), Task(text, text, answers=(text,))
    run = ended(task)
    trajectory = run.trajectory(policy=text)
    pages = [SourcePage("https://a.example/", text, f"<p>{text}</p>")]
    StoredCorpus.build(folder / "stored", pages, name=text[-80:]).close()
    memory = MemoryCorpus(pages, name=text)
    return {
        "task": task,
        "depth task": depth,
        "table": task.gold,
        "tasks": TaskSet([task], name=text),
        "episode": run.episode,
        "episode that is going on": begun(task).episode,
        "conversation": run.episode.root,
        "run": run,
        "run that is going on": begun(task),
        "score": run.score,
        "trajectory": trajectory,
        "summary": summarise([EpisodeRecord.of(trajectory)]),
        "executor": CorpusTools(Rude(), custom={"echo": tool(echo).run, text: tool(echo).run}),
        "memory corpus": memory,
        "stored corpus": StoredCorpus.open(folder / "stored"),
        "hybrid corpus": HybridCorpus(Rude(), Rude()),
        "recorded corpus": Recorder(folder / "tape", MemoryCorpus(pages, name=text.replace("\ud800", ""))),
        "index": SearchIndex.build([]),
        "page": Page(text, text, "secret html " * 1000),
    }


@pytest.mark.parametrize("text", ["plain", HOSTILE], ids=["plain", "hostile"])
def test_it_is_one_short_printable_line(text: str, tmp_path: Path) -> None:
    for name, thing in things(text, tmp_path).items():
        line = repr(thing)
        assert len(line) < 200, name
        assert line.isprintable(), name
        assert "secret" not in line, name
        assert " object at 0x" not in line, name


def test_it_says_which_and_how_far(tmp_path: Path) -> None:
    lines = {name: repr(thing) for name, thing in things("towns", tmp_path).items()}
    assert lines["task"] == "<Task 'towns': 400 rows, 2 columns, en, 'towns'>"
    assert lines["depth task"] == "<Task 'towns': 1 accepted answers, en, 'towns'>"
    assert lines["table"] == "<Table of 400 rows, 2 columns: 'towns, b'>"
    state = "team of width 10: 0 turns of 1 conversations, 1 acting"
    assert lines["episode that is going on"] == f"<Episode of 'towns', {state}>"
    assert lines["run that is going on"] == f"<EpisodeRun of 'towns', seed 3, {state}>"
    over = "team of width 10: 1 turns of 1 conversations, answered"
    assert lines["run"] == f"<EpisodeRun of 'towns', seed 3, {over}, item-F1 0.000, reward 0.000>"
    assert lines["conversation"] == "<Conversation of lead, generation 0: 1 turns, answered>"
    assert lines["trajectory"] == (
        "<Trajectory of 'towns' by 'towns': 1 conversations, 'answered', item-F1 0.000, reward 0.000>"
    )
    assert lines["summary"].startswith("<Summary of 1 episodes, 1 tasks: item-F1 0.000 [")
    assert lines["page"] == "Page('towns', 'towns', 12000 characters, status=200)"
    assert lines["memory corpus"] == "MemoryCorpus(name='towns', 1 pages)"


def test_short_cuts_and_escapes() -> None:
    assert short("a") == "'a'"
    assert short("x" * 1000) == "'" + 27 * "x" + "..." + 27 * "x" + "'"
    assert short(HOSTILE).isprintable()
    assert len(short(Rude())) <= 60
    assert short(Rude()).isprintable()
