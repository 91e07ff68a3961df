"""Thoughts and calls in chat servers' answers, in the forms that servers send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from scripted_server import Asked, Raw, ScriptedServer

from wideseek_baselines.engines.base import Generation, Request, Sampling
from wideseek_baselines.engines.openai import OpenAIEngine
from wideseek_env.messages import assistant_message
from wideseek_env.parsing import RawCall, parse_message

pytest.importorskip("httpx")

HELLO = [{"role": "user", "content": "Hello"}]
FUNCTION = {"name": "search", "arguments": '{"query": "x"}'}
OBJECT = {"name": "search", "arguments": {"query": "x"}}
DRAFT = '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'


def body(message: dict[str, Any], finish: str = "stop") -> Raw:
    choice = {"message": {"role": "assistant", **message}, "finish_reason": finish}
    return Raw(body=json.dumps({"choices": [choice]}).encode())


def answers(script: Any, *conversations: list[dict[str, Any]]) -> tuple[list[Generation], list[Asked]]:
    """What the engine makes of a server's answers, and what it asked."""

    async def run(url: str) -> list[Generation]:
        engine = OpenAIEngine(url, "m")
        await engine.start()
        try:
            return [
                await engine.generate(Request("a", Sampling(), messages=messages))
                for messages in conversations
            ]
        finally:
            await engine.close()

    with ScriptedServer(script) as server:
        return asyncio.run(run(server.url)), list(server.asked)


def read(message: dict[str, Any], finish: str = "stop") -> tuple[dict[str, Any], Any]:
    """The message, and what the environment reads in it."""
    (made,), _ = answers([body(message, finish)], HELLO)
    assert made.message is not None
    cut = {"finish_reason": "length"} if made.finish_reason == "length" else {}
    return made.message, parse_message(assistant_message({**made.message, **cut}, 10_000))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("content", [None, "", " \n"])
@pytest.mark.parametrize("finish", ["length", "stop"])
@pytest.mark.parametrize("thought", ["Hm", DRAFT])
def test_a_thought_alone_is_no_answer(field: str, content: Any, finish: str, thought: str) -> None:
    message, parsed = read({"content": content, field: thought}, finish)
    assert message["content"] == f"<think>\n{thought}"
    assert [call.code for call in parsed.calls] == ["unclosed_thinking"]


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Yes.", "reasoning_content": f"Hm {DRAFT}"},
        {"content": "Yes.", "reasoning": f"Hm {DRAFT}", "reasoning_content": None},
        {"content": "\n\nYes.\n", "reasoning": f"Hm {DRAFT}"},
        {"content": "</think>\n\nYes.", "reasoning": f"Hm {DRAFT}"},
        {"content": "Yes.", "reasoning": f"</think> {DRAFT}"},
        {"content": [{"type": "thinking", "thinking": DRAFT}, {"type": "text", "text": "Yes."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]}, "Yes."]},
        {"content": f"<think>{DRAFT}</think>Yes."},
        {"content": f"Hm {DRAFT}</think>\n\nYes."},
        {"content": "Yes.", "reasoning": None, "tool_calls": None, "function_call": None},
        {"content": "Yes.", "reasoning": "", "tool_calls": []},
        {"content": "Yes.", "reasoning": {"effort": "low"}, "tool_calls": [None]},
    ],
)
def test_a_thought_next_to_an_answer(message: dict[str, Any]) -> None:
    assert read(message)[1] == ("Yes.", [])


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"id": "a", "type": "function", "function": FUNCTION}]},
        {"tool_calls": [{"id": "a", "function": OBJECT}]},
        {"tool_calls": [{"id": None, "index": 0, "function": FUNCTION}]},
        {"tool_calls": [{"id": "a", **FUNCTION}]},
        {"tool_calls": [OBJECT]},
        {"tool_calls": [None, {"function": FUNCTION}, {}]},
        {"tool_calls": {"3": {"function": FUNCTION}}},
        {"tool_calls": {"id": "a", "function": FUNCTION}},
        {"tool_calls": [{"function": "search", "arguments": {"query": "x"}}]},
        {"tool_calls": [{"function": {"name": "search", "parameters": {"query": "x"}}}]},
        {"tool_calls": [{"type": "custom", "custom": {"name": "search", "input": '{"query": "x"}'}}]},
        {"function_call": FUNCTION},
        {"function_call": OBJECT, "tool_calls": []},
        {"function_call": FUNCTION, "tool_calls": None, "reasoning": "Hm"},
        {"tool_calls": [{"function": FUNCTION}], "reasoning": f"Hm {DRAFT}"},
    ],
)
@pytest.mark.parametrize("content", [None, "I look."])
def test_forms_of_a_call(message: dict[str, Any], content: Any) -> None:
    made, parsed = read({"content": content, **message}, "tool_calls")
    (call,) = made["tool_calls"]
    assert (call["id"], call["type"]) == (call["id"] or None, "function")
    assert isinstance(parsed.calls[0], RawCall)
    assert parsed.calls[0][:2] == ("search", {"query": "x"})
    assert parsed.text == (content or "")


