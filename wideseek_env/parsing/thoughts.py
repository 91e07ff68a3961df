"""Finds the thinking in a model's text: between ``<think>`` and ``</think>``, or the tags that other families use.

The tags are those of published chat templates: Qwen, DeepSeek, GLM, Kimi, MiniMax, Seed-OSS, Mistral, Cohere, Gemma,
LongCat and others. Thinking in harmony's channels (gpt-oss) is read in `wideseek_env.parsing.harmony`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from wideseek_env.parsing.tags import search_tag

_NAME = (
    r"(?:[a-z]{1,12}[:|])?(?:think|thinking|thoughts?|reason|reasoning|reflection|scratch_?pad|inner_(?:thoughts|monologue))(?:_fast|_faster)?(?::\w{1,40})?"
    r"|longcat_think"
)
_PAIRS = (
    (rf"<((?i:{_NAME}))\s*>", r"(?i:</{}\s*>)"),
    (r"\[(THINK)\]", r"\[/{}\]"),
    (r"<\|START_(THINKING)\|>", r"<\|END_{}\|>"),
    (r"<\|begin_of_(thought)\|>", r"<\|end_of_{}\|>"),
    (r"<\|open\|>(think)<\|sep\|>", r"<\|close\|>{}<\|sep\|>"),
    (r"◁(think)▷", r"◁/{}▷"),
    (r"<\|channel>(thought)", r"<channel\|>"),
)
"""The pattern of each opening tag, and the pattern of its closing tag with the name from the opening tag."""

_OPEN = re.compile("|".join(opener for opener, _ in _PAIRS))
_CLOSE = re.compile(
    rf"</(?i:{_NAME})\s*>|\[/THINK\]|<\|END_THINKING\|>|<\|end_of_thought\|>|<\|close\|>think<\|sep\|>|◁/think▷|<channel\|>"
)
# The text of a call's argument is no thinking, so a tag in it has no meaning.
_ARGUMENT = re.compile(r"<(?:[|｜]DSML[|｜])?param(?:eter)?[=\s][^<>]{1,200}>|<arg_value>")
_EVENT = re.compile(
    f"(?P<open>{_OPEN.pattern})|(?P<close>{_CLOSE.pattern})|(?P<argument>{_ARGUMENT.pattern})"
)
_BEGINS = re.compile(
    r"<(?:[|｜]|/?(?:[A-Za-zſK]{1,12}+[:|]|(?=[TtRrSsſIiLlCcPpAa])"
    r"(?i:think|thought|reason|reflection|scratch|inner_|longcat|channel|param|arg_value)))"
)
"""The beginning of every tag in angle brackets that these patterns find."""
_CALL = re.compile(r"<(?:function|parameter|invoke|tool_call|arg_key)")
_IN_STRING = re.compile(r"""[:=(\[,]\s*(?:"(?:[^"\\\n]|\\.)*+|'(?:[^'\\\n]|\\.)*+)\Z""")
_ENDS_OPEN = re.compile(rf"(?:{_OPEN.pattern}|<\|channel\|>analysis<\|message\|>)\s*\Z")

MAX_CHECKS = 64
"""The most tags of a message that are checked for being quoted. It bounds the time for hostile text."""

MAX_ARGUMENT = 20_000
"""The longest argument in which tags of thoughts are text."""

_BACK = 1000
"""How many characters before a tag are read to see whether the tag is quoted."""


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
    only_angles = not ("◁" in text or ("[" in text and "THINK]" in text))
    kept: list[str] = []
    thoughts: list[str] = []
    position = at = checks = 0
    while (event := _search(_EVENT, text, at, only_angles)) is not None:
        at = event.end()
        if event["argument"] is None:
            checks += 1
            if checks <= MAX_CHECKS and _is_quoted(text, event):
                continue
        if event["open"]:
            kept.append(text[position : event.start()])
            end = _search(_closer(event["open"]), text, at, only_angles)
            thoughts.append(text[at : end.start() if end is not None else len(text)])
            if end is None:
                return Thinking("".join(kept), thoughts, True)
            position = at = end.end()
        elif event["close"]:
            thoughts.append("".join([*kept, text[position : event.start()]]))
            kept.clear()
            position = at
        elif checks < MAX_CHECKS:
            checks += 1
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


def _search(pattern: re.Pattern[str], text: str, start: int, only_angles: bool) -> re.Match[str] | None:
    """The first match of a pattern for tags. If all tags have angle brackets, trying it at those is faster."""
    return search_tag(pattern, text, start, _BEGINS) if only_angles else pattern.search(text, start)


@lru_cache(maxsize=64)
def _closer(opener: str) -> re.Pattern[str]:
    """The pattern of the tag that ends the thought that `opener` begins."""
    for pattern, closer in _PAIRS:
        if (found := re.fullmatch(pattern, opener)) is not None:
            return re.compile(closer.replace("{}", re.escape(found[1])))
    raise ValueError(opener)


def _is_quoted(text: str, tag: re.Match[str]) -> bool:
    """Whether a tag is between backticks, in a row of a table, or in the string of an argument."""
    start = tag.start()
    if (
        text[start - 1 : start] == "`"
        and text[start - 2 : start - 1] != "`"
        and text[tag.end() : tag.end() + 1] == "`"
    ):
        return True
    line = text[text.rfind("\n", max(0, start - _BACK), start) + 1 if start else 0 : start][-_BACK:]
    return line.lstrip().startswith("|") or _IN_STRING.search(line) is not None


def _end_of_argument(text: str, tag: re.Match[str]) -> int:
    """The end of the argument that begins with `tag`. If it has no end, the end of its tag."""
    closing = "</arg_value>" if tag[0] == "<arg_value>" else "</parameter>"
    end = text.find(closing, tag.end(), tag.end() + MAX_ARGUMENT)
    return end if end >= 0 and _CALL.search(text, tag.end(), end) is None else tag.end()
