"""Parts of one's own by name, in Python, through entry points and in real commands from a folder of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from toy_team import town_task

import wideseek_env.plugins as plugins
from wideseek_env import GameConfig, run_episode
from wideseek_env.catalog import named_tasks, open_corpus
from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.policy import make_policy
from wideseek_env.rewards import reward_named
from wideseek_env.scoring.judging import judge_from_spec
from wideseek_env.tasks.source import tasks_of_source
from wideseek_env.testing import example_task
from wideseek_env.tools.custom import tool_named

TEMPLATES = Path(__file__).resolve().parents[2] / "examples" / "plugins"


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TEMPLATES))


# --- names ---------------------------------------------------------------------------------------------------------


def test_every_part_is_found_by_its_module(templates: None, tmp_path: Path) -> None:
    (tmp_path / "elbe.txt").write_text("Elbe\nA river.\n")
    assert make_policy("my_policy:ListReaders").name == "list-readers"
    corpus = open_corpus(f"my_corpus:TextFolder,folder={tmp_path}")
    assert [hit.title for hit in corpus.search(["river"], 3)[0]] == []  # "river." is another word
    assert [hit.title for hit in corpus.search(["elbe a"], 3)[0]] == ["Elbe"]
    assert judge_from_spec("my_judge:ElementJudge").name == "elements-1"
    assert reward_named("my_reward:Thrifty,price=0.5").price == 0.5  # type: ignore[attr-defined]
    tasks, own = named_tasks("my_tasks:powers,count=2", "test")
    assert (tasks.name, tasks.ids, own) == (
        "my_tasks:powers,count=2/test", ("powers-test-0", "powers-test-1"), "synthetic:pages=800",
    )  # fmt: skip
    assert tool_named("my_tool:convert").roles == ("subagent", "single")
    assert tool_named("lead=my_tool:convert").roles == ("lead",)
    assert tool_named("my_tool:count_rows").roles == ("lead",)


def test_a_game_of_own_parts_is_resolved_from_names(templates: None) -> None:
    game = GameConfig(
        tasks="my_tasks:powers", corpus="synthetic:pages=800", reward="my_reward:Thrifty",
        judge="my_judge:ElementJudge", tools=["my_tool:convert", "my_tool:count_rows"], team=False,
    ).open()  # fmt: skip
    assert game.profile.name == "default+convert+count_rows"
    assert game.judge is not None
    assert game.judge.name == "elements-1"
    converter = make_policy("my_tool:Converter")
    play = run_episode(game, converter, game.tasks[0])
    assert play.episode.outcome is not None
    assert play.episode.outcome.answer == "26.2 mi = 42.1648 km"
    assert play.episode.outcome.tool_calls == {"convert": 1}
    assert play.parts.keys() == {"item_f1", "subagents"}
    again = play.trajectory().replay(profile=game.profile)
    assert again.outcome == play.episode.outcome


def test_a_package_announces_parts(templates: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import my_reward  # type: ignore[import-not-found]

    points = {
        "wideseek_env.rewards": EntryPoint("thrifty", "my_reward:Thrifty", "wideseek_env.rewards"),
        "wideseek_env.tasks": EntryPoint("powers", "my_tasks:powers", "wideseek_env.tasks"),
    }
    monkeypatch.setattr(plugins, "entry_points", lambda group: [points[group]] if group in points else [])
    assert isinstance(reward_named("thrifty"), my_reward.Thrifty)
    assert reward_named("thrifty:price=0.25").price == 0.25  # type: ignore[attr-defined]
    assert len(named_tasks("powers:count=4", "train")[0]) == 4
    with pytest.raises(ConfigError, match="no corpus 'x'; write module:name"):
        plugins.find_part("corpus", "x")
    with pytest.raises(ConfigError, match="there are: thrifty"):
        plugins.find_part("reward", "x")


MADE = example_task()
NUMBER = 3


def tasks_of(split: str) -> object:
    return {"train": [town_task(0)], "validation": 3, "test": ["a"]}[split]


class Needy:
    name = "needy"

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, episode: object, score: object) -> dict[str, float]:
        return {}


NEEDY = Needy("k")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere_at_all:Reward", "cannot be loaded: ModuleNotFoundError"),
        ("test_plugins:Nothing", "cannot be loaded: AttributeError"),
        ("test_plugins:NUMBER", "which is no reward: a reward must have a name and"),
        ("test_plugins:Needy", "needs the option 'key'"),
        ("test_plugins:Needy,key=1,lock=2", "has no option 'lock'"),
        ("test_plugins:Needy,key", "'key' is not of the form key=value"),
        ("test_plugins:NEEDY,key=2", "is made already and takes no options"),
        (
            "test_plugins:town_task,number=1",
            "makes a Task, which is no reward: a reward must have a name and",
        ),
        ("module:", "no reward 'module:'"),
        (
            "unheard",
            "no reward 'unheard'; there are: item_f1, wideseek_r1; for a custom one write module:Class",
        ),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reward_named(name)
    assert told in str(caught.value)


def test_options_are_json_where_they_are_json() -> None:
    _, options = plugins.find_part("reward", "test_plugins:Needy,a=1.5,b=true,c=x y,d=")
    assert options == {"a": 1.5, "b": True, "c": "x y", "d": ""}


def test_what_is_wrong_with_a_task_source_is_said() -> None:
    assert tasks_of_source("test_plugins:tasks_of", "train")[0].ids == ("towns-0",)
    with pytest.raises(TaskError, match="gave 3 for validation, not tasks"):
        tasks_of_source("test_plugins:tasks_of", "validation")
    with pytest.raises(TaskError, match="gave 'a' among its tasks"):
        tasks_of_source("test_plugins:tasks_of", "test")
    with pytest.raises(ConfigError, match="give a function of the split"):
        tasks_of_source("test_plugins:NUMBER", "test")


def test_a_tool_may_not_take_a_name_twice(templates: None) -> None:
    with pytest.raises(ConfigError, match="already gives the subagent a tool called 'convert'"):
        GameConfig(tasks=[example_task()], corpus="synthetic:pages=800", tools=["my_tool:convert"] * 2).open()
    with pytest.raises(ConfigError, match="takes no options here"):
        tool_named("my_tool:convert,x=1")


# --- commands ------------------------------------------------------------------------------------------------------


def wideseek(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from wideseek_env.cli import main; sys.path = sys.path[1:]; main()"  # as an installed script
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": ""},
    )  # fmt: skip


def test_commands_take_parts_from_the_current_folder(tmp_path: Path) -> None:
    for each in TEMPLATES.glob("*.py"):
        shutil.copy(each, tmp_path)
    done = wideseek(
        tmp_path, "eval", "--policy", "my_policy:ListReaders", "--tasks", "my_tasks:powers,count=2", "--reward",
        "my_reward:Thrifty,price=0.02", "--judge", "my_judge:ElementJudge", "--tool", "my_tool:convert", "--tool",
        "lead=my_tool:count_rows", "--out", "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    settings = (tmp_path / "run" / "run.json").read_text()
    for said in ('"thrifty"', '"elements-1"', '"default+convert+count_rows"', '"my_policy:ListReaders"'):
        assert said in settings
    other = wideseek(
        tmp_path,
        "eval",
        "--policy",
        "my_policy:ListReaders",
        "--tasks",
        "my_tasks:powers,count=2",
        "--out",
        "run",
    )
    assert other.returncode == 2
    assert "other settings" in other.stderr
    wrong = wideseek(tmp_path, "eval", "--tasks", "my_task:powers")
    assert wrong.returncode == 2
    assert "No module named 'my_task'; modules are looked for in" in wrong.stderr
    assert "Traceback" not in wrong.stderr
