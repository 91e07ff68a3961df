"""Rollouts on a local Ray cluster: none lost, none doubled, whatever happens to workers; and the same without Ray."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_team import NotingJob, Team, broken

from wideseek_baselines.cluster.pool import RayRollouts
from wideseek_baselines.cluster.rollouts import open_rollouts_on
from wideseek_baselines.engines.base import EngineLostError
from wideseek_baselines.rollout.config import RolloutConfig
from wideseek_baselines.rollout.jobs import Finished, RolloutJob, sized
from wideseek_baselines.rollout.local import LocalRollouts
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.policy import Job
from wideseek_env.task import ColumnSpec, Table

# Ray and what it brings warn of their own deprecations.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("ray")]

GAME = GameConfig(tasks="synthetic", rules="width-benchmark", width=4)


def config(**options: object) -> RolloutConfig:
    return RolloutConfig("ray_team:Team", options, GAME)


def jobs(count: int, group: int = 4) -> list[RolloutJob]:
    tasks = GAME.open_tasks()
    return [
        RolloutJob(tasks[number // group], seed=number, trial=number % group, group=f"g{number // group}")
        for number in range(count)
    ]


def marks(finished: list[Finished]) -> Counter[tuple[str, int]]:
    return Counter((each.job.task.id, each.job.trial) for each in finished)


def same(finished: Finished) -> tuple[object, ...]:
    """What must not depend on where an episode was played."""
    assert finished.trajectory is not None
    assert finished.rollout is not None
    records = [(agent.agent, [s.ids for s in agent.sequences]) for agent in finished.rollout.agents]
    job = (finished.job.task.id, finished.job.trial)
    return job, finished.error, finished.trajectory.conversations, finished.trajectory.score, records


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine, for all tests here."""
    ray = pytest.importorskip("ray", reason="needs ray: pip install -e 'baselines[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Where workers find `ray_team`, and the packages that are tested here.
        path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(path))
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            yield
        finally:
            ray.shutdown()


def test_workers_play_what_one_process_plays(cluster: None) -> None:
    given = jobs(16)
    with LocalRollouts(config(takes="tokens")) as local:
        alone = {same(each)[0]: same(each) for each in local.run(iter(given))}
    with open_rollouts_on(config(takes="tokens"), workers=2, cpus=0.5) as pool:
        assert len({where["pid"] for where in pool.where}) == 2
        spread = list(pool.run(iter(given)))
        again = list(pool.run(given[:3]))
    assert {same(each)[0]: same(each) for each in spread} == alone
    assert len(again) == 3
    assert all(
        each.job is job for each, job in zip(sorted(spread, key=lambda f: f.job.seed), given, strict=True)
    )


def filled() -> dict[str, Any]:
    """A value that is not the default for every field of `NotingJob`, but for its `note`."""
    return {
        "task": GAME.open_tasks()[0],
        "seed": 11,
        "trial": 3,
        "group": "g",
        "size": 1,
        "width": 2,
        "progress": 0.5,
    }


FULL = GameConfig(
    tasks="synthetic",
    corpus="synthetic",
    split="test",
    where=("rows>=2",),
    limit=5,
    width=4,
    rules="width-benchmark",
    limits={"subagent_turns": 20},
    reward="wideseek_r1",
    credit="cells",
    profile="terse",
    texts={"results": {"no_hits": "Nothing."}},
    judge="ray_team:Lenient",
    roster="fixed",
    language="en",
    counter="ray_team:count_words",
    tools=("ray_team:tide_table",),
    summariser="openai:m@http://127.0.0.1:9/v1",
)
"""Every field has a value that is not its default, but for `executor`, which excludes `tools`, and `team`."""


@pytest.fixture(scope="module")
def sent(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[NotingJob, NotingJob, GameConfig]:
    """A job, and the same job and the game's configuration as a worker had them."""
    note = tmp_path_factory.mktemp("job") / "note"
    given = NotingJob(**filled(), note=str(note))
    with open_rollouts_on(RolloutConfig("ray_team:Team", {}, FULL), workers=1, cpus=0.5) as pool:
        (finished,) = pool.run([given])
    assert finished.error == ""
    assert finished.job is given
    return given, *pickle.loads(note.read_bytes())


@pytest.mark.parametrize("field", dataclasses.fields(NotingJob), ids=lambda field: field.name)
def test_every_field_of_a_job_reaches_a_worker(
    sent: tuple[NotingJob, NotingJob, GameConfig], field: dataclasses.Field[Any]
) -> None:
    given, received = (getattr(job, field.name) for job in sent[:2])
    assert given != field.default, f"give {field.name} a value in `filled` that is not its default"
    assert received == given


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(GameConfig)])
def test_every_field_of_the_game_reaches_a_worker(
    sent: tuple[NotingJob, NotingJob, GameConfig], name: str
) -> None:
    if name not in ("tasks", "team", "executor"):
        assert getattr(FULL, name) != getattr(GameConfig(), name), f"give {name} another value in `FULL`"
    assert getattr(sent[2], name) == getattr(FULL, name)


