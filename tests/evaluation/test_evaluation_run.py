"""`evaluate` records every episode at once, resumes, and survives errors and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.errors import ConfigError, TrajectoryError
from wideseek_env.evaluation import (
    EpisodeError,
    EpisodeRecord,
    RunFolder,
    SummaryAccumulator,
    evaluate_game,
    run_settings,
)
from wideseek_env.evaluation.interrupts import uninterrupted
from wideseek_env.game import Game
from wideseek_env.policy import Turn
from wideseek_env.scoring import TableScore
from wideseek_env.trajectory import load_trajectories


def open_folder(path: Path, setup: Game, overwrite: bool = False, **changes: object) -> RunFolder:
    return RunFolder.open(path, run_settings(setup, "toy", **changes), overwrite=overwrite)  # type: ignore[arg-type]


def test_all_tasks_are_played_and_recorded(tmp_path: Path) -> None:
    setup = town_setup(count=3, width=3)
    seen: list[EpisodeRecord] = []
    with open_folder(tmp_path / "run", setup, trials=2) as folder:
        summary = evaluate_game(setup, ToyTeam(), trials=2, folder=folder, on_episode=seen.append)
    assert (summary.episodes, summary.tasks) == (6, 3)
    recorded = load_trajectories(tmp_path / "run" / "trajectories.jsonl")
    assert [(t.task.id, t.meta["trial"]) for t in recorded] == [r.pair for r in seen]
    assert {t.meta["policy"] for t in recorded} == {"toy"}
    assert len({t.seed for t in recorded}) == 6
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert written.pop("scoring") == "lenient"
    assert written.pop("by") == {
        "language": {"en": summary.to_dict()},
        "size": {"6–10 rows": summary.to_dict()},
    }
    assert written == summary.to_dict()
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["rules"]["width"] == 3
    assert settings["corpus"] == "TownTools"


def test_a_subset_of_the_tasks_gives_the_same_episodes() -> None:
    setup = town_setup(count=4)
    whole: list[EpisodeRecord] = []
    part: list[EpisodeRecord] = []
    evaluate_game(setup, ToyTeam(), seed=5, on_episode=whole.append)
    evaluate_game(setup, ToyTeam(), setup.tasks[2:3], seed=5, on_episode=part.append)
    assert [r.f1_by_item for r in part] == [whole[2].f1_by_item]


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(tmp_path: Path) -> None:
    setup = town_setup(count=5)
    accumulator = SummaryAccumulator()
    with open_folder(tmp_path / "run", setup) as folder, pytest.raises(KeyboardInterrupt):
        evaluate_game(setup, ToyTeam(interrupt_after=2), folder=folder, accumulator=accumulator)
    assert len(accumulator) == 2
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["episodes"] == 2
    played: list[EpisodeRecord] = []
    with open_folder(tmp_path / "run", setup) as folder:
        summary = evaluate_game(setup, ToyTeam(), folder=folder, on_episode=played.append)
    assert [r.task_id for r in played] == ["towns-2", "towns-3", "towns-4"]
    assert summary.episodes == 5
    with open_folder(tmp_path / "straight", setup) as folder:
        straight = evaluate_game(setup, ToyTeam(), folder=folder)
    assert (straight.item_f1, straight.item_f1_low, straight.turns) == (
        summary.item_f1, summary.item_f1_low, summary.turns,
    )  # fmt: skip
    texts = [
        [t.to_json(timing=False) for t in load_trajectories(tmp_path / name / "trajectories.jsonl")]
        for name in ("run", "straight")
    ]
    assert texts[0] == texts[1]


def test_a_half_written_line_is_played_again(tmp_path: Path) -> None:
    setup = town_setup(count=3)
    with open_folder(tmp_path, setup) as folder:
        evaluate_game(setup, ToyTeam(), folder=folder)
    file = tmp_path / "trajectories.jsonl"
    file.write_bytes(file.read_bytes()[:-100])
    played: list[EpisodeRecord] = []
    with open_folder(tmp_path, setup) as folder:
        evaluate_game(setup, ToyTeam(), folder=folder, on_episode=played.append)
    assert [r.task_id for r in played] == ["towns-2"]
    assert len(load_trajectories(file)) == 3


def test_an_episode_that_raises_names_its_task_and_keeps_the_others(tmp_path: Path) -> None:
    setup = town_setup(count=3)
    with (
        open_folder(tmp_path, setup) as folder,
        pytest.raises(EpisodeError, match=r"task towns-1 .*toy: RuntimeError: the toy broke") as caught,
    ):
        evaluate_game(setup, ToyTeam(fail_on="Birch"), folder=folder)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert json.loads((tmp_path / "summary.json").read_text())["episodes"] == 1


def test_keep_going_counts_failures_and_a_later_run_plays_them_again(tmp_path: Path) -> None:
    setup = town_setup(count=3, width=4)
    with open_folder(tmp_path, setup) as folder:
        summary = evaluate_game(setup, ToyTeam(fail_on="Birch"), folder=folder, keep_going=True)
    assert (summary.episodes, summary.failed) == (3, 1)
    assert summary.item_f1 == pytest.approx(2 / 3, abs=1e-6)
    assert summary.endings == {"answered": 2, "failed": 1}
    failed = load_trajectories(tmp_path / "trajectories.jsonl")[1]
    assert failed.meta["failed"] is True
    assert failed.outcome["detail"] == "RuntimeError: the toy broke"
    failed.replay()
    played: list[EpisodeRecord] = []
    with open_folder(tmp_path, setup) as folder:
        again = evaluate_game(setup, ToyTeam(), folder=folder, on_episode=played.append)
    assert [r.task_id for r in played] == ["towns-1"]
    assert (again.episodes, again.failed, again.item_f1) == (3, 0, 1.0)


class BrokenReward:
    name = "broken"

    def __call__(self, episode: object, score: TableScore) -> dict[str, float]:
        raise ZeroDivisionError("no reward")


class WrongCount(ToyTeam):
    def act(self, turns: Sequence[Turn]) -> list[str]:
        return []


def test_what_cannot_be_scored_is_an_error_even_when_going_on() -> None:
    with pytest.raises(EpisodeError, match="could not be scored: ZeroDivisionError: no reward"):
        evaluate_game(town_setup(reward=BrokenReward()), ToyTeam(), keep_going=True)


def test_a_policy_that_forgets_agents_is_an_error() -> None:
    with pytest.raises(EpisodeError, match="returned 0 messages for 1 turns"):
        evaluate_game(town_setup(), WrongCount())


# --- the folder ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1}, "seed: 0 → 1"),
        ({"policy_options": {"x": 1}}, r"policy_options.x: None → 1"),
        ({"limit": 2}, "limit: None → 2"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    setup = town_setup()
    open_folder(tmp_path, setup).close()
    with pytest.raises(ConfigError, match=f"{told}.*another folder, or overwrite=True"):
        open_folder(tmp_path, setup, **changes)


def test_other_rules_and_other_tasks_are_refused(tmp_path: Path) -> None:
    open_folder(tmp_path, town_setup(count=3)).close()
    with pytest.raises(ConfigError, match=r"\(rules\.width: 10 → 4\)"):
        open_folder(tmp_path, town_setup(count=3, width=4))
    with pytest.raises(ConfigError, match="tasks_digest"):
        open_folder(tmp_path, town_setup(count=2))


def test_limit_and_trials_may_grow_and_not_shrink(tmp_path: Path) -> None:
    setup = town_setup()
    open_folder(tmp_path, setup, limit=2).close()
    open_folder(tmp_path, setup, limit=3, trials=2).close()
    with pytest.raises(ConfigError, match="limit: 3 → 2"):
        open_folder(tmp_path, setup, limit=2, trials=2)
    open_folder(tmp_path, setup, trials=2).close()


def test_overwrite_begins_anew(tmp_path: Path) -> None:
    setup = town_setup(count=2)
    with open_folder(tmp_path, setup) as folder:
        evaluate_game(setup, ToyTeam(), folder=folder)
    with open_folder(tmp_path, setup, overwrite=True, seed=9) as folder:
        summary = evaluate_game(setup, ToyTeam(), setup.tasks[:1], seed=9, folder=folder)
    assert summary.episodes == 1
    assert len(load_trajectories(tmp_path / "trajectories.jsonl")) == 1


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="not empty and contains no run"):
        open_folder(tmp_path, town_setup(), overwrite=True)
    with pytest.raises(ConfigError, match="is a file"):
        open_folder(tmp_path / "thesis.tex", town_setup())
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_damaged_run_is_said_to_be(tmp_path: Path) -> None:
    setup = town_setup()
    open_folder(tmp_path, setup).close()
    (tmp_path / "trajectories.jsonl").write_text("{}\n")
    with (
        open_folder(tmp_path, setup) as folder,
        pytest.raises(TrajectoryError, match=r"trajectories\.jsonl:1"),
    ):
        evaluate_game(setup, ToyTeam(), folder=folder)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(TrajectoryError, match="overwrite"):
        open_folder(tmp_path, setup)
    open_folder(tmp_path, setup, overwrite=True).close()


# --- Ctrl-C --------------------------------------------------------------------------------------------------------


def test_ctrl_c_waits_for_the_end_of_the_block() -> None:
    done: list[bool] = []

    def block() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_is_not_lost() -> None:
    def block() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        block()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_are_left_alone() -> None:
    results: list[bool] = []

    def work() -> None:
        with uninterrupted():
            results.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [True]
