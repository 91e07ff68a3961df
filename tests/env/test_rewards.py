"""Rewards against values worked out by hand."""

from __future__ import annotations

import pytest

from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.rewards import (
    ItemF1,
    Sum,
    WideSeekR1,
    approximate_tokens,
    generated_tokens,
    reward_named,
    total,
)
from wideseek_env.rules import Rules
from wideseek_env.scoring import score_response
from wideseek_env.task import Task
from wideseek_env.testing import example_task

TASK = example_task(2)
HALF = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |\n| Entity 9 | 1999 |"
BROWSE = '<tool_call>{"name": "browse", "arguments": {"url": "x"}}</tool_call>'


def ended(*messages: str, rules: Rules | None = None, task: Task = TASK) -> Episode:
    episode = Episode(task, team=False, rules=rules)
    for message in messages:
        for call in episode.act("agent", message):
            episode.deliver(call, "page")
    assert episode.done
    return episode


def parts(reward: object, episode: Episode) -> dict[str, float]:
    return reward(episode, score_response(episode.outcome.answer or "", episode.task))  # type: ignore[operator]


def test_item_f1() -> None:
    # 2 of 4 predicted cells are right, 2 of 4 gold cells are found
    assert parts(ItemF1(), ended(HALF)) == {"item_f1": 0.5}
    assert parts(ItemF1(), ended("I do not know.")) == {"item_f1": 0.0}


def test_the_published_reward_adds_format_and_browsing() -> None:
    assert total(parts(WideSeekR1(), ended(HALF))) == pytest.approx(0.5 + 0.1)
    assert total(parts(WideSeekR1(), ended(BROWSE, HALF))) == pytest.approx(0.5 + 0.1 + 0.05)


@pytest.mark.parametrize(("tokens", "penalty"), [(3000, 0.0), (4000, 0.05), (5000, 0.1), (9000, 0.1)])
def test_the_published_reward_takes_off_for_long_turns(tokens: int, penalty: float) -> None:
    reward = WideSeekR1(counter=lambda message: tokens)
    assert total(parts(reward, ended(HALF))) == pytest.approx(0.6 - penalty)


@pytest.mark.parametrize(
    ("tokens", "penalty"),
    [(0, 0.0), (3000, 0.0), (3001, 0.1 / 2000), (4000, 0.05), (5000, 0.1), (20_000, 0.1), (None, 0.0)],
)
def test_the_length_penalty_counts_the_tokens_that_were_generated(tokens: int | None, penalty: float) -> None:
    """The thoughts of the turn are not in its text, so the text says nothing about its length."""
    known = {} if tokens is None else {"completion_tokens": tokens}
    episode = Episode(TASK, team=False)
    episode.act("agent", {"role": "assistant", "content": HALF, **known})
    assert total(parts(WideSeekR1(), episode)) == pytest.approx(0.6 - penalty)
    # A record has the number too, so a replayed episode has the same reward.
    again = Episode(TASK, team=False).replay(episode.events)
    assert parts(WideSeekR1(), again) == parts(WideSeekR1(), episode)


def test_the_longest_turn_of_any_agent_counts() -> None:
    episode = Episode(TASK)
    call = '{"name": "delegate", "arguments": {"subtasks": ["one", "two"]}}'
    episode.act("lead", {"content": f"<tool_call>{call}</tool_call>", "completion_tokens": 10})
    first, second = [agent for agent in episode.ready() if agent != "lead"]
    episode.act(first, {"content": "x" * 30_000, "completion_tokens": 20})  # text of about 7,500 tokens
    episode.act(second, {"content": "short", "completion_tokens": 4000})
    episode.act("lead", {"content": HALF, "completion_tokens": 30})
    assert parts(WideSeekR1(), episode)["length"] == pytest.approx(-0.05)


@pytest.mark.parametrize("tokens", [True, -1, "7", 2.5, None, [3]])
def test_a_number_of_tokens_that_is_none_is_not_believed(tokens: object) -> None:
    episode = Episode(TASK, team=False)
    episode.act("agent", {"content": HALF, "completion_tokens": tokens})
    (message,) = [m for m in episode.messages("agent") if m["role"] == "assistant"]
    assert "completion_tokens" not in message
    assert generated_tokens(message) == approximate_tokens(message)


