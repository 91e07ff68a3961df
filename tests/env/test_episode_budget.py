"""Budgets of the whole team: calls, the critical path, and a policy that says it must come to its end."""

from __future__ import annotations

import pickle

import pytest
from toy_team import ToyTeam, town_setup

from wideseek_env.episode import Episode
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.errors import ConfigError
from wideseek_env.policy import Turn
from wideseek_env.rules import Rules
from wideseek_env.testing import example_task
from wideseek_env.trajectory import Trajectory

SEARCH = '<tool_call>{"name": "search", "arguments": {"query": "Elm"}}</tool_call>'
DELEGATE = '<tool_call>{"name": "delegate", "arguments": {"subtasks": ["one", "two"]}}</tool_call>'


def searches(play: EpisodeRun) -> int:
    assert play.episode.outcome is not None
    return sum(n for kind, n in play.episode.outcome.tool_calls.items() if kind != "delegate")


def limits(**budget: int) -> dict[str, int]:
    return {"subagent_turns": 6, "single_turns": 9, "calls_per_turn": 1, **budget}


@pytest.mark.parametrize("team", [True, False])
@pytest.mark.parametrize("calls", [1, 3, 5, 7])
def test_calls_stop_at_the_budget_and_the_team_answers(calls: int, team: bool) -> None:
    game = town_setup(1, width=4, team=team, rules=limits(episode_calls=calls, width=4))
    play = run_episode(game, ToyTeam(), game.tasks[0])
    assert searches(play) == calls
    assert play.episode.outcome is not None
    assert play.episode.outcome.answered
    assert play.score is not None
    assert play.score.recall_by_item == pytest.approx(calls / 8)
    again = Trajectory.from_dict(play.trajectory().to_dict()).replay()
    assert again.outcome == play.episode.outcome


def test_a_budget_that_is_not_reached_changes_nothing() -> None:
    plain, wide = (
        town_setup(1, width=2, rules=limits(width=2, **extra))
        for extra in ({}, {"episode_calls": 100, "episode_path": 100})
    )
    first, second = (run_episode(game, ToyTeam(), game.tasks[0]) for game in (plain, wide))
    assert first.episode.events == second.episode.events


def test_agents_are_told() -> None:
    episode = Episode(example_task(), team=False, rules=Rules(episode_calls=1, single_turns=9))
    (call,) = episode.act("agent", SEARCH + SEARCH)
    episode.deliver(call, "nothing")
    last = episode.messages("agent")[-1]["content"]
    assert "only 1 searches and page visits, and has none left" in last
    assert "turn 2 of 2, your last" in last
    assert episode.act("agent", SEARCH) == []
    assert episode.outcome is not None
    assert episode.outcome.ending == "out_of_turns"
    assert pickle.loads(pickle.dumps(episode)).outcome == episode.outcome


@pytest.mark.parametrize("path", [1, 2, 3, 4, 5, 9])
def test_the_critical_path_ends_at_the_budget(path: int) -> None:
    game = town_setup(1, width=2, rules=limits(episode_path=path, width=2))
    play = run_episode(game, ToyTeam(), game.tasks[0])
    outcome = play.episode.outcome
    assert outcome is not None
    assert outcome.critical_path <= path
    assert play.score is not None
    # The lead delegates and answers; a subagent searches for a town in every turn but its last.
    found = 2 * max(0, min(path - 3, 4))
    assert play.score.recall_by_item == pytest.approx(found / 8)
    assert outcome.critical_path == min(path, 7)


def test_nobody_is_started_without_time_to_report() -> None:
    episode = Episode(example_task(), rules=Rules(episode_path=2))
    episode.act("lead", DELEGATE)
    assert episode.agents == ["lead"]
    assert "no time left for a subagent" in episode.messages("lead")[-1]["content"]
    assert "your last" in episode.messages("lead")[-1]["content"]
    episode.act("lead", "| Name |\n| --- |\n| x |")
    assert episode.outcome is not None
    assert (episode.outcome.critical_path, episode.outcome.ending) == (2, "answered")


def test_a_policy_can_say_that_its_budget_ends() -> None:
    class Ending(ToyTeam):
        """Its first subagent has nothing left to spend after its first turn."""

        def act(self, turns: object) -> list[object]:  # type: ignore[override]
            return [self._ended(turn) for turn in turns]  # type: ignore[attr-defined]

        def _ended(self, turn: Turn) -> object:
            message = {"role": "assistant", "content": self._one(turn)}
            return message | ({"finish_reason": "budget"} if turn.agent == "subagent_0" else {})

    game = town_setup(1, width=2, rules=limits(width=2))
    play = run_episode(game, Ending(), game.tasks[0])
    assert [c.turns for c in play.episode.conversations] == [2, 2, 2]
    assert [c.ending for c in play.episode.conversations] == ["answered", "reported", "reported"]
    assert Trajectory.from_dict(play.trajectory().to_dict()).replay().outcome == play.episode.outcome


def test_a_message_without_anything_but_an_empty_budget_ends_its_agent() -> None:
    episode = Episode(example_task())
    episode.act("lead", DELEGATE)
    episode.act("subagent_0", {"role": "assistant", "content": "", "finish_reason": "budget"})
    assert episode.conversation("subagent_0").ending == "out_of_context"
    episode.act("subagent_1", "my report")
    assert "your last" in episode.messages("lead")[-1]["content"]


def test_budgets_are_limits_like_others() -> None:
    assert "episode_calls" not in Rules().to_dict()
    assert Rules(**Rules(episode_calls=4).to_dict()) == Rules(episode_calls=4)
    for wrong in (0, -1, 1.5, True, "4"):
        with pytest.raises(ConfigError, match="episode_path"):
            Rules(episode_path=wrong)  # type: ignore[arg-type]
