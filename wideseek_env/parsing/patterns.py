r"""The patterns of calls without tags, for a set of tools, and quick checks that a text has none of these calls.

Most texts have no call, so the checks decide how long reading takes. Searching for one character is many times faster
than searching for a word. A pattern that begins with one literal character is nearly as fast. So each check begins with
a character that the form must have. A check may succeed where no call is. It never fails where a call is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from wideseek_env.parsing.calls import Tools

MAX_MENTIONS = 200
"""The most mentions of tools that a check looks at. If a text has more of them, the check succeeds."""

Mentions: TypeAlias = list[tuple[int, int]] | None
"""Where the names of tools begin and end in a text. None: there are more than `MAX_MENTIONS`."""

_KEYS = "name|tool_name|function_name|recipient_name|tool|function|action"
QUOTE = r"\\{0,8}+[\"'“”`]"
"""A quotation mark, which may be escaped."""

SHAPE = re.compile(
    rf"{QUOTE}name{QUOTE}\s*:\s*{QUOTE}[\w.:-]{{1,100}}{QUOTE}\s*,\s*{QUOTE}(?:arguments|parameters){QUOTE}\s*:"
)
"""The beginning of an object of a name and arguments."""

_PREFIX = r"(?:(?:functions|tools|default_api)\.)?"
_LABEL = r"(?:Action|Call|Tool|Function|Tool name|tool_name|Calling tool|✿FUNCTION✿)"
_INPUTS = r"(?:Action Input|Tool Input|tool_input|Arguments|Args|Parameters|Input|✿ARGS✿)"
_START = (
    rf"^[ \t>]*(?:[*_]*{_LABEL}[*_]*[ \t]*\d*[ \t]*[:：][*_]*[ \t]*|[-*][ \t]+|\d+[.)][ \t]+|(?:->|=>|@|>>>)[ \t]*"
    r"|<\|\w{1,20}\|>[ \t]*|```|function\s*<[|｜]tool[_▁]sep[|｜]>\s*|<(?:tool_)?name>\s*|[*_]{1,3}|await[ \t]+)?"
)
_BEFORE_OBJECT = (
    r"[`\"*_]*(?P<number>:\d+)?(?![\w(])"
    r"(?:\s|\[ARGS\]|\[CALL_ID\]\w*|<[|｜][^|｜<>]{1,40}[|｜]>|json\b|code\b"
    rf"|[*_]*{_INPUTS}[*_]*[ \t]*\d*[ \t]*[:：][*_]*"
    r"|with (?:the )?(?:arguments|parameters|input)\b|</?(?:tool_)?(?:name|arguments|parameters)>|[:=>`-])*+"
    r"(?:```(?:json)?\s*)?(?=\{\s*[\"'“\\}\w])"
)
AFTER_NAME_QUOTED = re.compile(rf"(?::\d+)?\s*{QUOTE}")
"""What comes after the name of a tool in an object."""

AFTER_NAME_HEADED = re.compile(_BEFORE_OBJECT)
"""What comes between the name of a tool and an object of arguments."""

AFTER_NAME_NEAR = re.compile(r" ?\(|\.call")
"""What comes after the name of a tool in nearly every call in Python's form."""

_AFTER_NAME_PYTHON = re.compile(r"(?:\.call)?[ \t]*\(")


class Patterns(NamedTuple):
    """The patterns for one set of tools. The first four find calls, and the others find signs of them."""

    object: re.Pattern[str]
    """``"name": "search"``, ``{"search": {``, or the shape of a call of any tool."""
    python: re.Pattern[str]
    """``search(`` at the start of a line, or ``[search(`` anywhere."""
    headed: re.Pattern[str]
    """``functions.search:0 {``, ``search[ARGS]{`` or ``Action: search … {``."""
    lines: re.Pattern[str]
    """``Action: search`` and a line ``Action Input: …`` that is no object."""
    bracket: re.Pattern[str]
    """A bracket after the name of a tool, or, in the group "far", after longer space, and then after any word."""
    labelled: re.Pattern[str]
    """The name of a tool after a colon."""
    labelled_wide: re.Pattern[str]
    """The name of a tool after a full-width colon."""
    element: re.Pattern[str]
    """A tag that has the name of a tool."""


def patterns_for(tools: Tools) -> Patterns:
    """The patterns for the names of `tools`."""
    return _patterns(frozenset(tools))


