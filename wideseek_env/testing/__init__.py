"""Conformance checks for environments and custom parts, and the test doubles that they use.

Each check raises `ConformanceError`, which is an `AssertionError`. The message names the broken rule, what the check
saw and what to do. Packages that extend WideSeek can call the checks in their tests, with any test runner.
"""

from wideseek_env.testing.conformance import ConformanceError
from wideseek_env.testing.corpora import check_corpus
from wideseek_env.testing.credits import check_credit
from wideseek_env.testing.doubles import NoOpTools, example_task
from wideseek_env.testing.environment import check_parallel_env
from wideseek_env.testing.judges import check_judge
from wideseek_env.testing.policies import check_policy
from wideseek_env.testing.rewards import check_reward
from wideseek_env.testing.task_sources import check_task_source
from wideseek_env.testing.tools import check_tool

__all__ = [
    "ConformanceError",
    "NoOpTools",
    "check_corpus",
    "check_credit",
    "check_judge",
    "check_parallel_env",
    "check_policy",
    "check_reward",
    "check_task_source",
    "check_tool",
    "example_task",
]
