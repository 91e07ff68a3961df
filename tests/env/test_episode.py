"""The rules of the game, one by one."""

from __future__ import annotations

import dataclasses
import json
import pickle

import pytest

from wideseek_env.episode import Episode
from wideseek_env.errors import ActionError, ConfigError
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.profiles import PROFILES
from wideseek_env.protocol import LENIENT
from wideseek_env.rules import Rules
from wideseek_env.task import Task
from wideseek_env.testing import example_task

ANSWER = "| Name | Year |\n|---|---|\n| Entity 1 | 1901 |"


def call(name: str, **arguments: object) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def delegate(*subtasks: str) -> str:
    return call("delegate", subtasks=list(subtasks))


def last(episode: Episode, agent: str) -> str:
    return episode.messages(agent)[-1]["content"]


def test_the_lead_starts_with_its_prompt_and_the_question() -> None:
    episode = Episode(example_task(), rules=Rules(width=7))
    assert episode.ready() == ["lead"]
    system, user = episode.messages("lead")
    assert system["role"] == "system"
    assert "up to 7 subagents" in system["content"]
    assert '"delegate"' in system["content"]
    assert user == {"role": "user", "content": example_task().question}


def test_a_message_without_calls_is_the_answer() -> None:
    episode = Episode(example_task())
    assert episode.act("lead", f"<think>easy</think>\n{ANSWER}") == []
    assert episode.done
    assert episode.outcome.answer == ANSWER
    assert (episode.outcome.ending, episode.outcome.turns, episode.outcome.critical_path) == (
        "answered",
        1,
        1,
    )
    assert episode.ready() == []


def test_delegation_blocks_until_the_last_report_and_lists_reports_in_order() -> None:
    episode = Episode(example_task())
    assert episode.act("lead", delegate("first part", "second part")) == []
    assert episode.ready() == ["subagent_0", "subagent_1"]
    assert "first part" in last(episode, "subagent_0")
    assert example_task().question in last(episode, "subagent_0")
    episode.act("subagent_1", "report of the second")
    assert episode.ready() == ["subagent_0"]
    assert episode.conversation("lead").status == "waiting"
    episode.act("subagent_0", "report of the first")
    assert episode.ready() == ["lead"]
    text = last(episode, "lead")
    assert text.index("report of the first") < text.index("report of the second")
    assert "turn 2 of 10" in text


def test_ids_are_never_reused_over_rounds() -> None:
    episode = Episode(example_task())
    for number in range(3):
        episode.act("lead", delegate("a", "b"))
        for agent in episode.ready():
            episode.act(agent, "done")
        assert episode.agents == ["lead", *(f"subagent_{n}" for n in range(2 * number + 2))]


def test_the_fixed_roster_reuses_slots_with_a_fresh_context() -> None:
    episode = Episode(example_task(), roster="fixed", rules=Rules(width=2))
    episode.act("lead", delegate("one", "two"))
    (search,) = episode.act("subagent_0", call("search", query="x"))
    assert search.id == "subagent_0/1/0"
    episode.deliver(search, "found")
    episode.act("subagent_0", "report")
    episode.act("subagent_1", "report")
    episode.act("lead", delegate("three"))
    assert episode.ready() == ["subagent_0"]
    assert len(episode.messages("subagent_0")) == 2
    assert "three" in last(episode, "subagent_0")
    (search,) = episode.act("subagent_0", call("search", query="x"))
    assert search.id == "subagent_0/1.1/0"
    assert [c.generation for c in episode.conversations] == [0, 0, 0, 1]


def test_calls_come_back_with_checked_arguments_and_results_in_the_order_written() -> None:
    episode = Episode(example_task(), team=False)
    calls = episode.act(
        "agent",
        call("search", query="museums", count="7")
        + call("browse", url=" https://a.example/ ", focus="when?"),
    )
    assert calls == [
        ToolCall("agent/1/0", "agent", "search", {"query": "museums", "count": 7}),
        ToolCall("agent/1/1", "agent", "browse", {"url": "https://a.example/", "chunk": 1, "focus": "when?"}),
    ]
    assert episode.ready() == []
    assert episode.pending() == ["agent/1/0", "agent/1/1"]
    episode.deliver(calls[1], "the page")
    assert episode.ready() == []
    episode.deliver(calls[0].id, ToolResult("the hits"))
    text = last(episode, "agent")
    assert text.index("the hits") < text.index("the page")
    assert "# Search: museums" in text
    assert "# Page: https://a.example/" in text


