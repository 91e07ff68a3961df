"""Small worlds for the tests of the wrappers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import wideseek_env
from wideseek_env.wrappers import Symbolic

SMALL = "synthetic:seed=3,pages=400,rows=6,columns=2,hops=1"


@pytest.fixture(scope="session")
def make() -> Callable[..., Symbolic]:
    """Makes a `Symbolic` over a small world; `tasks`, `rules`, `reward` and `width` go to the environment below."""

    def build(
        tasks: Any = SMALL, width: int = 3, rules: Any = None, reward: str = "item_f1", **options: Any
    ) -> Symbolic:
        corpus = SMALL if not isinstance(tasks, str) else None
        env = wideseek_env.parallel_env(
            tasks=tasks, corpus=corpus, width=width, rules=rules, reward=reward, profile="terse"
        )
        return Symbolic(env, **options)

    return build
