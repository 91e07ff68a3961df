"""What runs of reinforcement learning share: the order of tasks, warnings, and errors in settings."""

from __future__ import annotations

import pytest
from toy_game import toy_tasks

from wideseek_baselines.train.config.loading import load_config
from wideseek_baselines.train.config.run import CollapseOptions
from wideseek_baselines.train.data.task_sampler import TaskSampler
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.reporting.monitor import Monitor
from wideseek_env.errors import ConfigError


def test_every_pass_has_every_task_and_no_episode_comes_twice() -> None:
    tasks = toy_tasks(5)
    order = TaskSampler(tasks, seed=3)
    ids = [order[at].id for at in range(15)]
    for at in (0, 5, 10):
        assert sorted(ids[at : at + 5]) == [task.id for task in tasks]
    assert ids[:5] != ids[5:10]
    assert [TaskSampler(tasks, seed=3)[at].id for at in (7, 14, 0)] == [ids[7], ids[14], ids[0]]
    jobs = [*order.jobs(0, 6, 2), *order.jobs(6, 9, 2)]
    assert jobs == order.jobs(0, 15, 2)
    assert len({job.seed for job in jobs}) == len({(job.group, job.trial) for job in jobs}) == 30
    assert len({job.group for job in jobs}) == 15
    with pytest.raises(ConfigError, match="no tasks"):
        TaskSampler([], 0)


def test_the_monitor_warns_of_each_way_to_collapse() -> None:
    def run(entropy: float, tokens: float, reward: float) -> list[str]:
        monitor = Monitor(CollapseOptions(window=2))
        good = {"entropy": 2.0, "turn_tokens": 100.0, "reward": 0.6}
        assert [monitor.check(good) for _ in range(3)] == [[], [], []]
        assert monitor.check({"reward": 0.0}) == [], "a step without training says nothing"
        bad = {"entropy": entropy, "turn_tokens": tokens, "reward": reward}
        on = Monitor(CollapseOptions(window=2), monitor.state)
        on.check(bad)
        return on.check(bad)

    assert run(1.5, 150.0, 0.5) == []
    assert run(0.1, 100.0, 0.6) == ["entropy fell from 2 to 0.1"]
    assert run(2.0, 301.0, 0.6) == ["turns went from 100 to 301 tokens"]
    assert run(2.0, 20.0, 0.6) == ["turns went from 100 to 20 tokens"]
    assert run(2.0, 100.0, 0.1) == ["reward fell from 0.6 to 0.1"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["group=1"], "group must be 2 or more"),
        (["max_draws=2", "advantage.zero_variance_groups=keep"], "max_draws"),
        (["selection.roles=single"], "the game is played by lead and subagent: nothing would be trained"),
        (["game.team=false", "selection.roles=lead"], "played by single"),
        (["game.team=false", "evaluation.widths=[1, 2]"], "a single agent has no width"),
        (["evaluation.widths=[0]"], "evaluation: widths must be 1 or more"),
        (["engine.workers=2", "evaluation.temperature=0"], "with engine.workers"),
        (["engine.kind=transformers", "engine.kv_bytes=5"], "engine: kv_bytes is a setting of vLLM"),
        (["engine.worker_gpus=1"], "engine: worker_cpus and worker_gpus are for Ray workers"),
        (["engine.temperature=0"], "engine.temperature must be at least 0.01"),
        (["game.limits.width=0"], "game.limits.width must be at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(GrpoConfig, None, ["model.path=m", "out=o", *overrides])