def test_native_calls_are_answered_one_message_each() -> None:
    episode = Episode(example_task(), team=False)
    native = [
        {"id": "x1", "type": "function", "function": {"name": "search", "arguments": '{"query": "a"}'}},
        {"id": "x2", "type": "function", "function": {"name": "delegate", "arguments": "{}"}},
    ]
    (search,) = episode.act("agent", {"role": "assistant", "content": None, "tool_calls": native})
    episode.deliver(search, "hits")
    *_, assistant, first, second = episode.messages("agent")
    assert assistant["tool_calls"] == native
    assert (first["role"], first["tool_call_id"]) == ("tool", "x1")
    assert "hits" in first["content"]
    assert second["tool_call_id"] == "x2"
    assert "not among your tools" in second["content"]


WRONG = {
    "unknown tool": ("lead", call("fly", to="x"), "there is no tool 'fly'"),
    "a lead that searches": ("lead", call("search", query="x"), "'search' is not among your tools"),
    "a subagent that delegates": ("subagent_0", delegate("x"), "'delegate' is not among your tools"),
    "no subtasks": ("lead", call("delegate"), '"subtasks" is required'),
    "an empty subtask": ("lead", delegate("a", " "), "must not be empty"),
    "subtasks that are numbers": ("lead", call("delegate", subtasks=[1]), "must hold strings"),
    "too wide": ("lead", delegate(*"abcd"), "4 > 3"),
    "too wide over two calls": ("lead", delegate("a", "b") + delegate("c", "d"), "4 > 3"),
    "empty query": ("subagent_0", call("search", query="  "), '"query" is required'),
    "query of the wrong type": ("subagent_0", call("search", query=["x"]), '"query" must be a string'),
    "count of the wrong type": (
        "subagent_0",
        call("search", query="x", count="many"),
        '"count" must be a whole number',
    ),
    "no url": ("subagent_0", call("browse", chunk=2), '"url" is required'),
    "broken JSON": ("subagent_0", "<tool_call>{nope</tool_call>", "cannot be read"),
    "cut off": ("subagent_0", '<tool_call>{"name": "search", "arguments": {"query": "a', "not complete"),
    "endless thinking": ("subagent_0", "<think>hm", "never closed"),
}


@pytest.mark.parametrize(("agent", "message", "expected"), WRONG.values(), ids=WRONG)
def test_a_forbidden_or_malformed_action_is_an_error_message_and_costs_a_turn(
    agent: str, message: str, expected: str
) -> None:
    episode = Episode(example_task(), rules=Rules(width=3))
    if agent != "lead":
        episode.act("lead", delegate("part"))
    assert episode.act(agent, message) == []
    assert episode.ready() == [agent]
    assert expected in last(episode, agent)
    assert "Error" in last(episode, agent)
    assert episode.conversation(agent).turns == 1
    assert episode.conversation(agent).errors >= 1
    assert len(episode.agents) == (1 if agent == "lead" else 2)


def test_valid_calls_run_beside_a_broken_one() -> None:
    episode = Episode(example_task(), team=False)
    calls = episode.act(
        "agent", call("search", query="a") + "<tool_call>oops</tool_call>" + call("search", query="b")
    )
    assert [c.arguments["query"] for c in calls] == ["a", "b"]
    for c in calls:
        episode.deliver(c, f"hits for {c.arguments['query']}")
    text = last(episode, "agent")
    assert text.index("hits for a") < text.index("cannot be read") < text.index("hits for b")


def test_calls_beyond_the_limit_are_not_run_and_said_so() -> None:
    episode = Episode(example_task(), team=False, rules=Rules(calls_per_turn=2))
    calls = episode.act("agent", "".join(call("search", query=q) for q in "abcd"))
    assert [c.arguments["query"] for c in calls] == ["a", "b"]
    for c in calls:
        episode.deliver(c, "hits")
    assert last(episode, "agent").count("at most 2 calls") == 2


def test_a_subagent_out_of_turns_reports_nothing_and_the_lead_is_told() -> None:
    episode = Episode(example_task(), rules=Rules(subagent_turns=2))
    episode.act("lead", delegate("part", "other"))
    for turn in range(2):
        (search,) = episode.act("subagent_0", call("search", query="x")) or [None]
        if turn == 0:
            episode.deliver(search, "hits")
            assert "your last" in last(episode, "subagent_0")
    assert search is None, "the calls of the last turn are not run: nobody could read the results"
    assert episode.conversation("subagent_0").ending == "out_of_turns"
    episode.act("subagent_1", "report")
    assert "used up its turns" in last(episode, "lead")


