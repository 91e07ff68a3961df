"""A whole run of reinforcement learning that trained on nothing is an error."""

from __future__ import annotations

import pytest

from wideseek_baselines.train.reporting.untrained import UntrainedError, check_trained

EQUAL = "the rewards in each of the 2 groups are equal (0), so this step trained nothing: use easier or harder tasks"
UNUSABLE = "this step trained nothing: none of its 4 episodes is trainable"


@pytest.mark.parametrize("tokens", [0, 100])
@pytest.mark.parametrize(
    "warning", [EQUAL, UNUSABLE, EQUAL.replace("this step trained nothing", "only the KL")]
)
def test_a_run_without_anything_to_learn(tokens: int, warning: str) -> None:
    steps = [{"step": step, "trained_tokens": 0, "warnings": [warning]} for step in (1, 2)]
    with pytest.raises(UntrainedError, match="none of its 2 steps had anything to learn from") as found:
        check_trained([{"step": 0, "eval_reward": 0.0}, *steps], tokens)
    assert warning in str(found.value)


def test_a_run_that_learned_in_one_step() -> None:
    steps = [{"step": 1, "trained_tokens": 0, "warnings": [EQUAL]}, {"step": 2, "trained_tokens": 9}]
    check_trained(steps, 9)
    check_trained([{"step": 1, "trained_tokens": 9, "warnings": ["the reward fell"]}], 9)
    check_trained([], 0)  # a finished run that only evaluated


def test_no_trained_token_in_any_step_is_an_error_without_a_warning() -> None:
    with pytest.raises(UntrainedError, match="still the one it began with"):
        check_trained([{"step": 1, "trained_tokens": 0}], 0)