def test_a_job_is_whole_whatever_its_class() -> None:
    values = filled()
    assert sized(NotingJob(**values, note="n"), 7) == NotingJob(**{**values, "size": 7}, note="n")
    plain = {each.name: values[each.name] for each in dataclasses.fields(Job)}
    assert sized(Job(**plain), 1) == RolloutJob(**plain, size=1)


def test_a_worker_plays_each_job_at_its_width(cluster: None) -> None:
    tasks = GAME.open_tasks()
    given = [
        RolloutJob(task, seed=1, group=f"w{width}", width=width) for width in (1, 4) for task in tasks[:3]
    ]
    with open_rollouts_on(config(), workers=2, cpus=0.5) as pool:
        finished = list(pool.run(given))
    assert len(finished) == len(given)
    widest = {1: 0, 4: 0}
    for each in finished:
        assert isinstance(each.job, RolloutJob)
        assert each.trajectory is not None
        assert each.job.width is not None
        assert each.trajectory.rules.width == each.job.width
        widest[each.job.width] = max(widest[each.job.width], widest_delegation(each))
    assert widest == {1: 1, 4: 4}


def widest_delegation(finished: Finished) -> int:
    """The most subagents that began between two turns of the lead."""
    assert finished.trajectory is not None
    begun: list[set[int]] = [set()]
    seen: set[int] = set()
    for event in finished.trajectory.events:
        if event.get("act") == "lead":
            begun.append(set())
        elif "act" in event and event["conversation"] not in seen:
            seen.add(event["conversation"])
            begun[-1].add(event["conversation"])
    return max(map(len, begun))


def test_a_named_judge_and_a_named_tool_reach_a_worker(cluster: None) -> None:
    task = GAME.open_tasks()[0]
    column = next(name for name in task.columns if name not in task.key_columns)
    assert task.gold is not None
    at = task.gold.header.index(column)
    rows = [(*row[:at], f"not {row[at]}", *row[at + 1 :]) for row in task.gold.rows]
    judged = dataclasses.replace(
        task,
        specs={**task.specs, column: ColumnSpec(("llm_judge",))},
        gold=Table(task.gold.header, tuple(rows)),
    )
    game = GAME.replace(judge="ray_team:Lenient", tools=("ray_team:tide_table",))
    with open_rollouts_on(RolloutConfig("ray_team:Team", {}, game), workers=1, cpus=0.5) as pool:
        (finished,) = pool.run([Job(judged)])
    assert finished.error == ""
    assert finished.trajectory is not None
    assert finished.trajectory.score.judge == "lenient"
    subagent = finished.trajectory.conversations[1]
    assert "tide_table" in subagent["messages"][0]["content"]


def test_a_killed_worker_loses_and_doubles_nothing(cluster: None) -> None:
    given = jobs(48)
    with open_rollouts_on(config(seconds=0.05), workers=2, cpus=0.5, ahead=20) as pool:
        victim = pool.where[0]["pid"]
        finished = []
        for each in pool.run(given):
            finished.append(each)
            if len(finished) == 5:
                os.kill(victim, signal.SIGKILL)
        assert victim not in [where["pid"] for where in pool.where]
        assert len(pool.where) == 2
    assert marks(finished) == Counter((job.task.id, job.trial) for job in given)
    assert not any(each.error for each in finished)


def test_a_worker_whose_engine_is_lost_is_replaced(cluster: None, tmp_path: Path) -> None:
    note = tmp_path / "opened"
    with open_rollouts_on(config(note=str(note), lose_once=True), workers=1, cpus=0.5) as pool:
        finished = list(pool.run(jobs(8)))
    assert marks(finished) == Counter((job.task.id, job.trial) for job in jobs(8))
    assert not any(each.error for each in finished)
    assert len(set(note.read_text().split())) == 2


