"""The tags that stand around calls, in the spellings of the families of models."""

from __future__ import annotations

import re

DSML = r"\s?[|｜‖]{1,2}\s?DSML\s?[|｜‖]{1,2}\s?"
_TAG = rf"(?:{DSML}|(?!end_)[a-z]{{1,12}}[:_|])?(?:tool_?calls?|function_?calls?|tool_use|tool_code)(?::\w{{1,40}})?"
_BARS = (
    r"tool[_▁]calls?|tool[_▁]calls?[_▁](?:section[_▁])?(?:begin|start)|START_ACTION|action_start|tools_prefix|"
    r"python_tag|python_start|plugin|interpreter"
)
_BARS_END = (
    r"/tool[_▁]calls?|tool[_▁]calls?[_▁](?:section[_▁])?end|END_ACTION|action_end|tools_suffix|python_end|"
    r"eom_id|eot_id|im_end|end▁of▁sentence"
)
_OPEN = rf"<{_TAG}(?:\s[^<>]{{0,200}})?>|<[|｜](?:{_BARS})[|｜]>|<\|tool_call>|<start_function_call>|\[TOOL_CALLS\]"
_CLOSE = rf"</{_TAG}\s*>|<[|｜](?:{_BARS_END})[|｜]>|<tool_call\|>|<end_function_call>|\[/TOOL_CALLS\]|</s>|<bot_end>"

OPEN = re.compile(_OPEN, re.IGNORECASE)
"""A tag after which a call begins."""

CLOSE = re.compile(_CLOSE, re.IGNORECASE)
"""A tag before which a call ends."""

_EDGE = re.compile(f"(?:{_OPEN})|(?P<close>{_CLOSE})", re.IGNORECASE)
ANY = re.compile(
    r"<(?!/?[a-z]{1,3}+[ >])(?:\s?[|｜‖]|/?(?:[A-Za-zſK]{1,12}+[:_|]"
    r"|(?=[TtFfIiRrSsſ])(?i:tool|function|invoke|think|thought|reason|reflection|scratch)))"
)
"""The beginning of every tag of a call, a thought or a turn, and of few other tags.

The names of the other tags have ``_``, ``:`` or ``|`` in them. The look at short names comes first, because most other
tags have them: ``<b>`` or ``<a href=…>``.
"""

_HOPS = 8
_BEGINS = re.compile(r"[<\[]")


def search_tag(
    pattern: re.Pattern[str], text: str, start: int = 0, begins: re.Pattern[str] = ANY
) -> re.Match[str] | None:
    """The first match from `start` on of a pattern whose matches all begin with a match of `begins`.

    A text with few brackets is searched for these alone, and a text with many for `begins`. Both are much faster than a
    search for the pattern.
    """
    at = text.find("<", start)
    for _ in range(_HOPS):
        if at < 0:
            return None
        if begins.match(text, at) is not None and (found := pattern.match(text, at)) is not None:
            return found
        at = text.find("<", at + 1)
    for begin in begins.finditer(text, at) if at >= 0 else ():
        if (found := pattern.match(text, begin.start())) is not None:
            return found
    return None


def search_edge(text: str, start: int, stop: int | None = None) -> re.Match[str] | None:
    """The first tag of either kind in ``text[start:stop]``. The group "close" tells which kind it is."""
    stop = len(text) if stop is None else stop
    for begin in _BEGINS.finditer(text, start, stop):
        if (edge := _EDGE.match(text, begin.start(), stop)) is not None:
            return edge
    return None


SEPARATOR = r"(?:<[|｜]tool[_▁](?:sep|call[_▁]argument[_▁]begin)[|｜]>|<tool_sep(?::\w{1,40})?>|\[ARGS\])"
"""What stands between the name of a tool and its arguments."""


def is_quoted(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is between single backticks, or in a line that begins like a row of a table."""
    if text[start - 1 : start] == "`" and text[start - 2 : start - 1] != "`":
        return True
    begin = text.rfind("\n", max(0, start - 500), start) + 1
    if start - begin >= 500 or text[begin:start].lstrip()[:1] != "|":
        return False
    stop = text.find("\n", start, start + 2000)
    line = text[begin : stop if stop >= 0 else start + 2000].rstrip()
    return line.endswith("|") or " | " in line
