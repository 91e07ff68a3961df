"""Each field of the protocol alone, in both of its values, and the protocol of the published checkpoint."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest

from wideseek_env.episode import Episode
from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.profiles import PROFILES, Profile
from wideseek_env.protocol import LENIENT, PUBLISHED, Protocol
from wideseek_env.rules import Rules
from wideseek_env.task import Task
from wideseek_env.testing import NoOpTools, example_task

QUERY = {"query": "museums"}


def block(name: Any, arguments: Any) -> str:
    return (
        f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"
    )


def agents(*prompts: str) -> str:
    return block("create_sub_agents", {"sub_agents": [{"prompt": prompt} for prompt in prompts]})


def searches(count: int) -> str:
    return block("search", {"queries": [{"query": f"query {n}"} for n in range(count)]})


def native(*calls: tuple[str, Any]) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": f"call_{n}", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(calls)
        ],
    }


def profile(**changes: str) -> Profile:
    """The tools of the published checkpoint under the default protocol, with some fields changed."""
    return dataclasses.replace(PROFILES["wideseek-r1"], protocol=dataclasses.replace(LENIENT, **changes))


def subagent(changes: Profile | str = "wideseek-r1", **limits: int) -> Episode:
    """An episode in which a subagent acts."""
    episode = Episode(example_task(), profile=changes, rules=Rules(**limits))
    episode.act("lead", agents("all of it"))
    assert episode.ready() == ["subagent_0"]
    return episode


def said(episode: Episode, agent: str) -> str:
    return episode.messages(agent)[-1]["content"]


def test_the_profiles_have_their_protocols() -> None:
    assert PROFILES["default"].protocol == PROFILES["terse"].protocol == Protocol() == LENIENT
    assert PROFILES["wideseek-r1"].protocol == PUBLISHED
    for each in (LENIENT, PUBLISHED):
        assert Protocol.from_dict(json.loads(json.dumps(each.to_dict()))) == each
    assert all(getattr(LENIENT, name) != value for name, value in PUBLISHED.to_dict().items())
    assert Protocol.from_dict({"excess": "cut"}) == Protocol(excess="cut")


@pytest.mark.parametrize(
    "wrong", [{"excess": "all"}, {"reading": 1}, {"last_turn": None}, {"headings": ["whole"]}]
)
def test_wrong_values_are_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"protocol: {name} must be one of"):
        Protocol(**wrong)
    with pytest.raises(ConfigError, match="a protocol has no 'width'"):
        Protocol.from_dict({"width": 3})
    with pytest.raises(ConfigError, match="a table of texts"):
        Protocol.from_dict([])  # type: ignore[arg-type]


# --- excess ----------------------------------------------------------------------------------------------------------

WIDE = [(11, 10), (15, 10), (100, 10), (4, 3), (5, 3), (7, 3), (2, 1), (3, 1), (33, 16), (1000, 10)]


@pytest.mark.parametrize(("wanted", "width"), WIDE)
def test_a_delegation_that_is_too_wide(wanted: int, width: int) -> None:
    prompts = [f"part {n}" for n in range(wanted)]
    refusing = Episode(example_task(), profile=profile(), rules=Rules(width=width))
    refusing.act("lead", agents(*prompts))
    assert refusing.ready() == ["lead"]
    assert f"({wanted} > {width})" in said(refusing, "lead")
    assert (refusing.root.errors, refusing.root.dropped) == (1, 0)
    cutting = Episode(example_task(), profile=profile(excess="cut"), rules=Rules(width=width))
    cutting.act("lead", agents(*prompts))
    assert [c.subtask for c in cutting.conversations[1:]] == prompts[:width]
    assert (cutting.root.errors, cutting.root.dropped) == (0, wanted - width)


@pytest.mark.parametrize(("wanted", "most"), [(n + over, n) for n in (1, 2, 5) for over in (1, 2, 10, 200)])
def test_too_many_queries(wanted: int, most: int) -> None:
    refusing = subagent(profile(), calls_per_turn=most)
    assert refusing.act("subagent_0", searches(wanted)) == []
    assert f"at most {most} calls" in said(refusing, "subagent_0")
    cutting = subagent(profile(excess="cut"), calls_per_turn=most)
    calls = cutting.act("subagent_0", searches(wanted))
    assert [call.arguments["query"] for call in calls] == [f"query {n}" for n in range(most)]
    conversation = cutting.conversation("subagent_0")
    assert (conversation.errors, conversation.dropped, conversation.calls) == (
        0,
        wanted - most,
        {"search": most},
    )
    for call in calls:
        cutting.deliver(call, "a result")
    assert "Error" not in said(cutting, "subagent_0")


def test_several_calls_of_a_message_share_the_limit() -> None:
    episode = subagent(profile(excess="cut"), calls_per_turn=5)
    calls = episode.act("subagent_0", searches(3) + searches(4) + searches(2))
    assert [call.arguments["query"][-1] for call in calls] == ["0", "1", "2", "0", "1"]
    assert episode.conversation("subagent_0").dropped == 4
    lead = Episode(example_task(), profile=profile(excess="cut"), rules=Rules(width=3))
    lead.act("lead", agents("a", "b") + agents("c", "d") + agents("e"))
    assert [c.subtask for c in lead.conversations[1:]] == ["a", "b", "c"]
    assert lead.root.dropped == 2


def test_the_default_tools_are_cut_too() -> None:
    changed = dataclasses.replace(PROFILES["default"], protocol=Protocol(excess="cut"))
    episode = Episode(example_task(), profile=changed, rules=Rules(width=2, calls_per_turn=2))
    episode.act("lead", block("delegate", {"subtasks": ["a", "b", "c"]}))
    assert [c.subtask for c in episode.conversations[1:]] == ["a", "b"]
    assert len(episode.act("subagent_0", block("search", QUERY) * 3)) == 2
    assert [c.dropped for c in episode.conversations] == [1, 1, 0]


# --- unreadable ------------------------------------------------------------------------------------------------------

UNREADABLE = {
    "not JSON": "<tool_call>search museums</tool_call>",
    "no end of the object": '<tool_call>{"name": "search", "arguments": {"queries": [</tool_call>',
    "empty": "<tool_call></tool_call>",
    "blank": "<tool_call> \n </tool_call>",
    "a number": "<tool_call>3</tool_call>",
    "no name": '<tool_call>{"arguments": {"queries": [{"query": "x"}]}}</tool_call>',
    "unknown tool": block("delegate", {"subtasks": ["x"]}),
    "a tool of others": agents("x"),
    "arguments are a number": block("search", 3),
    "no arguments": block("search", {}),
    "an empty list": block("search", {"queries": []}),
    "a list of lists of nothing": block("search", {"queries": [{}]}),
    "no end tag": '<tool_call>{"name": "search", "arguments": {"queries": [{"qu',
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("reading", ["lenient", "first_block"])
def test_a_call_that_cannot_be_read(text: str, reading: str) -> None:
    telling = subagent(profile(reading=reading))
    telling.act("subagent_0", f"I look.\n{text}")
    assert telling.ready() == ["subagent_0"]
    assert "Error" in said(telling, "subagent_0")
    assert telling.conversation("subagent_0").dropped == 0
    ending = subagent(profile(reading=reading, unreadable="answer"))
    ending.act("subagent_0", f"I look.\n{text}")
    conversation = ending.conversation("subagent_0")
    assert (conversation.ending, conversation.errors, conversation.dropped) == ("reported", 0, 1)
    assert conversation.final.startswith("I look.")
    assert "I look." in said(ending, "lead")


def test_a_call_that_can_be_read_runs_next_to_one_that_cannot() -> None:
    episode = subagent(profile(unreadable="answer"))
    calls = episode.act("subagent_0", UNREADABLE["not JSON"] + searches(1) + agents("x"))
    assert [call.arguments["query"] for call in calls] == ["query 0"]
    episode.deliver(calls[0], "a result")
    assert "Error" not in said(episode, "subagent_0")
    assert episode.conversation("subagent_0").dropped == 2


# --- reading ---------------------------------------------------------------------------------------------------------

FIRST = {
    "two blocks": (searches(1) + searches(2), 1, 3, 1),
    "three blocks": ("\n".join([searches(2)] * 3), 2, 4, 2),
    "a call in a thought": (f"<think>{searches(2)}</think>The report.", 2, 0, 0),
    "a call in a thought and one after it": (f"<think>{searches(1)}</think>{searches(2)}", 1, 2, 1),
    "a block after one without end": (f"{searches(1)}<tool_call>{{", 1, 1, 1),
    "native calls": (native(("search", {"queries": [QUERY]}), ("access", {"urls": [{"url": "u"}]})), 1, 2, 1),
    "one native call": (native(("search", {"queries": [QUERY, QUERY]})), 2, 2, 0),
    "items without a query": (block("search", {"queries": [QUERY, {}, 3, {"query": ""}, None]}), 1, 0, 4),
    "plain texts": (block("search", {"queries": [QUERY, "museums"]}), 1, 2, 1),
    "queries that look like lists": (block("search", {"queries": [{"query": '["a", "b"]'}]}), 1, 2, 0),
    "another form": ('<function=search>{"queries": [{"query": "x"}]}</function>', 0, 1, 0),
    "a comma too many": (searches(1).replace("}]}}", "},]}}"), 0, 1, 0),
    "single quotes": ("<tool_call>{'name': 'search', 'arguments': {'queries': [{'query': 'x'}]}}</tool_call>", 0, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize(("message", "first", "lenient", "dropped"), FIRST.values(), ids=FIRST)
def test_which_calls_count(message: Any, first: int, lenient: int, dropped: int) -> None:
    episode = subagent(profile(reading="first_block"))
    assert len(episode.act("subagent_0", message)) == first
    assert episode.conversation("subagent_0").dropped == dropped
    other = subagent(profile())
    assert len(other.act("subagent_0", message)) == lenient
    assert other.conversation("subagent_0").dropped == 0


def test_items_are_cut_before_unusable_ones_are_skipped() -> None:
    items = [{}, {}, {"query": "a"}, {"query": "b"}]
    episode = subagent(calls_per_turn=3)
    calls = episode.act("subagent_0", block("search", {"queries": items}))
    assert [call.arguments["query"] for call in calls] == ["a"]
    assert episode.conversation("subagent_0").dropped == 3
    none = subagent(calls_per_turn=2)
    none.act("subagent_0", block("search", {"queries": items}))
    assert none.conversation("subagent_0").ending == "reported"


@pytest.mark.parametrize(
    ("count", "used"),
    [(7, 7), (99, 10), (0, 3), (None, 3), ("5", 5), ("many", 3), (-1, 1), (2.9, 2), ("", 3), ([4], 3)],
)
def test_the_number_of_results_has_the_bounds_of_the_rules(count: Any, used: int) -> None:
    (call,) = subagent().act("subagent_0", block("search", {"queries": [{**QUERY, "count": count}]}))
    assert call.arguments == {"query": "museums", "count": used}


def test_arguments_are_passed_as_they_are() -> None:
    (call,) = subagent().act("subagent_0", block("search", {"queries": [{"query": ' ["a"]\n b '}]}))
    assert call.arguments["query"] == ' ["a"]\n b '
    access = {"url": " u ", "info_to_extract": " the year\n", "more": 1}
    (call,) = subagent().act("subagent_0", block("access", {"urls": [access]}))
    assert call.arguments == {"url": " u ", "chunk": 1, "focus": " the year\n"}
    alone = Episode(example_task(), profile="wideseek-r1", team=False)
    (call,) = alone.act("agent", block("access", {"url": "u"}) + block("search", QUERY))
    assert (call.arguments, alone.root.dropped) == ({"url": "u", "chunk": 1, "focus": "None"}, 1)


def test_every_native_call_gets_a_message() -> None:
    episode = subagent()
    (call,) = episode.act("subagent_0", native(("search", {"queries": [QUERY]}), ("search", {}), ("x", {})))
    episode.deliver(call, "a result")
    first, second, third = episode.messages("subagent_0")[-3:]
    assert [m["tool_call_id"] for m in (first, second, third)] == ["call_0", "call_1", "call_2"]
    assert "a result" in first["content"]
    assert second["content"] == ""
    assert "turn 2" in third["content"]
    assert "Error" not in third["content"]


@pytest.mark.parametrize(
    ("message", "final"),
    [
        ("<think>a</think>The report.", "The report."),
        ("a</think> b </think>\nThe report. ", "The report."),
        ("<think>never closed", "<think>never closed"),
        ("<tool_call>{bad</tool_call> text", "<tool_call>{bad</tool_call> text"),
        ("", ""),
    ],
)
def test_the_report_is_the_text_after_the_last_thought(message: str, final: str) -> None:
    episode = subagent()
    episode.act("subagent_0", message)
    assert (episode.conversation("subagent_0").ending, episode.conversation("subagent_0").final) == (
        "reported",
        final,
    )


# --- last turn -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [searches(2), block("access", {"urls": [{"url": "u"}]}), searches(9), searches(1)]
)
def test_the_last_turn_of_a_subagent(message: str) -> None:
    ending = subagent(profile(excess="cut"), subagent_turns=1)
    assert ending.act("subagent_0", message) == []
    assert ending.conversation("subagent_0").calls == {}
    running = subagent(profile(excess="cut", last_turn="run"), subagent_turns=1)
    calls = running.act("subagent_0", message)
    assert 1 <= len(calls) <= 5
    for call in calls:
        assert running.conversation("subagent_0").status == "waiting"
        running.deliver(call, "a result")
    for episode in (ending, running):
        assert episode.conversation("subagent_0").ending == "out_of_turns"
        assert episode.ready() == ["lead"]
    assert "a result" in said(running, "subagent_0")
    assert sum(running.conversation("subagent_0").calls.values()) == len(calls)


def test_the_last_turn_of_a_lead_lets_its_subagents_work() -> None:
    episode = Episode(example_task(), profile="wideseek-r1", rules=Rules(lead_turns=2, subagent_turns=3))
    episode.act("lead", agents("first"))
    episode.act("subagent_0", "first report")
    episode.act("lead", agents("a", "b"))
    assert episode.ready() == ["subagent_1", "subagent_2"]
    for call in episode.act("subagent_1", searches(2)):
        episode.deliver(call, "a result")
    episode.act("subagent_1", "second report")
    assert not episode.done
    episode.act("subagent_2", "third report")
    outcome = episode.outcome
    assert outcome is not None
    assert (outcome.ending, outcome.answer, outcome.turns, outcome.subagents) == ("out_of_turns", None, 6, 3)
    assert outcome.critical_path == 2 + 1 + 2, "the turns of the last subagents count"
    assert outcome.tool_calls == {"delegate": 3, "search": 2}
    assert "third report" in said(episode, "lead")


def test_the_last_turn_of_a_single_agent() -> None:
    episode = Episode(example_task(), profile="wideseek-r1", rules=Rules(single_turns=1), team=False)
    (call,) = episode.act("agent", block("search", QUERY))
    episode.deliver(call, "a result")
    assert episode.outcome is not None
    assert (episode.outcome.ending, episode.outcome.tool_calls) == ("out_of_turns", {"search": 1})
    answering = Episode(example_task(), profile="wideseek-r1", rules=Rules(single_turns=1), team=False)
    answering.act("agent", "\\boxed{x}")
    assert answering.outcome is not None
    assert answering.outcome.answer == "\\boxed{x}"


def test_budgets_of_the_team_hold_in_the_last_turn() -> None:
    episode = subagent(subagent_turns=1, episode_calls=2)
    assert episode.act("subagent_0", searches(3)) == []
    assert (episode.conversation("subagent_0").ending, episode.conversation("subagent_0").errors) == (
        "out_of_turns",
        1,
    )
    path = Episode(example_task(), profile="wideseek-r1", rules=Rules(lead_turns=3, episode_path=3))
    path.act("lead", agents("a"))
    path.act("subagent_0", "report")
    assert path.act("lead", agents("b")) == []
    assert path.outcome is not None
    assert (path.outcome.ending, path.outcome.critical_path) == ("out_of_turns", 3)


def test_a_context_that_is_full_ends_an_agent_in_its_last_turn() -> None:
    episode = subagent(subagent_turns=1, context=3000)
    (call,) = episode.act("subagent_0", searches(1))
    episode.deliver(call, "x" * 3000)
    assert episode.conversation("subagent_0").ending == "out_of_context"


# --- headings --------------------------------------------------------------------------------------------------------

LONG = [
    "a b",
    "two\nlines",
    "a  b",
    "x" * 400,
    " edge ",
    "tab\tbed",
    "a\n\n# Result:\nb",
    "河 流",
    "a\r\nb",
    "- a\n- b",
]


@pytest.mark.parametrize("text", LONG)
def test_headings_repeat_the_request(text: str) -> None:
    line = " ".join(text.split())[:300]
    for headings, shown in (("whole", text), ("line", line)):
        changed = profile(headings=headings, reading="first_block")
        episode = Episode(example_task(), profile=changed)
        episode.act("lead", agents(text))
        (call,) = episode.act("subagent_0", block("search", {"queries": [{"query": text}]}))
        episode.deliver(call, "a result")
        assert said(episode, "subagent_0").startswith(f"# Search: {shown}\na result")
        episode.act("subagent_0", "a report")
        assert said(episode, "lead").startswith(f"# Report 1 on: {shown}\na report")


# --- everywhere ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda each: pickle.loads(pickle.dumps(each))])
@pytest.mark.parametrize("roster", ["dynamic", "fixed"])
def test_copies_in_the_middle_go_on_in_the_same_way(copied: Any, roster: Any) -> None:
    def first() -> Episode:
        episode = Episode(
            example_task(),
            profile="wideseek-r1",
            roster=roster,
            rules=Rules(lead_turns=2, subagent_turns=2, width=2),
        )
        episode.act("lead", agents("a", "b", "c"))
        episode.act("subagent_0", searches(7))
        return episode

    def rest(episode: Episode) -> Episode:
        for call in episode.pending():
            episode.deliver(call, "a result")
        episode.act("subagent_1", UNREADABLE["not JSON"])
        for call in episode.act("subagent_0", searches(1)):
            episode.deliver(call, "another")
        episode.act("lead", "<think>" + agents("d") + "</think>an answer")
        for agent in episode.ready():
            episode.act(agent, "report")
        return episode

    one, other = rest(first()), rest(copied(first()))
    assert one.outcome == other.outcome
    assert one.outcome is not None
    assert (one.outcome.ending, one.outcome.dropped, one.outcome.errors) == ("out_of_turns", 1 + 2 + 1, 0)
    assert [c.messages for c in one.conversations] == [c.messages for c in other.conversations]
    again = Episode(example_task(), profile="wideseek-r1", roster=roster, rules=one.rules).replay(one.events)
    assert (again.outcome, again.conversations[-1].messages) == (one.outcome, one.conversations[-1].messages)


CHINESE = Task(id="zh", question="列出所有博物馆。", answers=("x",), language="zh")


@pytest.mark.parametrize(
    ("name", "language", "spoken"),
    [
        ("wideseek-r1", None, "en"), ("wideseek-r1", "zh", "zh"), ("wideseek-r1", "task", "zh"),
        ("wideseek-r1", "en", "en"), ("default", None, "zh"), ("default", "en", "en"), ("default", "task", "zh"),
        ("terse", None, "zh"), ("terse", "en", "en"), ("terse", "zh", "zh"),
    ],
)  # fmt: skip
def test_the_language_of_prompts_can_be_chosen(name: str, language: str | None, spoken: str) -> None:
    config = GameConfig([CHINESE], executor=NoOpTools("x"), profile=name, language=language)
    assert config.from_dict({"profile": name, "language": language}).language == language
    episode = config.open().episode(CHINESE)
    assert episode.language == spoken
    system = episode.messages("lead")[0]["content"]
    assert ("子代理" in system) == (spoken == "zh")
    about = episode.tools("lead")[0]["function"]["description"]
    assert ("子代理" in about) == (spoken == "zh")
    assert episode.messages("lead")[1]["content"] == CHINESE.question


def test_other_languages_are_refused() -> None:
    with pytest.raises(ConfigError, match="language must be one of en, zh, task, not 'fr'"):
        GameConfig(language="fr")


def test_a_run_says_which_protocol_it_had() -> None:
    plain = GameConfig([CHINESE], executor=NoOpTools("x"))
    assert "protocol" not in plain.open().record()
    record = plain.replace(profile="wideseek-r1").open().record()
    assert (record["protocol"], record["language"]) == (PUBLISHED.to_dict(), "en")
