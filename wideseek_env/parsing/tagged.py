"""Reads tool calls that stand between tags, in the forms of the families of models.

The tags and the form between them are independent of each other here. The tags only say where a call is. What is
between them says how to read it: JSON, ``<function=NAME><parameter=NAME>``, ``<invoke name="NAME">``, ``<arg_key>``,
``NAME[ARGS]{…}``, Python's form and others. So a model that mixes two families is understood, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from wideseek_env.clean import clean_text
from wideseek_env.parsing.calls import MAX_CALLS, Problem, RawCall, Written, calls_of, make_call, tool_name
from wideseek_env.parsing.elements import CUT_FUNCTION, FUNCTION, KEY, read_functions, read_pairs
from wideseek_env.parsing.lenient_json import end_of_json, load_value
from wideseek_env.parsing.pythonic import read_pythonic

_TAG = (
    r"(?:[|｜]DSML[|｜]|[a-z]{1,12}[:_|])?(?:tool_?calls?|function_?calls?|tool_use|tool_code)(?::\w{1,40})?"
)
_BARS = (
    r"tool[_▁]calls?|tool[_▁]calls?[_▁](?:section[_▁])?(?:begin|start)|START_ACTION|action_start|tools_prefix|"
    r"python_tag|python_start|plugin"
)
_BARS_END = (
    r"/tool[_▁]calls?|tool[_▁]calls?[_▁](?:section[_▁])?end|END_ACTION|action_end|tools_suffix|python_end|"
    r"eom_id|eot_id|im_end|end▁of▁sentence"
)
OPEN = re.compile(
    rf"<{_TAG}(?:\s[^<>]{{0,200}})?>|<[|｜](?:{_BARS})[|｜]>|<\|tool_call>|<start_function_call>|\[TOOL_CALLS\]",
    re.IGNORECASE,
)
CLOSE = re.compile(
    rf"</{_TAG}\s*>|<[|｜](?:{_BARS_END})[|｜]>|<tool_call\|>|<end_function_call>|\[/TOOL_CALLS\]|</s>",
    re.IGNORECASE,
)
_HINT = re.compile(r"tool|function|invoke|action|python_|TOOL", re.IGNORECASE)
_EVENT = re.compile(f"(?P<open>{OPEN.pattern})|(?P<function>{FUNCTION.pattern})", re.IGNORECASE)
_EDGE = re.compile(f"(?:{OPEN.pattern})|(?P<close>{CLOSE.pattern})", re.IGNORECASE)
_SPLIT = re.compile(
    r"<[|｜]tool[_▁]call[_▁]argument[_▁]begin[|｜]>|<[|｜]tool[_▁]sep[|｜]>|<tool_sep(?::\w{1,40})?>|\[ARGS\]",
    re.IGNORECASE,
)
_CALL_ID = re.compile(r"\[CALL_ID\][\w-]*")
_GEMMA = re.compile(r"call:([\w.-]{1,100})\s*(\{.*)", re.DOTALL)
_GEMMA_QUOTE = re.compile(r'<escape>|<\|"\|>')
_NAME = r"[\w.-]{1,100}(?::\d{1,6})?"
_WHOLE_NAME = re.compile(_NAME)
_NAMED = re.compile(rf"({_NAME})\s*[:(]?\s*(?=[{{\"])")
_WITHOUT_BRACE = re.compile(r"""["']?(?:name|arguments|function|type|id)["']?\s*:""")
_NAME_ATTRIBUTE = re.compile(r"""\sname\s*=\s*["']?([\w.:-]{1,100})""")
_FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n?")
_PYTHON = re.compile(r"\[?\s*[A-Za-z_][\w.]*\s*\(")
_JUNK = " \t\r\n,;}])"


def read_tagged(text: str, tools: Collection[str]) -> tuple[str, Written]:
    """The text outside of the calls, and the calls, in order. Without tags of calls, the text is returned as it is."""
    if _HINT.search(text) is None or ("<" not in text and "[TOOL_CALLS]" not in text):
        return text, []
    visible: list[str] = []
    calls: Written = []
    position = 0
    while (event := _EVENT.search(text, position)) is not None:
        visible.append(text[position : event.start()])
        if len(calls) >= MAX_CALLS:
            calls[MAX_CALLS:] = [Problem("too_many_blocks", str(MAX_CALLS))]
            return CLOSE.sub("", "".join(visible)), calls
        if event["function"]:
            found, position = read_functions(text, event.start(), _limit(text, event.end()))
        else:
            found, position = _read_block(text, event, tools, after_call=bool(calls))
        calls.extend(found)
    rest = text[position:]
    if (cut := CUT_FUNCTION.search(rest, max(0, len(rest) - 250))) is not None:
        rest = rest[: cut.start()]
        calls.append(Problem("cut_off_call", "it ends in its name"))
    visible.append(rest)
    if len(calls) > MAX_CALLS:
        calls[MAX_CALLS:] = [Problem("too_many_blocks", str(MAX_CALLS))]
    return CLOSE.sub("", "".join(visible)) if calls else text, calls


def _limit(text: str, position: int) -> int:
    """Where functions without a tag around them end at the latest: at the next tag of a block."""
    edge = _EDGE.search(text, position)
    return edge.start() if edge is not None else len(text)


def _read_block(
    text: str, opening: re.Match[str], tools: Collection[str], *, after_call: bool
) -> tuple[Written, int]:
    """The calls of the block that begins with `opening`, and the position after the block."""
    start = opening.end()
    while start < len(text) and text[start].isspace():
        start += 1
    edge = _EDGE.search(text, start)
    if edge is not None and edge.start() == start and not edge["close"]:
        return [], start  # one tag directly after another, as a section and the first call in it
    if text[start : start + 1] in ("{", "["):
        end = end_of_json(text, start)
        if edge is not None and end > edge.start():
            edge = _EDGE.search(text, end)  # the tag was inside a string
    stop = edge.start() if edge is not None else len(text)
    closed = edge is not None and bool(edge["close"])
    body = text[start:stop].strip()
    after = edge.end() if edge is not None and closed else stop
    if not body:
        if after_call and not closed:
            return [], after  # an opening tag that was written for a closing one
        return [Problem("empty_call")], after
    if (named := _NAME_ATTRIBUTE.search(opening[0])) is not None and "arguments" not in body:
        body = f"{named[1]}{{{body[1:]}" if body[0] == "{" else f"<invoke name={named[1]}>{body}"
    return read_body(body, tools, closed=closed), after


def read_body(body: str, tools: Collection[str], *, closed: bool) -> Written:
    """The calls in the text between two tags.

    Args:
        body: The text, not empty.
        tools: The names of the agent's tools.
        closed: Whether a closing tag follows. If not, an unreadable call may have been cut off.
    """
    if body.startswith("```"):
        body = _FENCE.sub("", body, count=1).removesuffix("```").strip()
        if not body:
            return [Problem("empty_call")]
    if body[0] not in "{[":
        if "arg_key" in body and KEY.search(body) is not None:
            return [read_pairs(_SPLIT.sub("", body), closed=closed)]
        if (split := _SPLIT.search(body)) is not None:
            return _read_split(_CALL_ID.sub("", body[: split.start()]), body[split.end() :], closed)
        if FUNCTION.search(body) is not None:
            return read_functions(body, 0, len(body), closed=closed)[0]
        if _WITHOUT_BRACE.match(body) is not None:
            body = f"{{{body}"
    if (found := _GEMMA.match(body)) is not None:
        return [_with_arguments(found[1], _GEMMA_QUOTE.sub('"', found[2]), closed)]
    if _PYTHON.match(body) is not None and (calls := read_pythonic(body)) is not None:
        return calls
    if (named := _NAMED.match(body)) is not None:
        return [_with_arguments(named[1], body[named.end() :], closed)]
    if tool_name(body) in tools:
        return [make_call(body, {})]
    return _read_json(body, closed=closed)


def _read_split(name: str, rest: str, closed: bool) -> Written:
    """A name and its arguments, as DeepSeek, Kimi and Mistral write them."""
    if name.strip() in ("function", ""):  # DeepSeek V3 writes the type, then the name, then fenced JSON
        if FUNCTION.search(rest) is not None:
            return read_functions(rest, 0, len(rest), closed=closed)[0]
        name, _, rest = rest.partition("\n")
    rest = _FENCE.sub("", rest.strip(), count=1).strip()
    return [_with_arguments(name, rest, closed)]


def _with_arguments(name: str, rest: str, closed: bool) -> RawCall | Problem:
    """A call of `name` with the JSON arguments at the start of `rest`."""
    if _WHOLE_NAME.fullmatch(name.strip()) is None:
        return Problem("no_name") if closed else Problem("cut_off_call", "it ends in its name")
    if not rest.strip() and not closed:
        return Problem("cut_off_call", "it ends before its arguments")
    value, _, error = load_value(rest.strip() or "{}")
    if error:
        return Problem("bad_json" if closed else "cut_off_call", clean_text(error))
    return make_call(name, value)


def _read_json(body: str, *, closed: bool) -> Written:
    """One object, several objects in a row, or lists of objects."""
    calls: Written = []
    position = 0
    while position < len(body) and len(calls) <= MAX_CALLS:
        if calls and "{" not in body[position:]:
            break  # other text after the calls
        value, position, error = load_value(body, position)
        if error:
            return [*calls, Problem("bad_json" if closed else "cut_off_call", error)]
        calls += calls_of(value)
        while position < len(body) and body[position] in _JUNK:
            position += 1
    return calls or [Problem("empty_call")]