def test_jobs_whose_workers_are_lost_too_often_come_back_with_an_error(cluster: None) -> None:
    with open_rollouts_on(config(seconds=5), workers=1, cpus=0.5, losses=0) as pool:
        run = pool.run(jobs(4))
        os.kill(pool.where[0]["pid"], signal.SIGKILL)
        finished = list(run)
    assert marks(finished) == Counter((job.task.id, job.trial) for job in jobs(4))
    assert all("its worker was lost 1 times" in each.error for each in finished)
    with open_rollouts_on(config(seconds=5), workers=1, cpus=0.5, restarts=0) as pool:
        run = pool.run(jobs(4))
        os.kill(pool.where[0]["pid"], signal.SIGKILL)
        with pytest.raises(EngineLostError, match="more workers were lost than restarts allow"):
            list(run)


def test_new_weights_reach_every_worker_and_its_replacement(cluster: None) -> None:
    given = jobs(8)
    with open_rollouts_on(config(takes="tokens"), workers=2, cpus=0.5) as pool:
        versions = []
        for version in (1, 2):
            pool.update_weights([], version)
            if version == 2:
                os.kill(pool.where[1]["pid"], signal.SIGKILL)
            finished = list(pool.run(given))
            versions.append(
                {turn.versions[0][0] for f in finished for a in f.rollout.agents for turn in a.turns}
            )
    assert versions == [{1}, {2}]


def test_leaving_early_ends_the_rest_and_the_workers_go_on(cluster: None) -> None:
    with open_rollouts_on(config(seconds=0.05), workers=2, cpus=0.5) as pool:
        run = pool.run(jobs(32))
        first = next(run)
        run.close()
        assert first.error == ""
        assert marks(list(pool.run(jobs(4)))) == Counter((job.task.id, job.trial) for job in jobs(4))


def test_what_a_worker_finds_wrong_is_said_here(cluster: None) -> None:
    with pytest.raises(ConfigError, match="no tasks 'nowhere'"):
        open_rollouts_on(RolloutConfig("ray_team:Team", {}, GameConfig(tasks="nowhere")), workers=1, cpus=0.5)
    with pytest.raises(ConfigError, match="has no option"):
        open_rollouts_on(RolloutConfig("ray_team:Team", {"colour": 1}, GAME), workers=1, cpus=0.5)
    with pytest.raises(EngineLostError):
        open_rollouts_on(RolloutConfig(broken, {}, GAME), workers=1, cpus=0.5)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (RolloutConfig("scripted", {}, GAME), "Use the policy vllm, transformers or openai"),
        (RolloutConfig("ray_team:Team", {}, GameConfig(reward="colour")), "no reward 'colour'"),
        (RolloutConfig("nobody", {}, GAME), "no policy 'nobody'"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(config: RolloutConfig, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        LocalRollouts(config)
    with pytest.raises(ConfigError, match="workers must be 0"):
        open_rollouts_on(config, workers=-1)


def test_the_game_of_a_configuration_is_a_game_config() -> None:
    with pytest.raises(ConfigError, match="game must be a GameConfig"):
        RolloutConfig("ray_team:Team", {}, {"colour": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"policy": 5}, "policy must be the name of a policy or a function that makes one, not 5"),
        ({"policy": None}, "policy must be the name of a policy or a function that makes one, not None"),
        ({"options": None}, "options must be a mapping of options by name, not None"),
        ({"options": [("a", 1)]}, "options must be a mapping"),
        ({"options": {1: 2}}, "options must be a mapping"),
        ({"driver": {"retries": 1}}, "driver must be DriverOptions"),
        (
            {"policy": lambda: None},
            r"the policy None, which <lambda>\(\) returned, is no language-model policy",
        ),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        RolloutConfig(**{"policy": "ray_team:Team", "game": GAME, **fields}).open()


@pytest.mark.parametrize("workers", ["2", None, 1.0, True, -1])
def test_the_number_of_workers_is_checked(workers: Any) -> None:
    with pytest.raises(ConfigError, match="workers must be 0"):
        open_rollouts_on(RolloutConfig("ray_team:Team", {}, GAME), workers)
    with pytest.raises(
        ConfigError, match=r"workers must be a whole number of at least 1|cpus must be a number"
    ):
        RayRollouts(RolloutConfig("ray_team:Team", {}, GAME), workers, cpus="1")  # type: ignore[arg-type]


def test_a_function_may_make_the_policy() -> None:
    with LocalRollouts(RolloutConfig(Team, {}, GAME)) as local:
        assert [each.error for each in local.run(jobs(2))] == ["", ""]