def test_the_published_reward_is_nothing_for_a_malformed_answer_or_none() -> None:
    assert total(parts(WideSeekR1(), ended(BROWSE, "no table"))) == 0.0
    assert total(parts(WideSeekR1(), ended("| Name |\n|---|\n| Entity 1 |"))) == 0.0, (
        "a required column is missing"
    )
    assert total(parts(WideSeekR1(), ended(BROWSE, rules=Rules(single_turns=1)))) == 0.0


HEAD = "| Name | Year |\n|---|---|"


@pytest.mark.parametrize(
    "answer",
    [
        *(HEAD, f"{HEAD}\n", f"Here it is:\n{HEAD}\nNothing was found.", f"```markdown\n{HEAD}\n```"),
        *(f"{HEAD}\n| | |\n|  |  |", f"{HEAD}\n|---|---|", f"{HEAD}\n| Name | Year |"),
        *("| Name | Year |", "Name | Year\n--- | ---", f"Table: {HEAD}", f"{HEAD}\n\n(no rows)"),
        *(f"{HEAD}\n\n{HEAD}", f"{HEAD}\n<!-- | Entity 1 | 1901 | -->"),
    ],
)
def test_a_table_without_rows_is_malformed(answer: str) -> None:
    assert total(parts(WideSeekR1(), ended(BROWSE, answer))) == 0.0
    assert total(parts(WideSeekR1(published_scoring=True), ended(BROWSE, answer))) == 0.0


def test_a_table_with_a_wrong_row_is_well_formed() -> None:
    assert total(parts(WideSeekR1(), ended(f"{HEAD}\n| Nobody | 1 |"))) == pytest.approx(0.1)
    assert total(parts(WideSeekR1(), ended(f"{HEAD}\n| Entity 1 | |"))) > 0.1


DEPTH = Task("d", "Who?", answers=("Ada Lovelace",))


@pytest.mark.parametrize(
    ("answer", "paid"),
    [
        *[("Ada Lovelace", 0.0), ("The answer is Ada Lovelace.", 0.0), ("I do not know.", 0.0), ("", 0.0)],
        *[("**Ada Lovelace**", 0.0), ("<answer>Ada Lovelace</answer>", 0.0), ("boxed{Ada Lovelace}", 0.0)],
        *[(r"\boxed{Ada Lovelace", 0.0), (r"\boxed{}", 0.0), (r"\boxed{ }", 0.0), (r"\boxed", 0.0)],
        *[(r"<think>\boxed{Ada Lovelace}</think>It is she.", 0.0)],
        *[(r"It is \boxed{Ada Lovelace}.", 1.15), (r"$\boxed{\text{ada lovelace}}$", 1.15)],
        *[(r"\boxed{Babbage}", 0.15), (r"<think>\boxed{x}</think>\boxed{Ada Lovelace}", 1.15)],
    ],
)
def test_an_unboxed_short_answer_is_malformed(answer: str, paid: float) -> None:
    assert total(parts(WideSeekR1(), ended(BROWSE, answer or " ", task=DEPTH))) == pytest.approx(paid)


def test_trying_to_open_a_page_is_enough_for_the_browsing_bonus() -> None:
    episode = Episode(TASK, team=False)
    for call in episode.act("agent", BROWSE):
        episode.deliver(call, "error: no such page")
    episode.act("agent", HALF)
    assert parts(WideSeekR1(), episode)["browse"] == 0.05
    assert parts(WideSeekR1(), ended(HALF))["browse"] == 0.0


def test_sums_name_their_parts() -> None:
    both = Sum(((1.0, ItemF1()), (0.5, WideSeekR1())))
    assert parts(both, ended(HALF)) == {
        "item_f1.item_f1": 0.5,
        "wideseek_r1.item_f1": 0.25,
        "wideseek_r1.format": 0.05,
        "wideseek_r1.browse": 0.0,
        "wideseek_r1.length": 0.0,
    }


def test_tokens_are_estimated_for_latin_and_chinese_text() -> None:
    assert approximate_tokens({"role": "assistant", "content": "x" * 400}) == 100
    assert approximate_tokens({"role": "assistant", "content": "河" * 400}) == 400


def test_rewards_by_name() -> None:
    assert reward_named("wideseek_r1") == WideSeekR1()
    assert reward_named(ItemF1()) == ItemF1()
    with pytest.raises(ConfigError, match="no reward 'gold'"):
        reward_named("gold")
    with pytest.raises(ConfigError, match="callable with a name"):
        reward_named(lambda episode, score: {})  # type: ignore[arg-type]