@lru_cache(maxsize=64)
def _patterns(tools: frozenset[str]) -> Patterns:
    escaped = [re.escape(name) for name in sorted(tools, key=lambda name: (-len(name), name))]
    names = "|".join(escaped)
    named = rf"{QUOTE}?\b(?:{_KEYS})\b{QUOTE}?\s*[:=]\s*{QUOTE}\s*{_PREFIX}(?:{names})(?::\d+)?\s*{QUOTE}"
    # The look at the last character of a name comes first: it is faster than a comparison with all names.
    last = "".join(sorted({re.escape(name[-1:] or "(") for name in tools}))
    close = "|".join(rf"(?<={name}\()" for name in escaped)
    apart = "|".join(rf"(?<={name} \()" for name in escaped)
    return Patterns(
        re.compile(rf"{named}|\{{\s*{QUOTE}{_PREFIX}(?:{names}){QUOTE}\s*:\s*\{{|{SHAPE.pattern}"),
        re.compile(
            rf"(?:(?P<list>\[)\s*|(?:{_START}|:[ \t]+)(?:print\(|\w{{1,40}}[ \t]*=[ \t]*)?(?:await[ \t]+)?`?)"
            rf"(?P<name>{_PREFIX}(?:{names})(?:\.call)?)[ \t]*\(",
            re.MULTILINE,
        ),
        re.compile(
            rf"(?:{_START}|(?P<strong>\bto=(?=functions\.)|(?<!\w)functions\."
            rf"|(?<!\w)(?={_PREFIX}(?:{names})\[ARGS\])))"
            rf"{_PREFIX}[`\"*_]*(?P<tool>{names}){_BEFORE_OBJECT}",
            re.MULTILINE,
        ),
        re.compile(
            rf"^[ \t*_]*(?:Action|Tool|Function|tool_name)[*_]*[ \t]*\d*[ \t]*[:：]"
            rf"[ \t*_`\"]*(?P<tool>{names})[`\"*_ \t]*"
            rf"(?:\[[^\]\n]{{1,500}}\]|\s*\n[ \t*_]*{_INPUTS}[*_]*[ \t]*\d*[ \t]*[:：].{{0,500}})",
            re.MULTILINE,
        ),
        re.compile(
            rf"\((?:(?<=[{last}]\()(?:{close})|(?<=[{last}] \()(?:{apart})"
            r"|(?<=\.call\()|(?<=\.call \()|(?P<far>(?<=[ \t][ \t]\()|(?<=\t\()))"
        ),
        re.compile(rf":[ \t*_`\"]*(?:{names})"),
        re.compile(rf"：[ \t*_`\"]*(?:{names})"),
        re.compile(rf"<(?:{names})>"),
    )


def has_braces(text: str) -> bool:
    """Whether `text` has a character with which objects are written."""
    return "{" in text or "“" in text or "｛" in text


def has_keys(text: str) -> bool:
    """Whether `text` may have an object with the name of any tool and arguments.

    A backslash may hide a name.
    """
    return "{" in text and "name" in text and ("arguments" in text or "parameters" in text or "\\" in text)


def mentions_of(text: str, tools: Tools) -> Mentions:
    """Where `text` mentions tools: the mentions of each tool in order."""
    mentions: list[tuple[int, int]] = []
    for name in tools:
        at = text.find(name)
        while at >= 0:
            if len(mentions) == MAX_MENTIONS:
                return None
            mentions.append((at, at + len(name)))
            at = text.find(name, at + 1)
    return mentions


def follows(pattern: re.Pattern[str], text: str, mentions: Mentions) -> bool:
    """Whether `pattern` matches after a mention of a tool."""
    return mentions is None or any(pattern.match(text, end) is not None for _, end in mentions)


def python_calls(text: str, tools: Tools, mentions: Mentions) -> Iterator[re.Match[str]]:
    """The matches of the pattern `Patterns.python` in `text`.

    The pattern is tried only where a match can begin. These places are the last bracket and the last colon before the
    name of a tool, and the starts of three lines: its own and the last two before it that are not blank.
    """
    pattern = patterns_for(tools).python
    if mentions is None:
        yield from pattern.finditer(text)
        return
    starts: set[int] = set()
    for begin, end in mentions:
        if _AFTER_NAME_PYTHON.match(text, end) is not None:
            starts.update((text.rfind("[", 0, begin), text.rfind(":", 0, begin)))
            line = text.rfind("\n", 0, begin) + 1
            if line not in starts:
                starts.add(line)
                for _ in range(2):
                    line = text.rfind("\n", 0, len(text[:line].rstrip())) + 1
                    starts.add(line)
    least = 0
    for start in sorted(starts):
        if start >= least and (match := pattern.match(text, start)) is not None:
            yield match
            least = match.end()


def has_bracket(text: str, tools: Tools) -> bool:
    """Whether a bracket follows the name of a tool."""
    if "(" not in text or not tools:
        return False
    brackets = patterns_for(tools).bracket.finditer(text)
    first = next(brackets, None)
    return first is not None and (
        first["far"] is None or ".call" in text or any(bracket["far"] is None for bracket in brackets)
    )


def has_label(text: str, tools: Tools) -> bool:
    """Whether the name of a tool follows a colon."""
    narrow, wide = ":" in text, "：" in text
    if not (narrow or wide) or not tools:
        return False
    patterns = patterns_for(tools)
    return (narrow and patterns.labelled.search(text) is not None) or (
        wide and patterns.labelled_wide.search(text) is not None
    )


def has_element(text: str, tools: Tools) -> bool:
    """Whether there is a tag that has the name of a tool."""
    return "<" in text and bool(tools) and patterns_for(tools).element.search(text) is not None
