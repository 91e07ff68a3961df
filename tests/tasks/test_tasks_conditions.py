"""Tasks are chosen by what is known about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wideseek_env.errors import ConfigError
from wideseek_env.tasks.conditions import where
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.testing import example_task

TASKS = TaskSet(
    [
        replace(example_task(3, id="a"), meta={"mode": "pages", "hops": 1, "hard": True}),
        replace(example_task(12, id="b"), meta={"mode": "table", "hops": 2}, language="zh"),
        replace(example_task(20, id="c"), meta={"mode": "pages", "hops": 3, "hard": False}),
    ],
    "three",
)


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        ([], "abc"),
        (["mode=pages"], "ac"),
        (["rows>=12"], "bc"),
        (["mode = pages", "rows > 3"], "c"),
        (["hops<2.5"], "ab"),
        (["language!=zh"], "ac"),
        (["hard=true"], "a"),
        (["id=b"], "b"),
        (["mode=neither"], ""),
    ],
)
def test_conditions(conditions: list[str], ids: str) -> None:
    assert "".join(where(TASKS, conditions).ids) == ids


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("mode", "is not a condition"),
        ("colour=red", "no task of three has 'colour'; they have: columns, hard, hops"),
        ("rows>=many", "is not a number"),
        ("mode>pages", "only numbers have an order"),
    ],
)
def test_conditions_that_make_no_sense(condition: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        where(TASKS, [condition])
