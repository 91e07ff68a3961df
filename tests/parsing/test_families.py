"""Every form of every family is read: one call, several calls, wrapped, nested, cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from call_forms import TAGGED, UNTAGGED, Call, Form
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import messages, mutated

from wideseek_env.messages import assistant_message
from wideseek_env.parsing import Parsed, Problem, RawCall, parse_message

TOOLS = ("delegate", "search", "browse")
FORMS = {**TAGGED, **UNTAGGED}
LIST_FREE = {
    "one": [("search", {"query": "x"})],
    "two": [("search", {"query": "museum"}), ("browse", {"url": "https://a.example/b?c=1&d=2", "focus": "height"})],
    "same twice": [("search", {"query": "x"}), ("search", {"query": "x"})],
    "chinese": [("search", {"query": "最高的山"})],
    "quotes": [("search", {"query": 'films by "Ann O\'Neil" <2001>'})],
    "braces": [("search", {"query": "a {b} [c] (d) }])"})],
    "newline": [("browse", {"url": "https://a.example", "focus": "first\nsecond"})],
    "pipe": [("search", {"query": "a | b ｜ c"})],
}  # fmt: skip


def parse(text: str, **more: Any) -> Parsed:
    return parse_message(assistant_message({"content": text, **more}, 2_000_000), TOOLS)


def expected(calls: list[Call]) -> list[RawCall]:
    return [RawCall(name, dict(arguments)) for name, arguments in calls]


@pytest.mark.parametrize("calls", LIST_FREE.values(), ids=LIST_FREE)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_calls_are_read(form: Form, calls: list[Call]) -> None:
    assert parse(form(calls)).calls == expected(calls)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_lists_arrive_as_lists_or_as_their_json(form: Form) -> None:
    (call,) = parse(form([("delegate", {"subtasks": ["find A", "find B"]})])).calls
    assert isinstance(call, RawCall)
    given = call.arguments["subtasks"]
    assert (json.loads(given) if isinstance(given, str) else given) == ["find A", "find B"]


WRAPPINGS = {
    "sentence before": "I will look for it.\n\n{}",
    "sentence after": "{}\n\nThen I will read the page.",
    "thought before": "<think>\nI could call <tool_call>{{\"name\": \"browse\"}}</tool_call> here.\n</think>\n\n{}",
    "thought opened by the prompt": "I could look.\n</think>\n{}",
    "table before": "| Name | Year |\n| --- | --- |\n| A | 1 |\n\n{}",
    "fence": "```\n{}\n```",
    "white space": "\n\n  {}  \n\n",
}  # fmt: skip


@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_text_around_calls_changes_nothing(form: Form, wrapping: str) -> None:
    calls: list[Call] = [("search", {"query": "x"}), ("search", {"query": "y"})]
    if "<|channel|>" in form(calls) and "think" in wrapping:
        pytest.skip("harmony has channels for its thoughts")
    assert parse(wrapping.format(form(calls))).calls == expected(calls)


@pytest.mark.parametrize("form", TAGGED.values(), ids=TAGGED)
def test_an_unknown_tool_is_not_lost(form: Form) -> None:
    (call,) = parse(form([("google", {"q": "x"})])).calls
    assert call == RawCall("google", {"q": "x"})


words = st.text("abc é水\"'\\{}[]():,;/&%#\n\t", max_size=30)
plain = st.text("abc é水.,;&%#?!", min_size=1, max_size=30).map(str.strip).filter(bool)
IN_JSON = [
    name for name, form in FORMS.items() if json.dumps("\t\n") in form([("search", {"query": "\t\n"})])
]


@given(
    st.sampled_from(IN_JSON),
    st.lists(st.dictionaries(st.sampled_from(["query", "url"]), words, min_size=1), min_size=1, max_size=3),
)
@settings(max_examples=300)
def test_any_text_survives_in_families_with_json(name: str, given: list[dict[str, str]]) -> None:
    calls: list[Call] = [("search", arguments) for arguments in given]
    assert parse(FORMS[name](calls)).calls == expected(calls)


@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.dictionaries(st.sampled_from(["query", "url"]), plain, min_size=1), min_size=1, max_size=3),
)
@settings(max_examples=300)
def test_plain_text_survives_in_every_family(name: str, given: list[dict[str, str]]) -> None:
    calls: list[Call] = [("search", arguments) for arguments in given]
    assert parse(FORMS[name](calls)).calls == expected(calls)


TWO: list[Call] = [
    ("search", {"query": "museum of art"}),
    ("browse", {"url": "https://a.example", "focus": "its height"}),
]


@pytest.mark.parametrize("form", TAGGED.values(), ids=TAGGED)
def test_a_message_cut_anywhere_loses_and_invents_nothing(form: Form) -> None:
    """Every prefix that has begun a call has that call or a problem, and no call that was not written."""
    whole = form(TWO)
    started = min(whole.index(mark) for mark in ("search",) if mark in whole) + len("search")
    for length in range(started, len(whole) + 1):
        read = parse(whole[:length], finish_reason="length")
        assert read.calls, whole[:length]
        for call, (name, arguments) in zip(read.calls, TWO, strict=False):
            if isinstance(call, RawCall):
                assert call.name == name, whole[:length]
                assert call.arguments.items() <= arguments.items(), whole[:length]
            else:
                assert call.code in ("cut_off_call", "bad_json", "empty_call", "no_name", "not_an_object"), (
                    call
                )


@pytest.mark.parametrize("form", UNTAGGED.values(), ids=UNTAGGED)
def test_a_message_without_tags_cut_anywhere_is_no_answer(form: Form) -> None:
    whole = form(TWO)
    for length in range(1, len(whole) + 1):
        read = parse(whole[:length], finish_reason="length")
        assert read.calls, whole[:length]
        for call in read.calls:
            if isinstance(call, RawCall):
                assert (call.name, True) in [
                    (name, call.arguments.items() <= arguments.items()) for name, arguments in TWO
                ]


@given(messages)
@settings(max_examples=600)
def test_a_mutated_message_can_be_recorded_encoded_and_read_again(text: str) -> None:
    message = assistant_message({"content": text}, 100_000)
    read = parse_message(message, TOOLS)
    json.dumps([message, read.text, [list(call) for call in read.calls]], ensure_ascii=False).encode()
    assert parse_message(assistant_message(message, 100_000), TOOLS) == read
    assert all(isinstance(call, (RawCall, Problem)) for call in read.calls)


# In these forms, the name of the tool and the brackets around its arguments are all that tells a call from prose.
BARE = {"pythonic", "python lines", "gemma tool code", "llama 4 pythonic", "lfm2", "name as key"}


@given(
    st.sampled_from(sorted(set(FORMS) - BARE)),
    st.sampled_from(["drop", "double", "swap", "insert"]),
    st.floats(0, 0.999),
    st.integers(1, 6),
)
@settings(max_examples=400)
def test_a_damaged_message_does_not_become_an_answer(name: str, kind: str, share: float, size: int) -> None:
    """Of two calls with one mutation, at least one is read, or the agent is told what is wrong."""
    assert parse(mutated(FORMS[name](TWO), [(kind, share, size, "\n")])).calls


def without_checks(patch: pytest.MonkeyPatch) -> None:
    """Let every text be read in full, as if each quick check had found a sign of a call."""
    for name in ("is_prose", "has_tags"):
        patch.setattr(f"wideseek_env.parsing.message.{name}", lambda *given, name=name: name == "has_tags")
    for name in ("has_braces", "has_keys", "has_bracket", "has_label", "has_element", "follows"):
        patch.setattr(f"wideseek_env.parsing.untagged.{name}", lambda *given: True)
    patch.setattr("wideseek_env.parsing.untagged.mentions_of", lambda *given: None)  # every place is searched
    for module in ("message", "thoughts"):
        patch.setattr(
            f"wideseek_env.parsing.{module}.search_tag",
            lambda pattern, text, start=0, *_: pattern.search(text, start),
        )


@given(
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(sorted(WRAPPINGS)),
    st.dictionaries(st.sampled_from(["query", "url", "name"]), words, max_size=2),
)
@settings(max_examples=300)
def test_the_short_way_to_plain_calls_changes_nothing(
    name: str, wrapping: str, arguments: dict[str, str]
) -> None:
    text = WRAPPINGS[wrapping].format(FORMS[name]([("search", arguments), ("browse", {"url": "u"})]))
    with pytest.MonkeyPatch.context() as patch:
        quick = parse(text)
        patch.setattr("wideseek_env.parsing.message._plain_calls", lambda content, tools: None)
        without_checks(patch)
        assert parse(text) == quick


@given(st.text("search(){}<>[]tool_call/Action: \n\"'`", max_size=60))
def test_the_short_way_to_answers_changes_nothing(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick = parse(text)
        without_checks(patch)
        assert parse(text) == quick


RARE = (
    'search.call(query="a")',
    '{"name": "\\u0073earch", "\\u0061rguments": {"query": "a"}}',
    "<b>" * 20 + '<invoke name="search"><arg name="query">a</arg></invoke>',
    "<b>" * 20 + '<Tool_Call>{"name": "search", "arguments": {}}</Tool_Call>',
    'search.call   (query="a")',
    'search\t(query="a")\nsearch.call',
    "“name”: “search”, “arguments”: “x”",
    '"｛\'name\': \'search\', \'arguments\': ｛\'query\': \'a\'｝｝"',
    '{"name": "\\u0073earch", "arguments": {"query": "a"}}',
    '{"name": "lookup", "parameters": {"query": "a"}}',
    '{"name": "functions.search.call", "arguments": {"query": "a"}}',
    "Action：search\nAction Input：museum",
    'Tool: **search**\nTool Input: museum',
    "&lt;tool_call>{&quot;name&quot;: &quot;search&quot;, &quot;arguments&quot;: {}}&lt;/tool_call>",
    '<search><query>a</query></search>',
    '[tool_calls]search[ARGS]{"query": "a"} <b>',
    'call:search{"query": "a"}',
    'commentary to=functions.search code',
    "analysisI look.assistantfinalIt is 42.",
    "It is 42.<end_of_turn>\n<start_of_turn>user: search(query='a')",
    "<ns:think>search(query='a')</ns:think>It is 42.",
    "[THINK]search(query='a')[/THINK]It is 42.",
    "◁think▷search(query='a')◁/think▷It is 42.",
    "<｜DSML｜invoke name=\"search\"><｜DSML｜parameter name=\"query\">a</｜DSML｜parameter></｜DSML｜invoke>",
    "<start_function_call>call:search{query:<escape>a<escape>}<end_function_call>",
    "search\n<arg_key>query</arg_key>\n<arg_value>a</arg_value>",
    "<b>" * 20 + "<function=search><parameter=query>a</parameter></function>",
    "a < b " * 20 + "<think>search(query='a')</think>It is 42.",
    "to=functions.search" + " {" + '"query": "a"}',
    "search " * 300 + '\nsearch[ARGS]{"query": "a"}',
)  # fmt: skip


@pytest.mark.parametrize("text", RARE, ids=range(len(RARE)))
def test_the_quick_checks_see_rare_forms(text: str) -> None:
    quick = parse(text)
    assert quick.calls or quick.text != text  # the form has a meaning
    with pytest.MonkeyPatch.context() as patch:
        without_checks(patch)
        assert parse(text) == quick


@given(messages)
@settings(max_examples=300)
def test_the_quick_checks_change_nothing(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick = parse(text)
        patch.setattr("wideseek_env.parsing.message._plain_calls", lambda content, tools: None)
        without_checks(patch)
        assert parse(text) == quick
