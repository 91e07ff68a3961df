"""What a chat template supports and how it ends a turn, found out by rendering small test conversations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from wideseek_baselines.tokens.encoding import Encoder
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Message

Tools: TypeAlias = Sequence[Mapping[str, Any]]
Render: TypeAlias = Callable[[Sequence[Message], Tools, bool], str]
"""Renders messages and tool schemas. With True, the text ends with the beginning of the assistant's next turn."""

SYSTEM, USER, ANSWER, RESULT = "probeofsystem", "probeofuser", "probeofanswer", "probeofresult"
_FIRST, _SECOND, _THOUGHT = "probeoftool", "probeofother", "probeofthought"
_TOOL = {
    "type": "function",
    "function": {"name": _FIRST, "description": "", "parameters": {"type": "object", "properties": {}}},
}
_THOUGHT_FIELDS = ("reasoning_content", "thinking", "reasoning")


@dataclass(frozen=True, slots=True)
class Features:
    """What one chat template supports. `probe` makes it."""

    system: bool
    """It has a system role."""
    tools: bool
    """It shows tool schemas."""
    tool_role: bool
    """It has a role for tool results."""
    result_needs_call: bool
    """A tool result must follow an assistant's message with native calls."""
    calls: bool
    """It shows native calls."""
    several_calls: bool
    """It shows all native calls of a message, and not only the first."""
    any_id: bool
    """Calls may have any id. Otherwise an id must have nine letters or digits."""
    thought_field: str
    """The field of a message in which it expects thoughts, or "" if thoughts belong to the content."""
    thought_and_text: bool
    """A message with native calls may have both a thought and text."""
    turn_end: str
    """The special token that ends an assistant's turn, or "" if it writes none."""
    call_end: str
    """The special token that ends an assistant's turn with native calls, or ""."""
    next_turns: tuple[str, ...]
    """If it writes no end of an assistant's turn: the special tokens with which the next turn begins."""
    answered: str
    """A question and an answer, as it renders them."""
    called: str
    """A question and an assistant's message with a native call, as it renders them. "" if it shows no calls."""


def probe(render: Render, encoder: Encoder) -> Features:
    """Find out what a template supports.

    Args:
        render: Renders a conversation, or raises `ConfigError`.
        encoder: The encoder of the template's tokenizer.

    Raises:
        ConfigError: The template does not render a user's message.
    """
    user = message("user", USER)

    def shown(messages: Sequence[Message], tools: Tools = (), ask: bool = True) -> str:
        try:
            return render(messages, tools, ask)
        except ConfigError:
            return ""

    if USER not in render([user], (), True):
        raise ConfigError(
            "the chat template does not render user messages: use another tokenizer or chat template"
        )
    answer, result = message("assistant", ANSWER), message("tool", RESULT)
    called = calling(_call(_FIRST, "probecall"))
    loop = [user, called, {**result, "tool_call_id": "probecall"}]
    calls = _FIRST in shown([user, called])
    plain_role = RESULT in shown([user, answer, result])
    role = plain_role or (calls and RESULT in shown(loop))
    both = shown([user, calling(_call(_FIRST, "probecall"), _call(_SECOND, "probeothr"))])
    short = [user, calling(_call(_FIRST, "call_0")), {**result, "tool_call_id": "call_0"}]
    field, thought_and_text = _thoughts(shown, loop if role and not plain_role else [user, answer, result])
    ended = shown([user, answer], ask=False)
    rest = ended[ended.rindex(ANSWER) + len(ANSWER) :] if ANSWER in ended else ""
    found = encoder.found(rest)
    turn_end = found[0] if found and rest.lstrip().startswith(found[0]) else ""
    follow = () if turn_end else (shown([user, answer, user]), shown([user, answer, result]), shown(loop))
    return Features(
        system=SYSTEM in shown([message("system", SYSTEM), user]),
        tools=_FIRST in shown([user], [_TOOL]),
        tool_role=role,
        result_needs_call=role and not plain_role,
        calls=calls,
        several_calls=_FIRST in both and _SECOND in both,
        any_id=not calls or bool(shown(short) if role else shown(short[:2])),
        thought_field=field,
        thought_and_text=thought_and_text,
        turn_end=turn_end,
        call_end=_call_end(shown, encoder) if calls else "",
        next_turns=tuple(sorted(_next_turns(follow, encoder))),
        answered=ended,
        called=shown([user, called], ask=False) if calls else "",
    )


def message(role: str, text: str) -> Message:
    """A message without calls."""
    return {"role": role, "content": text}


def calling(*calls: Mapping[str, Any]) -> Message:
    """An assistant's message with native calls and without text."""
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def _call(name: str, call_id: str) -> Message:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": {}}}


def _thoughts(shown: Callable[[Sequence[Message]], str], loop: list[Message]) -> tuple[str, bool]:
    """The field for thoughts, and whether a message with calls may have a thought and text.

    No field is needed if the template finds ``<think>`` in a content by itself.
    """
    before, said, after = loop
    inside = shown([before, {**said, "content": f"<think>\n{_THOUGHT}\n</think>\n\n{ANSWER}"}, after])
    for field in _THOUGHT_FIELDS:
        for text in (ANSWER, ""):
            apart = shown([before, {**said, "content": text, field: _THOUGHT}, after])
            if _THOUGHT in apart and "".join(apart.split()) != "".join(inside.split()):
                return field, bool(text)
            if _THOUGHT in apart:
                break
    return "", True


def _call_end(shown: Callable[..., str], encoder: Encoder) -> str:
    """The last special token after the last of two calls that is not also between the calls."""
    user = message("user", USER)
    text = shown([user, calling(_call(_FIRST, "probecall"), _call(_SECOND, "probeothr"))], ask=False)
    between: list[str] = []
    if _SECOND in text:
        between = encoder.found(text[text.index(_FIRST) : text.rindex(_SECOND)])
        text = text[text.rindex(_SECOND) :]
    else:
        text = text or shown([user, calling(_call(_FIRST, "probecall"))], ask=False)
        text = text[text.rindex(_FIRST) :] if _FIRST in text else ""
    ends = [token for token in encoder.found(text) if token not in between]
    return ends[-1] if ends and text.rstrip().endswith(ends[-1]) else ""


def _next_turns(texts: Sequence[str], encoder: Encoder) -> set[str]:
    """The special tokens that directly follow an answer or precede a result."""
    tokens = set()
    for text in texts:
        if ANSWER in text:
            rest = text[text.rindex(ANSWER) + len(ANSWER) :]
        elif RESULT in text and _FIRST in text:
            rest = text[text.rindex(_FIRST) : text.index(RESULT)]
        else:
            continue
        found = encoder.found(rest)
        if found and (ANSWER not in text or rest.lstrip().startswith(found[0])):
            tokens.add(found[0] if ANSWER in text else found[-1])
    return tokens
