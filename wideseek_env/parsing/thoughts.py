"""Finds the thinking in a model's text: between ``<think>`` and ``</think>``, or the tags that other families use.

The tags are those of published chat templates: Qwen, DeepSeek, GLM, Kimi, MiniMax, Seed-OSS, Mistral, Cohere, Gemma,
LongCat and others. Thinking in harmony's channels (gpt-oss) is read in `wideseek_env.parsing.harmony`.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_PAIRS = (
    (
        r"<((?:[a-z]{1,12}[:|])?(?:think|thinking|thought)(?:_fast|_faster)?(?::\w{1,40})?|longcat_think)>",
        "</{}>",
    ),
    (r"\[(THINK)\]", "[/{}]"),
    (r"<\|START_(THINKING)\|>", "<|END_{}|>"),
    (r"<\|begin_of_(thought)\|>", "<|end_of_{}|>"),
    (r"<\|open\|>(think)<\|sep\|>", "<|close|>{}<|sep|>"),
    (r"◁(think)▷", "◁/{}▷"),
    (r"<\|channel>(thought)", "<channel|>"),
)
_CLOSERS = (
    r"</((?:[a-z]{1,12}[:|])?(?:think|thinking|thought)(?:_fast|_faster)?(?::\w{1,40})?|longcat_think)>",
    r"\[/THINK\]",
    r"<\|END_THINKING\|>",
    r"<\|end_of_thought\|>",
    r"<\|close\|>think<\|sep\|>",
    r"◁/think▷",
)
_OPEN = re.compile("|".join(opener for opener, _ in _PAIRS))
_CLOSE = re.compile("|".join(_CLOSERS))
_HINT = re.compile(r"think|thought|THINK|<\|channel")
# The text of a call's argument is no thinking, so a tag in it has no meaning.
_ARGUMENT = re.compile(r"<(?:[|｜]DSML[|｜])?param(?:eter)?[=\s][^<>]{1,200}>|<arg_value>")
_JSON_CALL = re.compile(r"(?:<[^<>\s]{0,40}tool_?calls?[^<>\s]{0,40}>|\[TOOL_CALLS\])\s*(?=[{\[])")
_EVENT = re.compile(
    f"(?P<open>{_OPEN.pattern})|(?P<close>{_CLOSE.pattern})|(?P<argument>{_ARGUMENT.pattern})|"
    f"(?P<json>{_JSON_CALL.pattern})"
)
_ENDS_OPEN = re.compile(rf"(?:{_OPEN.pattern}|<\|channel\|>analysis<\|message\|>)\s*\Z")
_decode = json.JSONDecoder(strict=False).raw_decode

MAX_SKIPPED = 64
"""The most calls whose arguments are protected from being read as thinking. It bounds the time for hostile text."""


class Thinking(NamedTuple):
    """A text in two parts: what is `visible`, and the `thoughts`. `unclosed` says whether the last thought has no
    end."""

    visible: str
    thoughts: list[str]
    unclosed: bool


def strip_thinking(text: str) -> tuple[str, bool]:
    """`text` without its thinking, and whether a thought was left open."""
    visible, _, unclosed = split_thinking(text)
    return visible, unclosed


def split_thinking(text: str) -> Thinking:
    """The visible part of `text`, and its thoughts without their tags.

    Some chat templates open the thought in the prompt. So a closing tag without an opening tag ends a thought that
    began in the prompt. Tags inside the arguments of a call are part of the argument.
    """
    if _HINT.search(text) is None:
        return Thinking(text, [], False)
    kept: list[str] = []
    thoughts: list[str] = []
    position = at = skipped = 0
    while (event := _EVENT.search(text, at)) is not None:
        at = event.end()
        if event["open"]:
            kept.append(text[position : event.start()])
            closer = _closer(event["open"])
            end = text.find(closer, at)
            thoughts.append(text[at : end if end >= 0 else len(text)])
            if end < 0:
                return Thinking("".join(kept), thoughts, True)
            position = at = end + len(closer)
        elif event["close"]:
            if not thoughts:
                thoughts.append(text[: event.start()])
                position = at
        elif skipped < MAX_SKIPPED:
            skipped += 1
            at = _end_of_argument(text, event)
    kept.append(text[position:])
    return Thinking("".join(kept), thoughts, False)


def open_thought(prompt: str) -> str:
    """The opening tag of the thought that the end of `prompt` leaves open, for example ``<think>``, or "".

    A chat template may end the prompt with such a tag. Then the model's text begins inside a thought. A policy puts the
    tag before the sampled text, so that the message shows the whole thought.
    """
    found = _ENDS_OPEN.search(prompt, max(0, len(prompt) - 200))
    return found[0].rstrip() if found is not None else ""


def _closer(opener: str) -> str:
    """The tag that ends the thought that `opener` begins."""
    for pattern, closer in _PAIRS:
        if (found := re.fullmatch(pattern, opener)) is not None:
            return closer.format(found[1])
    return "</think>"


def _end_of_argument(text: str, event: re.Match[str]) -> int:
    """The end of the call or argument that begins at `event`. If it has no end, the end of its tag."""
    at = event.end()
    if event["json"]:
        try:
            return _decode(text, at)[1]
        except (ValueError, RecursionError):
            return at
    closing = "</arg_value>" if event["argument"] == "<arg_value>" else "</parameter>"
    end = text.find(closing, at)
    return end if end >= 0 else at
