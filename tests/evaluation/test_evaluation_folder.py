"""Resuming: which settings of a run folder count, what an earlier version wrote, and what cannot be a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from toy_team import TownTools, ToyTeam, town_setup, town_task

import wideseek_env
from wideseek_env.cli.app import app
from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation import RunFolder, evaluate_game, run_settings
from wideseek_env.evaluation.folder import read_settings
from wideseek_env.evaluation.sweep import read_sweep
from wideseek_env.provenance.comparing import differences
from wideseek_env.scoring import TableScore


@dataclass(frozen=True)
class Half:
    """A reward with a state; its name is always the same."""

    share: float = 0.5
    name: str = "half"

    def __call__(self, episode: Episode, score: TableScore) -> dict[str, float]:
        """See `Reward`."""
        return {"half": self.share * score.f1_by_item}


def count_words(message: Mapping[str, Any]) -> int:
    """A counter."""
    return len(str(message["content"]).split())


def record(path: Path, change: Callable[[dict[str, Any]], None] | None = None, **game: Any) -> dict[str, Any]:
    """Record a run, change its ``run.json``, and return the settings of the same run."""
    settings = run_settings(town_setup(count=1, **game), "toy")
    RunFolder.open(path, settings).close()
    if change is not None:
        file = path / "run.json"
        about = json.loads(file.read_text())
        change(about)
        file.write_text(json.dumps(about))
    return settings


def content(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir() if each.name != "run.lock"}


@pytest.mark.parametrize(
    "missing", [("game",), ("game", "executor"), ("game", "counter", "executor", "tools")]
)
def test_a_run_of_an_earlier_version_resumes(tmp_path: Path, missing: Sequence[str]) -> None:
    def forget(about: dict[str, Any]) -> None:
        for name in missing:
            about["settings"].pop(name, None)

    settings = record(tmp_path / "run", forget, counter=count_words)
    assert {"game", "executor", "counter"} <= settings.keys()
    if missing == ("game",):  # it knew the counter and the executor
        other = {**settings, "counter": "characters"}
        with pytest.raises(ConfigError, match="counter"):
            RunFolder.open(tmp_path / "run", other)
    before = content(tmp_path / "run")["run.json"]
    RunFolder.open(tmp_path / "run", settings).close()
    assert content(tmp_path / "run")["run.json"] == before  # nothing was played
    game = town_setup(count=1, counter=count_words)
    with RunFolder.open(tmp_path / "run", settings) as folder:
        evaluate_game(game, ToyTeam(), folder=folder)
    assert read_settings(tmp_path / "run") == json.loads(json.dumps(settings))


def test_old_names_of_settings_are_read(tmp_path: Path) -> None:
    def rename(about: dict[str, Any]) -> None:
        settings = about["settings"]
        settings["own_tools"] = settings.pop("tools", ["m:tool"])
        settings["game"]["own_tools"] = settings["game"].pop("tools")

    record(tmp_path / "run", rename)
    settings = read_settings(tmp_path / "run")
    assert (settings["tools"], settings["game"]["tools"]) == (["m:tool"], [])
    assert "own_tools" not in {*settings, *settings["game"]}


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ({"reward": Half()}, {"reward": Half(0.25)}, "game.reward"),
        ({"counter": count_words}, {"counter": lambda message: 1}, "counter"),
        ({"counter": lambda message: 2}, {"counter": lambda message: 1}, "counter"),
        ({"reward": "item_f1"}, {"reward": "wideseek_r1"}, "reward"),
    ],
)
def test_another_object_of_the_same_name_is_refused_and_nothing_changes(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], name: str
) -> None:
    path = tmp_path / "run"
    same = record(path, **one)
    RunFolder.open(path, same).close()
    (path / "figures.jsonl").write_text("{}\n")
    (path / ".run.json.1.tmp").write_text("{")
    before = content(path)
    with pytest.raises(ConfigError, match=rf"other settings \({name}: [^;]*\)"):
        RunFolder.open(path, run_settings(town_setup(count=1, **other), "toy"))
    assert content(path) == before
    RunFolder.open(path, same).close()
    assert {"figures.jsonl", ".run.json.1.tmp"} & content(path).keys() == set()


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"corpus": "towns"}, {"corpus": "/data/towns"}, []),
        ({"corpus": "towns"}, {}, []),
        ({"corpus": "a@1"}, {"corpus": "a@2"}, [("game.corpus", "a@1", "a@2")]),
        ({"corpus": "m:a"}, {"corpus": "m:b"}, [("game.corpus", "m:a", "m:b")]),
        ({"judge": "j@1"}, {"judge": "j@2"}, [("game.judge", "j@1", "j@2")]),
        ({"split": "test", "limit": 2}, {"split": "train"}, []),
    ],
)
def test_parts_of_the_game_are_compared_if_both_runs_have_them(
    before: dict[str, Any], now: dict[str, Any], found: list[Any]
) -> None:
    assert differences({"game": before}, {"game": now}) == found


def broken(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(about: dict[str, Any]) -> None:
        about["settings"].update({k: v for k, v in changes.items() if k != "format"})
        about.update({k: v for k, v in changes.items() if k == "format"})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken(format=2), "has format 2, and this version reads format 1: install a newer wideseek-env"),
        (broken(format="new"), "the format is 'new'"),
        (broken(seed="many"), "the seed is 'many', not a whole number"),
        (broken(seed=[1]), r"the seed is \[1\], not a whole number"),
        (broken(seed=-1), "the seed is -1"),
        (broken(seed=1.5), "the seed is 1.5"),
    ],
)
def test_settings_that_cannot_be_read_are_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    run = tmp_path / "width-2"
    settings = record(run, change)
    before = content(run)
    for read in (
        lambda: read_settings(run),
        lambda: RunFolder.open(run, settings),
    ):
        with pytest.raises(TrajectoryError, match=message):
            read()
    assert content(run) == before
    shown = CliRunner().invoke(app, ["summary", str(run)])
    assert shown.exit_code == 1
    assert isinstance(shown.exception, SystemExit)
    assert "width-2" in shown.output
    sweep = {"settings": {"widths": [2]}, "versions": {}, "points": []}
    (tmp_path / "width.json").write_text(json.dumps(sweep))
    with pytest.raises(TrajectoryError, match=message):
        read_sweep(tmp_path)


# --- evaluate --------------------------------------------------------------------------------------------------------


class Named(ToyTeam):
    """A policy with an option called name, and one that records what it got."""

    def __init__(self, name: str = "toy", engine: object = None) -> None:
        super().__init__()
        self.name = name
        self.engine = engine


def play(tmp_path: Path, **settings: Any) -> Any:
    game = {"tasks": [town_task(0)], "executor": TownTools(), "rules": "width-benchmark"}
    return wideseek_env.evaluate(**{"policy": ToyTeam(), **game, **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": 5}, "policy must be a name or an object with name"),
        ({"policy": None}, "policy must be a name or an object with name.* not None"),
        ({"policy": ToyTeam}, "policy must be a name or an object"),
        ({"policy": Named("\ud800")}, "without lone surrogates"),
        ({"policy": Named(None)}, "must be text without lone surrogates, not None"),  # type: ignore[arg-type]
        ({"policy": f"{__name__}:Named,name=\ud800"}, "without lone surrogates"),
        ({"policy_options": 5}, "policy_options must be a mapping of options by name, not 5"),
        ({"policy_options": [("a", 1)]}, "policy_options must be a mapping"),
        ({"policy_options": {1: 2}}, "policy_options must be a mapping"),
        ({"policy_options": {"name": "x"}}, "need a policy given by name"),
        ({"seed": "3"}, "seed must be a whole number of at least 0, not '3'"),
        ({"seed": 1.0}, "seed must be a whole number"),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"trials": True}, "trials must be a whole number of at least 1, not True"),
        ({"trials": 2.0}, "trials must be a whole number"),
        ({"out": 5}, "the folder of a run must be a path, not 5"),
        ({"out": b"run"}, "the folder of a run must be a path"),
        ({"out": "file"}, "is a file; give a folder"),
        ({"out": "file/run"}, "cannot be the folder of a run"),
        ({"out": "a\0b"}, "cannot be the folder of a run"),
        ({"out": "n" * 400}, "cannot be the folder of a run"),
    ],
)
def test_wrong_arguments_of_evaluate_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises((ConfigError, TrajectoryError), match=message):
        play(tmp_path, **settings)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("value", [object(), float, {1, 2}, b"x", "\ud800", {"deep": [object()]}])
def test_an_option_that_cannot_be_recorded_is_named(tmp_path: Path, value: object) -> None:
    options = {"policy": f"{__name__}:Named", "policy_options": {"engine": value}}
    assert play(tmp_path, **options).episodes == 1
    with pytest.raises(
        ConfigError, match=r"option 'engine' is .*, which a run cannot record: give JSON values"
    ):
        play(tmp_path, **options, out=tmp_path / "run")


def test_evaluate_takes_whole_numbers_of_numpy_and_an_option_called_name(tmp_path: Path) -> None:
    summary = play(
        tmp_path,
        policy=f"{__name__}:Named",
        policy_options={"name": "mine"},
        seed=np.int64(3),
        trials=np.int32(2),
        out=tmp_path / "run",
    )
    assert summary.episodes == 2
    settings = read_settings(tmp_path / "run")
    assert (settings["seed"], settings["trials"], settings["policy_options"]) == (3, 2, {"name": "mine"})


def test_evaluate_game_checks_before_it_plays() -> None:
    for wrong in ({"seed": -1}, {"trials": 0}):
        with pytest.raises(ConfigError, match="must be a whole number"):
            evaluate_game(town_setup(count=1), ToyTeam(fail_on="Alder"), **wrong)
