"""What an episode did: requests, who started whom, times, the critical path; against the rules' own account."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
from viewer_runs import MUSEUMS, PAGES, TASK, call, play

from wideseek_baselines.policies.random import RandomPolicy
from wideseek_env.corpus.stored import MemoryCorpus
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.episode import Episode
from wideseek_env.episode_run import run_episode
from wideseek_env.game import GameConfig
from wideseek_env.parsing import thoughts_of
from wideseek_env.rules import Rules
from wideseek_env.scoring import score_response
from wideseek_env.tasks.synthetic import synthetic_tasks
from wideseek_env.trajectory import Trajectory
from wideseek_env.viewer.detail import episode_detail
from wideseek_env.viewer.timeline import critical_path, timeline_of

WORLD = SyntheticWorld.from_spec("synthetic:seed=7,pages=400,rows=10-12")
FORMS = {
    "team": {"width": 3},
    "slots": {"width": 3, "roster": "fixed"},
    "published": {"width": 3, "profile": "wideseek-r1"},
    "single": {"team": False},
    "short of turns": {"width": 4, "rules": {"lead_turns": 3, "subagent_turns": 2, "single_turns": 3}},
    "short of context": {"width": 3, "rules": {"context": 9000}},
}


@cache
def corpus() -> MemoryCorpus:
    return WORLD.corpus()


def random_episodes(form: str) -> list[Trajectory]:
    """Nonsense of every sort: broken calls, failed requests, agents that run out of something."""
    setup = GameConfig(tasks=synthetic_tasks(WORLD, "train", 4), corpus=corpus(), **FORMS[form]).open()
    policy = RandomPolicy(malformed=0.3)
    return [
        run_episode(setup, policy, task, seed=seed).trajectory() for seed, task in enumerate(setup.tasks[:4])
    ]


@pytest.mark.parametrize("form", FORMS)
def test_the_course_agrees_with_the_rules(form: str) -> None:
    endings: set[str] = set()
    for trajectory in random_episodes(form):
        timeline = timeline_of(trajectory)
        assert timeline.unread == ""
        assert len(critical_path(timeline, "turns")) == trajectory.outcome["critical_path"]
        assert sum(map(len, timeline.acts)) == trajectory.outcome["turns"]
        spawned = [child for acts in timeline.acts for act in acts for child in act.spawned]
        assert sorted(spawned) == list(range(1, len(trajectory.conversations)))
        answered = [event["result"] for event in trajectory.events if "result" in event]
        assert [request.id for _, request in timeline.requests()] == answered
        for act, request in timeline.requests():
            assert request.kind in ("search", "browse")
            assert {"query", "url"} & request.arguments.keys()
            assert request in timeline.acts[act.conversation][act.turn - 1].requests
        for acts, conversation in zip(timeline.acts, trajectory.conversations, strict=True):
            endings.add(conversation["ending"])
            assert [act.clock for act in acts][-1:] == ([conversation["clock"]] if acts else [])
            last = 0.0
            for act in acts:
                assert last <= act.ready <= act.at <= act.settled
                last = act.settled
    if form == "short of context":
        assert "out_of_context" in endings


@pytest.mark.parametrize("form", FORMS)
def test_what_came_back_is_what_the_agent_read(form: str) -> None:
    seen = 0
    for trajectory in random_episodes(form):
        detail = episode_detail(trajectory)
        for conversation, agent in zip(trajectory.conversations, detail["agents"], strict=True):
            read = "".join(m["content"] for m in conversation["messages"] if m["role"] == "tool")
            shown = ""
            for turn in agent["turns"]:
                for part in turn["back"]:
                    seen += part[0] == "result"
                    shown += turn["requests"][part[1]]["text"] if part[0] == "result" else part[-1]
            assert shown == read
    assert seen > 4


def test_times_are_those_of_the_record() -> None:
    timeline = timeline_of(play())
    (lead, answer), (search, page, report), (two, more, other) = timeline.acts
    assert [lead.ready, lead.at, lead.settled, answer.ready, answer.at] == [0, 1, 9.5, 9.5, 10.5]
    assert lead.spawned == [1, 2]
    assert timeline.parents == [None, (0, 0), (0, 0)]
    assert [search.ready, search.at, search.settled, page.ready] == [1, 2, 2.5, 2.5]
    assert [two.ready, two.at, two.settled, more.ready] == [1, 6, 7, 7]
    assert [(r.kind, r.ok, r.at) for r in two.requests] == [("browse", True, 6.5), ("browse", False, 7.0)]
    assert more.requests[0].arguments["chunk"] == 2
    assert timeline.ended == [10.5, report.at, other.at] == [10.5, 5.0, 9.5]
    assert critical_path(timeline, "turns") == [(0, 0), (1, 0), (1, 1), (1, 2), (0, 1)]
    assert critical_path(timeline, "seconds") == [(0, 0), (2, 0), (2, 1), (2, 2), (0, 1)]


@pytest.mark.parametrize("times", [(), [1.0], ["a"] * 15, [float("nan")] * 15, [-1.0] * 15])
def test_without_sensible_times_there_are_turns(times: object) -> None:
    trajectory = play()
    timeline = timeline_of(dataclasses.replace(trajectory, timing={"events": times}))
    assert not timeline.timed
    assert len(critical_path(timeline, "turns")) == 5
    detail = episode_detail(dataclasses.replace(trajectory, timing={}))
    assert detail["timed"] is False
    assert detail["critical"]["seconds"] == []
    assert all(request["at"] is None for turn in detail["agents"][1]["turns"] for request in turn["requests"])


@pytest.mark.parametrize("limit", range(1600, 3000, 250))
def test_a_budget_in_another_unit_is_no_obstacle(limit: int) -> None:
    """A model's context is counted in tokens, which the viewer cannot count: the record says who ran out of it."""
    trajectory = play(rules=Rules(context=2 * limit), counter=lambda message: 2 * len(message["content"]))
    timeline = timeline_of(trajectory)
    assert timeline.unread == ""
    assert all(request.kind in ("search", "browse") for _, request in timeline.requests())
    assert len(critical_path(timeline, "turns")) == trajectory.outcome["critical_path"]
    assert "out_of_context" in [conversation["ending"] for conversation in trajectory.conversations]


