"""`evaluate` with policies that play whole episodes by themselves, many at a time, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.episode_run import run_episode
from wideseek_env.evaluation import EpisodeError, EpisodeRecord, RunFolder, evaluate_game, run_settings
from wideseek_env.game import Game
from wideseek_env.policy import EpisodeResult, EpisodeRunner, Job, opened_policy
from wideseek_env.testing import check_policy
from wideseek_env.trajectory import load_trajectories


class Backwards(ToyTeam):
    """Plays all jobs and hands them back last first; jobs on `broken` tasks fail."""

    def __init__(self, broken: Iterable[str] = ()) -> None:
        super().__init__()
        self.broken = set(broken)
        self.played: list[tuple[str, int]] = []
        self.stopped = False

    def run_jobs(self, setup: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        try:
            for job in reversed(list(jobs)):
                self.played.append((job.task.id, job.trial))
                play = run_episode(setup, ToyTeam(), job.task, seed=job.seed)
                error = "the engine is gone" if job.task.id in self.broken else ""
                yield EpisodeResult(job, play.trajectory(usage={"completion_tokens": 7}), error)
        finally:
            self.stopped = True


def test_a_runner_gets_every_job_and_its_order_does_not_matter(tmp_path: Path) -> None:
    setup, runner = town_setup(count=3), Backwards()
    assert isinstance(runner, EpisodeRunner)
    seen: list[EpisodeRecord] = []
    with RunFolder.open(tmp_path / "run", run_settings(setup, "toy", trials=2)) as folder:
        summary = evaluate_game(setup, runner, trials=2, seed=3, folder=folder, on_episode=seen.append)
    expected = [(task.id, trial) for trial in range(2) for task in setup.tasks]
    assert runner.played == expected[::-1]
    assert [record.pair for record in seen] == runner.played
    assert summary.episodes == 6
    alone = evaluate_game(setup, ToyTeam(), trials=2, seed=3)
    clocked = ("seconds", "usage", "metered")
    assert {k: v for k, v in summary.to_dict().items() if not k.startswith(clocked)} == {
        k: v for k, v in alone.to_dict().items() if not k.startswith(clocked)
    }
    recorded = load_trajectories(tmp_path / "run" / "trajectories.jsonl")
    assert {(t.meta["policy"], t.meta["usage"]["completion_tokens"]) for t in recorded} == {("toy", 7)}


def test_a_resumed_run_gives_the_runner_only_what_is_missing(tmp_path: Path) -> None:
    setup = town_setup(count=4)
    for limit, expected in ((2, ["towns-1", "towns-0"]), (4, ["towns-3", "towns-2"])):
        runner = Backwards()
        with RunFolder.open(tmp_path / "run", run_settings(setup, "toy")) as folder:
            summary = evaluate_game(setup, runner, setup.tasks[:limit], folder=folder)
        assert [task for task, _ in runner.played] == expected
        assert summary.episodes == limit


def test_a_failed_job_stops_the_run_and_the_runner() -> None:
    runner = Backwards(broken=["towns-1"])
    with pytest.raises(EpisodeError, match=r"towns-1 \(trial 0\).*the engine is gone"):
        evaluate_game(town_setup(count=3), runner)
    assert runner.stopped
    assert [task for task, _ in runner.played] == ["towns-2", "towns-1"]


def test_with_keep_going_a_failed_job_counts_as_failed(tmp_path: Path) -> None:
    setup = town_setup(count=3)
    with RunFolder.open(tmp_path / "run", run_settings(setup, "toy")) as folder:
        summary = evaluate_game(setup, Backwards(broken=["towns-1"]), folder=folder, keep_going=True)
    assert (summary.episodes, summary.failed) == (3, 1)
    again = Backwards()
    with RunFolder.open(tmp_path / "run", run_settings(setup, "toy")) as folder:
        summary = evaluate_game(setup, again, folder=folder)
    assert again.played == [("towns-1", 0)], "a failed episode is played again"
    assert (summary.episodes, summary.failed) == (3, 0)


def test_check_policy_checks_runners_too() -> None:
    class Forgetful(Backwards):
        def run_jobs(self, setup: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
            yield from list(super().run_jobs(setup, jobs))[1:]

    check_policy(Backwards, town_setup(count=2))
    with pytest.raises(AssertionError, match="towns-1"):
        check_policy(Forgetful, town_setup(count=2))


def test_an_opened_policy_is_closed_even_after_an_error() -> None:
    with pytest.raises(RuntimeError), opened_policy("test_evaluation_runners:Closing") as policy:
        raise RuntimeError
    assert isinstance(policy, Closing)
    assert policy.closed == 1


class Closing(ToyTeam):
    """Counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