def test_a_lead_out_of_turns_ends_the_episode_without_an_answer() -> None:
    episode = Episode(example_task(), rules=Rules(lead_turns=2))
    episode.act("lead", "<tool_call>oops</tool_call>")
    episode.act("lead", delegate("too late"))
    assert episode.outcome.ending == "out_of_turns"
    assert episode.outcome.answer is None
    assert episode.agents == ["lead"]


def test_an_agent_out_of_context_ends_and_the_lead_is_told() -> None:
    prompt = sum(len(m["content"]) for m in Episode(example_task()).messages("lead"))
    episode = Episode(example_task(), rules=Rules(context=prompt + 3000, result_chars=50_000))
    episode.act("lead", delegate("part"))
    (search,) = episode.act("subagent_0", call("search", query="x"))
    episode.deliver(search, "y" * 10_000)
    assert episode.conversation("subagent_0").ending == "out_of_context"
    assert "context was full" in last(episode, "lead")
    episode.act("lead", "z" * 5000)
    assert episode.outcome.ending == "out_of_context"
    assert episode.outcome.answer is None


@pytest.mark.parametrize("agent", ["lead", "subagent_0"])
def test_a_model_without_room_says_so_and_its_agent_ends(agent: str) -> None:
    full = {"role": "assistant", "content": "| Name |\n| --- |\n| half a", "finish_reason": "context"}
    episode = Episode(example_task())
    if agent == "subagent_0":
        episode.act("lead", delegate("part"))
    assert episode.act(agent, full) == []
    assert episode.conversation(agent).ending == "out_of_context"
    assert episode.conversation(agent).final == ""
    if agent == "subagent_0":
        assert "context was full" in last(episode, "lead")
        assert "half a" not in last(episode, "lead")
        episode.act("lead", "an answer")
    else:
        assert episode.outcome.answer is None
    again = Episode(example_task()).replay(episode.events)
    assert again.outcome == episode.outcome


def test_subtasks_too_long_for_any_context_come_back_at_once() -> None:
    rules = Rules(context=4000, action_chars=20_000)
    episode = Episode(example_task(), rules=rules, profile="terse")
    long = "x" * 1500
    episode.act("lead", delegate(long))
    assert episode.ready() == ["subagent_0"], "this one fits"
    strict = Episode(example_task(), rules=Rules(context=2000), profile="terse", counter=lambda m: 900)
    strict.act("lead", "no call")
    assert strict.outcome.ending == "out_of_context"
    tight = Episode(
        example_task(),
        rules=Rules(context=1000),
        profile="terse",
        counter=lambda m: 2000 * ("secret" in m["content"][:6]),
    )
    tight.act("lead", delegate("secret part"))
    assert tight.ready() == ["lead"]
    assert "context was full" in last(tight, "lead")


def test_a_question_too_long_for_the_context_ends_the_episode_at_the_start() -> None:
    episode = Episode(example_task(), rules=Rules(context=10))
    assert episode.outcome.ending == "out_of_context"


def test_counters_are_pluggable_and_see_native_calls() -> None:
    seen = []

    def counter(message: dict) -> int:
        seen.append(message["role"])
        return 1

    episode = Episode(example_task(), counter=counter, rules=Rules(context=4), team=False)
    for call_ in episode.act("agent", call("search", query="x")):
        episode.deliver(call_, "y" * 100_000)
    assert seen == ["system", "user", "assistant", "tool"]
    assert episode.ready() == ["agent"]
    episode.act("agent", call("search", query="x"))
    assert episode.outcome.ending == "out_of_context"


def test_long_actions_and_results_are_cut_and_marked() -> None:
    episode = Episode(example_task(), team=False, rules=Rules(action_chars=300, result_chars=200))
    (search,) = episode.act("agent", call("search", query="x") + "y" * 1000)
    assert len(episode.messages("agent")[-1]["content"]) == 300
    episode.deliver(search, "z" * 1000)
    text = last(episode, "agent")
    assert "cut at 200 characters" in text
    assert text.count("z") < 200


def test_the_critical_path_counts_agents_side_by_side_once() -> None:
    episode = Episode(example_task())
    episode.act("lead", delegate("a", "b", "c"))
    for number, searches in enumerate((1, 4, 2)):
        for _ in range(searches):
            (search,) = episode.act(f"subagent_{number}", call("search", query="x"))
            episode.deliver(search, "hits")
        episode.act(f"subagent_{number}", "report")
    episode.act("lead", ANSWER)
    assert episode.outcome.critical_path == 1 + 5 + 1
    assert episode.outcome.turns == 1 + (2 + 5 + 3) + 1
    assert episode.outcome.tool_calls == {"delegate": 3, "search": 7}
    assert episode.outcome.subagents == 3