@pytest.mark.parametrize(
    "call", [{"id": "a"}, {"function": None}, {"function": {"arguments": "{}"}}, "x", 7, [1]]
)
def test_a_call_without_a_name_is_not_lost(call: Any) -> None:
    made, parsed = read({"content": "", "tool_calls": [call]})
    assert len(made["tool_calls"]) == len(parsed.calls) == 1
    assert not (isinstance(parsed.calls[0], RawCall) and parsed.calls[0].name)


@pytest.mark.parametrize(
    "ids", [["a", "a", "a"], [None, None, None], ["call_1", None, "call_1"], ["", "call_0", "call_0"]]
)
def test_ids_of_calls_are_unique(ids: list[Any]) -> None:
    made, _ = read({"content": "", "tool_calls": [{"id": one, "function": FUNCTION} for one in ids]})
    got = [call["id"] for call in made["tool_calls"]]
    assert len(set(got)) == 3
    assert all(got)


THOUGHT = {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nYes."}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_go_back_in_the_field_of_the_server(field: str) -> None:
    later = [*HELLO, THOUGHT, {"role": "user", "content": "Sure?"}]
    _, asked = answers([body({"content": "Yes.", field: "Hm."})], HELLO, later)
    assert asked[1].body["messages"][1] == {"role": "assistant", "content": "Yes.", field: "Hm."}


def test_thoughts_in_the_text_go_back_as_they_came() -> None:
    later = [*HELLO, THOUGHT, {"role": "user", "content": "Sure?"}]
    _, asked = answers([body({"content": THOUGHT["content"]})], HELLO, later)
    assert asked[1].body["messages"][1] == THOUGHT


def test_a_server_that_refuses_thoughts_gets_none() -> None:
    later = [*HELLO, THOUGHT, {"role": "user", "content": "Sure?"}]

    def script(asked: Asked) -> Raw:
        if any("reasoning_content" in message for message in asked.body["messages"]):
            return Raw(400, b'{"error": {"message": "reasoning_content is not allowed in messages"}}')
        return body({"content": "Yes.", "reasoning_content": "Hm."})

    _, asked = answers(script, HELLO, later, later)
    assert [len(one.body["messages"]) for one in asked] == [1, 3, 3, 3]
    for one in asked[2:]:
        assert one.body["messages"][1] == {"role": "assistant", "content": "Yes."}


def test_special_tokens_are_requested_from_vllm() -> None:
    import wideseek_baselines.engines.openai as module

    found = module.Found(True, None)

    async def look(*_: Any) -> Any:
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "look", look)
        _, asked = answers([body({"content": "Yes."})], HELLO)
    assert asked[0].body["skip_special_tokens"] is False
    _, asked = answers([body({"content": "Yes."})], HELLO)
    assert "skip_special_tokens" not in asked[0].body, "other servers may refuse it"
