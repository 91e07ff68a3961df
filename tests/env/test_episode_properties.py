"""Random play: no stream of actions raises, exceeds a limit or goes on for ever, in any order of results."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wideseek_env.conversation import Conversation
from wideseek_env.episode import Episode
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.rules import Rules
from wideseek_env.spaces import ActionSpace
from wideseek_env.testing import example_task

RULES = Rules(
    width=3,
    lead_turns=4,
    subagent_turns=3,
    single_turns=5,
    calls_per_turn=2,
    max_results_per_query=5,
    context=6000,
    action_chars=2000,
    result_chars=500,
)
Choose = Callable[[Conversation], Any]


def sampled(seed: int) -> Choose:
    """Actions as a function of who acts and when, not of what happened before.

    They come from the action space, but the lead often delegates as it should, or hardly any subagent would live.
    """

    def choose(conversation: Conversation) -> Any:
        rng = random.Random(f"{seed}/{conversation.agent}/{conversation.generation}/{conversation.turns}")
        if conversation.role == "lead" and rng.random() < 0.7:
            name, key = (
                ("delegate", "subtasks") if rng.random() < 0.7 else ("create_sub_agents", "sub_agents")
            )
            subtasks = [f"part {number}" for number in range(rng.randint(1, RULES.width))]
            return f"<tool_call>{json.dumps({'name': name, 'arguments': {key: subtasks}})}</tool_call>"
        space = ActionSpace(RULES.action_chars)
        space.seed(rng.getrandbits(32))
        return space.sample()

    return choose


def result_of(call: ToolCall) -> ToolResult:
    rng = random.Random(call.id)
    return ToolResult("r" * rng.randrange(800), ok=rng.random() < 0.8)


def check_limits(episode: Episode) -> None:
    rules = episode.rules
    assert episode.done or episode.ready() or episode.pending(), "nobody can go on"
    alive = 0
    for c in episode.conversations:
        assert c.turns <= c.limit
        assert sum(m["role"] == "assistant" for m in c.messages) == c.turns
        if c.status == "acting" and not episode.done:
            assert c.used <= rules.context
            assert c.messages[-1]["role"] in ("user", "tool")
        assert all(len(m["content"]) <= rules.action_chars for m in c.messages if m["role"] == "assistant")
        assert c.used == sum(map(episode.counter, c.messages))
        alive += c.role == "subagent" and c.status in ("acting", "waiting")
    assert alive <= rules.width
    assert len(episode.conversations) <= 1 + rules.width * rules.lead_turns


def play(
    episode: Episode, choose: Choose, order: random.Random, after: Callable[[Episode], Episode] = lambda e: e
) -> Episode:
    """Play to the end, picking at random what happens next: somebody acts, or some result arrives."""
    waiting: list[ToolCall] = []
    for _ in range(10_000):
        if episode.done:
            return episode
        options = len(episode.ready()) + len(waiting)
        pick = order.randrange(options)
        if pick < len(waiting):
            call = waiting.pop(pick)
            episode.deliver(call, result_of(call))
        else:
            agent = episode.ready()[pick - len(waiting)]
            conversation = episode.conversation(agent)
            calls = episode.act(agent, choose(conversation))
            for call in calls:
                assert call.name in ("search", "browse")
                if call.name == "search":
                    assert 1 <= call.arguments["count"] <= RULES.max_results_per_query
                    assert call.arguments["query"].strip()
            assert len(calls) <= RULES.calls_per_turn
            waiting += calls
        check_limits(episode)
        episode = after(episode)
    raise AssertionError("the episode does not end")


def conversations(episode: Episode) -> dict[tuple[str, int], list[dict]]:
    return {(c.agent, c.generation): c.messages for c in episode.conversations}


@pytest.mark.parametrize("profile", ["default", "terse", "wideseek-r1"])
@pytest.mark.parametrize(("team", "roster"), [(True, "dynamic"), (True, "fixed"), (False, "dynamic")])
@given(seed=st.integers(0, 2**32))
def test_random_play_keeps_every_limit_and_ends(seed: int, profile: str, team: bool, roster: str) -> None:
    episode = Episode(example_task(), rules=RULES, profile=profile, team=team, roster=roster)
    play(episode, sampled(seed), random.Random(seed))
    again = Episode(example_task(), rules=RULES, profile=profile, team=team, roster=roster).replay(
        episode.events
    )
    assert conversations(again) == conversations(episode)
    assert again.outcome == episode.outcome


@given(
    seed=st.integers(0, 2**32), texts=st.lists(st.text() | st.dictionaries(st.text(), st.text()), min_size=1)
)
def test_arbitrary_actions_are_survived(seed: int, texts: list[Any]) -> None:
    rng = random.Random(seed)
    wrapped = [
        f"<tool_call>{t}</tool_call>" if isinstance(t, str) and rng.random() < 0.5 else t for t in texts
    ]
    play(Episode(example_task(), rules=RULES), lambda _: rng.choice(wrapped), rng)


@pytest.mark.parametrize("roster", ["dynamic", "fixed"])
@given(seed=st.integers(0, 2**32))
def test_the_order_of_results_changes_no_conversation(seed: int, roster: str) -> None:
    first = play(Episode(example_task(), rules=RULES, roster=roster), sampled(seed), random.Random(seed))
    second = play(Episode(example_task(), rules=RULES, roster=roster), sampled(seed), random.Random(seed + 1))
    assert conversations(first) == conversations(second)
    assert first.outcome == second.outcome


@given(seed=st.integers(0, 2**32))
def test_an_episode_survives_pickle_and_copy_at_every_step(seed: int) -> None:
    straight = play(Episode(example_task(), rules=RULES), sampled(seed), random.Random(seed))

    def through_pickle(episode: Episode) -> Episode:
        return pickle.loads(pickle.dumps(episode))

    pickled = play(Episode(example_task(), rules=RULES), sampled(seed), random.Random(seed), through_pickle)
    assert conversations(pickled) == conversations(straight)
    copied = play(Episode(example_task(), rules=RULES), sampled(seed), random.Random(seed), Episode.copy)
    assert conversations(copied) == conversations(straight)
    assert pickled.events == copied.events == straight.events


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 12))
def test_a_copy_goes_its_own_way(seed: int, steps: int) -> None:
    episode = Episode(example_task(), rules=RULES)
    rng = random.Random(seed)
    taken: list[Episode] = []

    def after(current: Episode) -> Episode:
        if not taken and not current.done and rng.random() < 1 / steps:
            taken.append(current.copy())
        return current

    play(episode, sampled(seed), rng, after)
    for copy in taken:
        before = json.dumps(list(conversations(episode).values()))
        copy.abort("stop")
        assert copy.outcome.detail == "stop"
        assert json.dumps(list(conversations(episode).values())) == before


def test_random_play_reaches_the_deep_parts_of_the_game() -> None:
    episodes = [
        play(Episode(example_task(), rules=RULES), sampled(seed), random.Random(seed)) for seed in range(60)
    ]
    endings = {c.ending for episode in episodes for c in episode.conversations}
    assert endings == {"answered", "reported", "out_of_turns", "out_of_context"}
    assert max(len(episode.conversations) for episode in episodes) > 2 * RULES.width