def test_an_unknown_profile_shows_calls_as_written() -> None:
    timeline = timeline_of(play(record_profile="somebody's own"))
    assert "cannot be played again" in timeline.unread
    assert [request.kind for _, request in timeline.requests()].count("browse") == 4
    assert timeline.requests()[0][1].arguments == {"query": "museums Honholm"}
    detail = episode_detail(play(record_profile="somebody's own"))
    assert detail["unread"] == timeline.unread
    assert detail["answer"] == episode_detail(play())["answer"]


def test_an_agent_that_failed_has_an_end() -> None:
    timeline = timeline_of(play({**MUSEUMS, "subagent_1": MUSEUMS["subagent_1"][:1]}))
    assert timeline.ended[2] > timeline.acts[2][0].settled
    assert timeline.acts[0][0].settled == max(timeline.ended[1:])


def test_an_episode_that_was_aborted_is_shown() -> None:
    episode = Episode(TASK)
    episode.act("lead", MUSEUMS["lead"][0])
    episode.act("subagent_0", MUSEUMS["subagent_0"][0])
    episode.abort("the engine was lost")
    trajectory = Trajectory.of_episode(
        episode, score=score_response("", TASK), parts={}, reward_name="item_f1", corpus="", seed=None
    )
    detail = episode_detail(trajectory)
    assert detail["detail"] == "the engine was lost"
    assert [agent["ending"] for agent in detail["agents"]] == ["failed"] * 3
    assert [len(agent["turns"]) for agent in detail["agents"]] == [1, 1, 0]
    assert detail["critical"]["turns"] == [(0, 0), (1, 0)]


def test_messages_are_taken_apart() -> None:
    lead, first, _ = episode_detail(play())["agents"]
    turn = lead["turns"][0]
    assert turn["thinking"] == "Split it.\nTwo should do."
    assert turn["text"] == "I ask two."
    assert turn["raw"] == MUSEUMS["lead"][0]
    assert [part[:2] for part in turn["back"] if part[0] == "report"] == [["report", 1], ["report", 2]]
    assert next(text for role, text in first["opening"] if role == "user").endswith("Tower Museum")
    assert "raw" not in first["turns"][-1]
    assert first["turns"][1]["requests"][0]["text"] == PAGES["https://web.example/tower"]
    odd = play(
        {"agent": (call("search") + "<tool_call>{broken", call("browse", url="x") * 7, "done")}, team=False
    )
    broken, many, _ = episode_detail(odd)["agents"][0]["turns"]
    assert (broken["written"], broken["problems"], broken["requests"]) == (2, 1, [])
    assert (many["written"], len(many["requests"])) == (7, 5)


@pytest.mark.parametrize(
    ("text", "thinking"),
    [
        ("no thinking", ""),
        ("<think>a</think>b<think>c</think>d", "a\n\nc"),
        ("began before</think>b", "began before"),
        ("a<think>never ends", "never ends"),
        ("<think></think>b", ""),
        ("a</think>b<think>c", "a\n\nc"),
    ],
)
def test_thinking_is_told_apart(text: str, thinking: str) -> None:
    assert "\n\n".join(thoughts_of(text)) == thinking
