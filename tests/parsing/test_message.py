"""Tool calls are read out of whatever a model writes, and what cannot be read is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wideseek_env.messages import assistant_message
from wideseek_env.parsing import (
    MAX_CALLS,
    Parsed,
    Problem,
    RawCall,
    load_lenient,
    parse_message,
    strip_thinking,
)


def parse(message: str | dict) -> Parsed:
    return parse_message(assistant_message(message, 2_000_000))


SEARCH = RawCall("search", {"query": "x"})

READABLE = {
    "plain": '<tool_call>\n{"name": "search", "arguments": {"query": "x"}}\n</tool_call>',
    "text around": 'Let me look.\n<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call> Done.',
    "json fence": '<tool_call>\n```json\n{"name": "search", "arguments": {"query": "x"}}\n```\n</tool_call>',
    "bare fence": '<tool_call>```\n{"name": "search", "arguments": {"query": "x"}}\n```</tool_call>',
    "fence without tags": 'Now:\n```json\n{"name": "search", "arguments": {"query": "x"}}\n```',
    "no tags at all": ' {"name": "search", "arguments": {"query": "x"}} ',
    "trailing commas": '<tool_call>{"name": "search", "arguments": {"query": "x",},}</tool_call>',
    "single quotes": "<tool_call>{'name': 'search', 'arguments': {'query': 'x'}}</tool_call>",
    "missing braces": '<tool_call>{"name": "search", "arguments": {"query": "x"</tool_call>',
    "missing end tag": '<tool_call>{"name": "search", "arguments": {"query": "x"}}',
    "missing end tag and braces": '<tool_call>{"name": "search", "arguments": {"query": "x"',
    "one brace too many": '<tool_call>{"name": "search", "arguments": {"query": "x"}}}</tool_call>',
    "parameters for arguments": '<tool_call>{"name": "search", "parameters": {"query": "x"}}</tool_call>',
    "arguments as text": '<tool_call>{"name": "search", "arguments": "{\\"query\\": \\"x\\"}"}</tool_call>',
    "wrapped in function": '<tool_call>{"function": {"name": "search", "arguments": {"query": "x"}}}</tool_call>',
    "after thinking": '<think>hm <tool_call>{"name": "no"}</tool_call></think><tool_call>{"name": "search", '
    '"arguments": {"query": "x"}}</tool_call>',
    "thinking opened by the prompt": 'hm</think>\n<tool_call>{"name": "search", "arguments": '
    '{"query": "x"}}</tool_call>',
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_bent_calls_are_understood(text: str) -> None:
    assert parse(text).calls == [SEARCH]


UNREADABLE = {
    "cut in a string": (
        '<tool_call>{"name": "search", "arguments": {"query": "mus',
        "cut_off_call",
        "middle of a string",
    ),
    "garbage": ("<tool_call>what?</tool_call>", "bad_json", "character 0"),
    "cut in a string, closed": ('<tool_call>{"name": "search", "argu</tool_call>', "bad_json", "string"),
    "empty": ("<tool_call>  </tool_call>", "empty_call", ""),
    "a number": ("<tool_call>12</tool_call>", "not_an_object", "int"),
    "no name": ('<tool_call>{"arguments": {}}</tool_call>', "no_name", ""),
    "name is no text": ('<tool_call>{"name": 3}</tool_call>', "no_name", ""),
    "arguments are a list": (
        '<tool_call>{"name": "search", "arguments": [1]}</tool_call>',
        "bad_arguments",
        "search",
    ),
    "too deep": ("<tool_call>" + "[" * 100_000 + "</tool_call>", "bad_json", "nested too deeply"),
    "bare and broken": ('{"name": "search", "arguments": {"query": "x', "bad_json", "middle of a string"),
    "endless thinking": ("<think>so many options", "unclosed_thinking", ""),
}


@pytest.mark.parametrize(("text", "code", "detail"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_wrong_is_named(text: str, code: str, detail: str) -> None:
    (problem,) = parse(text).calls
    assert isinstance(problem, Problem)
    assert problem.code == code
    assert detail in problem.detail


def test_several_calls_in_order_with_the_broken_one_in_its_place() -> None:
    call = '{"name": "search", "arguments": {"query": "x"}}'
    text = (
        f"<tool_call>{call}</tool_call><tool_call>{{broken</tool_call><tool_call>{call}\n{call}</tool_call>"
    )
    calls = parse(text).calls
    assert [type(c) for c in calls] == [RawCall, Problem, RawCall, RawCall]
    assert parse(f"<tool_call>[{call}, {call}]</tool_call>").calls == [SEARCH, SEARCH]


def test_a_block_without_end_tag_stops_at_the_next_one() -> None:
    call = '{"name": "search", "arguments": {"query": "x"}}'
    assert parse(f"<tool_call>{call}\n<tool_call>{call}</tool_call>").calls == [SEARCH, SEARCH]


def test_a_table_is_no_call_and_keeps_its_text() -> None:
    answer = "Here:\n```markdown\n| Name | Year |\n| --- | --- |\n| A | 1 |\n```\nbye"
    assert parse(f"<think>easy</think>{answer}") == Parsed(answer, [])
    assert parse("").calls == []
    assert parse('{"rows": [1, 2]}').calls == []
    assert parse('```json\n{"name": "Ann", "age": 3}\n```').calls == []


def test_native_calls_are_read_and_keep_their_ids() -> None:
    def native(name: str, arguments: object) -> dict:
        return {"id": "abc", "type": "function", "function": {"name": name, "arguments": arguments}}

    calls = parse({"content": None, "tool_calls": [native("search", '{"query": "x"}')]}).calls
    assert calls == [RawCall("search", {"query": "x"}, "abc")]
    assert parse({"tool_calls": [native("search", {"query": "x"})]}).calls[0].arguments == {"query": "x"}
    (broken,) = parse({"tool_calls": [native("search", '{"query": "x')]}).calls
    assert (broken.code, broken.native_id) == ("bad_json", "abc")
    (listed,) = parse({"tool_calls": [native("search", "[1]")]}).calls
    assert isinstance(listed, Problem)
    assert parse({"tool_calls": ["nonsense", {"function": None}]}).calls == [
        RawCall("", {}, "call_0"),
        RawCall("", {}, "call_1"),
    ]


def test_a_message_cut_off_by_the_length_limit_is_no_answer() -> None:
    (problem,) = parse({"content": "| Name |\n| --", "finish_reason": "length"}).calls
    assert problem.code == "cut_off"
    complete = {"content": READABLE["plain"], "finish_reason": "length"}
    assert parse(complete).calls == [SEARCH]


def test_many_blocks_are_counted_not_read() -> None:
    calls = parse('<tool_call>{"name": "a", "arguments": {}}</tool_call>' * 1000).calls
    assert len(calls) == MAX_CALLS + 1
    assert calls[-1] == Problem("too_many_blocks", str(MAX_CALLS))


@pytest.mark.parametrize(
    "unit",
    [
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        '{"name": ',
        "```json\n",
        "\\",
        '"',
        "[",
        "x",
        "<",
        "\ud800",
        "é",
    ],
)
def test_a_megabyte_of_garbage_is_survived(unit: str) -> None:
    parse(unit * (1_000_000 // len(unit)))
    parse("<tool_call>" + unit * (1_000_000 // len(unit)))


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse(text)
    parse(f"<tool_call>{text}</tool_call>")
    load_lenient(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), json_values), st.from_regex(r"\A[\w-]{1,64}\Z"))
def test_every_valid_call_is_read_exactly(arguments: dict, name: str) -> None:
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=True)
    (read,) = parse(f"<tool_call>{call}</tool_call>").calls
    assert read == RawCall(name, arguments)


@given(st.dictionaries(st.text(), json_values, min_size=1), st.floats(0, 1))
def test_a_call_cut_short_is_repaired_or_refused_but_never_misread(arguments: dict, share: float) -> None:
    text = json.dumps(arguments)
    value, error = load_lenient(text[: max(1, int(share * (len(text) - 1)))])
    if not error:
        assert isinstance(value, dict)
        assert set(value) <= set(arguments)


def test_thinking_is_cut_out() -> None:
    assert strip_thinking("a<think>b</think>c<think>d</think>e") == ("ace", False)
    assert strip_thinking("b</think>c") == ("c", False)
    assert strip_thinking("a<think>b") == ("a", True)
    assert strip_thinking("a<think>b<think>c</think>d") == ("ad", False)


@given(
    st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner) | st.integers())
)
def test_any_mapping_becomes_a_message_and_recording_it_twice_changes_nothing(value: object) -> None:
    message = {
        "content": value,
        "tool_calls": [value, {"id": value, "function": {"name": value, "arguments": value}}],
    }
    once = assistant_message(message, 1000)
    assert assistant_message(once, 1000) == once
    json.dumps(once).encode()
    parse_message(once)
