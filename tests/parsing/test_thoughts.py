"""Thoughts are told from text, in the tags of every family, and also if the prompt opened them."""

from __future__ import annotations

import pytest

from wideseek_env.messages import assistant_message
from wideseek_env.parsing import Problem, RawCall, open_thought, parse_message, strip_thinking, thoughts_of

PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("<think:opensource>", "</think:opensource>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<ifm|think_fast>", "</ifm|think_fast>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought", "<channel|>"),
]
CALL = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'
DRAFT = '<tool_call>{"name": "browse", "arguments": {"url": "no"}}</tool_call>'


def calls(text: str, **more: object) -> list[RawCall | Problem]:
    return parse_message(assistant_message({"content": text, **more}, 100_000), ["search", "browse"]).calls


@pytest.mark.parametrize(("opener", "closer"), PAIRS)
def test_a_thought_is_no_text_and_no_call(opener: str, closer: str) -> None:
    text = f"{opener}\nPerhaps {DRAFT}?\n{closer}\nI look. {CALL}"
    assert calls(text) == [RawCall("search", {"query": "x"})]
    assert strip_thinking(f"{opener}a{closer}b{opener}c{closer}d") == ("bd", False)
    assert [thought.strip() for thought in thoughts_of(f"{opener}\na\n{closer}b")] == ["a"]


@pytest.mark.parametrize(("opener", "closer"), PAIRS)
def test_a_thought_without_an_end_is_neither_a_call_nor_an_answer(opener: str, closer: str) -> None:
    for more in ({}, {"finish_reason": "length"}):
        assert [call.code for call in calls(f"{opener}\nPerhaps {DRAFT}", **more)] == ["unclosed_thinking"]  # type: ignore[union-attr]
    assert strip_thinking(f"a{opener}b") == ("a", True)


@pytest.mark.parametrize(("opener", "closer"), PAIRS[:-1])
def test_a_thought_that_the_prompt_opened(opener: str, closer: str) -> None:
    assert calls(f"Perhaps {DRAFT}?\n{closer}\n{CALL}") == [RawCall("search", {"query": "x"})]
    assert open_thought(f"<|im_start|>assistant\n{opener}\n") == opener
    assert open_thought(f"<|im_start|>assistant\n{opener}") == opener
    assert open_thought(f"{opener}\n\n{closer}\n\n") == ""
    assert open_thought(f"{opener} and so on") == ""


def test_prompts_that_leave_no_thought_open() -> None:
    for prompt in (
        "",
        "<|im_start|>assistant\n",
        "What does <think> mean?\n",
        "<think>\n\n</think>\n\n",
        "a" * 10_000,
    ):
        assert open_thought(prompt) == ""
    assert (
        open_thought("<|start|>assistant<|channel|>analysis<|message|>") == "<|channel|>analysis<|message|>"
    )


@pytest.mark.parametrize("tag", ["<think>", "</think>", "[THINK]", "</thinking>", "<seed:think>"])
@pytest.mark.parametrize(
    "form",
    [
        '<tool_call>{{"name": "search", "arguments": {{"query": "the {} tag"}}}}</tool_call>',
        "<function=search><parameter=query>the {} tag</parameter></function>",
        "<tool_call>search<arg_key>query</arg_key><arg_value>the {} tag</arg_value></tool_call>",
        '<invoke name="search"><parameter name="query">the {} tag</parameter></invoke>',
    ],
)
def test_a_tag_inside_an_argument_is_text(form: str, tag: str) -> None:
    assert calls(form.format(tag)) == [RawCall("search", {"query": f"the {tag} tag"})]


HARMONY = {
    "thought and answer": (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi",
        "Hi",
        ["hm"],
        [],
    ),
    "answer alone": ("<|channel|>final<|message|>Hi<|return|>", "Hi", [], []),
    "preamble and call": (
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.search"
        '<|constrain|>json<|message|>{"query": "x"}<|call|>',
        "I look.",
        [],
        [RawCall("search", {"query": "x"})],
    ),
    "call in the thought": (
        "<|channel|>analysis<|message|>try <tool_call>{}</tool_call><|end|><|start|>assistant"
        "<|channel|>final<|message|>Hi",
        "Hi",
        ["try <tool_call>{}</tool_call>"],
        [],
    ),
    "thought without an end": (
        "<|channel|>analysis<|message|>hm",
        "",
        ["hm"],
        [Problem("unclosed_thinking")],
    ),
    "call without arguments": (
        "<|channel|>commentary to=functions.search <|constrain|>json",
        "",
        [],
        [Problem("cut_off_call", "it ends before its arguments")],
    ),
    "cut in its arguments": (
        '<|channel|>commentary to=functions.search<|message|>{"query": "mus',
        "",
        [],
        [Problem("cut_off_call", "it ends in the middle of a string")],
    ),
    "recipient from the prompt": (
        ' to=functions.search<|channel|>commentary<|message|>{"query": "x"}<|call|>',
        "",
        [],
        [RawCall("search", {"query": "x"})],
    ),
    "call on the analysis channel": (
        '<|channel|>analysis to=functions.search<|message|>{"query": "x"}<|call|>',
        "",
        [],
        [RawCall("search", {"query": "x"})],
    ),
    "no end markers": (
        '<|channel|>analysis<|message|>hm<|channel|>commentary to=search<|message|>{"query": "x"}',
        "",
        ["hm"],
        [RawCall("search", {"query": "x"})],
    ),
}


@pytest.mark.parametrize(("text", "visible", "thoughts", "written"), HARMONY.values(), ids=HARMONY)
def test_harmony(text: str, visible: str, thoughts: list[str], written: list[RawCall | Problem]) -> None:
    read = parse_message(assistant_message(text, 100_000), ["search", "browse"])
    assert (read.text, thoughts_of(text), read.calls) == (visible, thoughts, written)