def test_drivers_mistakes_raise_and_change_nothing() -> None:
    episode = Episode(example_task())
    before = pickle.dumps(episode)
    with pytest.raises(ActionError, match="no agent 'nobody'"):
        episode.act("nobody", "x")
    with pytest.raises(ActionError, match="no result of 'lead/1/0' is awaited"):
        episode.deliver("lead/1/0", "x")
    assert pickle.dumps(episode) == before
    episode.act("lead", delegate("a"))
    with pytest.raises(ActionError, match="it is waiting"):
        episode.act("lead", "x")
    with pytest.raises(ActionError, match="not its turn"):
        episode.fail("lead")
    episode.abort("engine lost")
    with pytest.raises(ActionError, match="the episode is done"):
        episode.act("subagent_0", "x")


def test_failing_and_aborting() -> None:
    episode = Episode(example_task())
    episode.act("lead", delegate("a", "b"))
    episode.fail("subagent_0")
    episode.act("subagent_1", "report")
    assert "this subagent failed" in last(episode, "lead")
    episode.abort("no more engines")
    assert (episode.outcome.ending, episode.outcome.detail) == ("failed", "no more engines")
    copy = Episode(example_task()).replay(episode.events)
    assert copy.outcome == episode.outcome


def test_the_published_profile_takes_lists_and_expands_them() -> None:
    profile = dataclasses.replace(PROFILES["wideseek-r1"], protocol=LENIENT)
    episode = Episode(example_task(), profile=profile, rules=Rules(calls_per_turn=3))
    assert "<tool_call>" not in episode.messages("lead")[0]["content"], "the chat template renders the tools"
    assert [t["function"]["name"] for t in episode.tools("subagent")] == ["search", "access"]
    episode.act("lead", call("create_sub_agents", sub_agents=[{"prompt": "a"}, {"prompt": "b"}]))
    assert episode.ready() == ["subagent_0", "subagent_1"]
    calls = episode.act("subagent_0", call("search", queries=[{"query": "x"}, {"query": "y", "count": 9}]))
    assert [c.arguments for c in calls] == [{"query": "x", "count": 3}, {"query": "y", "count": 9}]
    for c in reversed(calls):
        episode.deliver(c, f"hits for {c.arguments['query']}")
    text = last(episode, "subagent_0")
    assert text.index("hits for x") < text.index("hits for y")
    (access,) = episode.act("subagent_0", call("access", urls=[{"url": "u", "info_to_extract": "when"}]))
    assert (access.name, access.arguments) == ("browse", {"url": "u", "chunk": 1, "focus": "when"})
    episode.deliver(access, "page")
    assert episode.act("subagent_0", call("search", queries=[{"query": str(n)} for n in range(4)])) == []
    assert "at most 3 calls" in last(episode, "subagent_0")
    two = call("search", queries=[{"query": "a"}, {"query": "b"}])
    assert len(episode.act("subagent_1", two + two)) == 2, "the lists of one message count together"
    alone = Episode(example_task(), profile="wideseek-r1", team=False)
    (search,) = alone.act("agent", call("search", query="x"))
    assert search.arguments == {"query": "x", "count": 3}


def test_chinese_tasks_are_spoken_to_in_chinese() -> None:
    task = Task(id="zh", question="列出所有博物馆。", answers=("x",), language="zh")
    episode = Episode(task)
    assert "你负责带领一个团队" in episode.messages("lead")[0]["content"]
    episode.act("lead", call("search", query="x"))
    assert "错误" in last(episode, "lead")
    assert "第 2 轮" in last(episode, "lead")


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="no profile 'loud'"):
        Episode(example_task(), profile="loud")
    with pytest.raises(ConfigError, match="roster"):
        Episode(example_task(), roster="other")
    with pytest.raises(ConfigError, match="rules have no limit 'turns'"):
        Rules().replace(turns=3)
    with pytest.raises(ConfigError, match="width must be a whole number"):
        Rules(width=0)
    with pytest.raises(ConfigError, match="no rules preset 'hard'"):
        Rules.preset("hard")


def test_transcripts_are_snapshots() -> None:
    episode = Episode(example_task())
    before = episode.messages("lead")
    episode.act("lead", call("search", query="x"))
    assert len(before) == 2
    assert len(episode.messages("lead")) == 4
    assert list(before) == episode.messages("lead")[:2]
    assert before == list(before)
    assert before[-1]["role"] == "user"
    with pytest.raises(IndexError):
        before[2]
