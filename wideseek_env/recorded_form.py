"""The form of a recorded episode: which fields a record has, and of which types they are.

`check_record` runs when a record is read, so that nothing in a record from elsewhere fails later: in a summary, in the
viewer or in a replay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wideseek_env.reprs import short

_CALL = re.compile(r".*/(?:\d{1,9}\.)?\d{1,9}/\d{1,9}", re.DOTALL)
_LARGEST = 2**63


class _One(NamedTuple):
    """One of several forms."""

    forms: tuple[Any, ...]


class _Each(NamedTuple):
    """An object with any names, whose values all have one form."""

    form: Any


_COUNT, _NUMBER, _ANY = "a whole number of at least 0", "a number", "anything"
_TEXT_OR_NULL = _One((str, None))

_MESSAGE = {
    "role": str,
    "content": str,
    "tool_calls?": [{"function": {"name": str, "arguments": str}}],
    "completion_tokens?": _One((_COUNT, None)),
    "tool_call_id?": str,
}
_CONVERSATION = {
    "agent": str,
    "role": str,
    "life": _COUNT,
    "subtask": _TEXT_OR_NULL,
    "turns": _COUNT,
    "clock": _COUNT,
    "ending": _TEXT_OR_NULL,
    "final": _TEXT_OR_NULL,
    "calls": _Each(_COUNT),
    "errors": _COUNT,
    "dropped?": _COUNT,
    "messages": [_MESSAGE],
    "credit?": _NUMBER,
}
_EVENTS = {
    "act": {"act": str, "conversation": _COUNT, "message": _COUNT},
    "result": {"result": str, "text": str, "ok": bool, "usage?": _Each(_NUMBER)},
    "fail": {"fail": str},
    "abort": {"abort": str},
}
_OUTCOME = {
    "answer": _TEXT_OR_NULL,
    "ending": str,
    "turns": _COUNT,
    "critical_path": _COUNT,
    "tool_calls": _Each(_COUNT),
    "subagents": _COUNT,
    "errors": _COUNT,
    "detail?": str,
    "dropped?": _COUNT,
}
_RECORD = {
    "profile": str,
    "team": bool,
    "roster": str,
    "corpus": str,
    "seed": _One((int, None)),
    "conversations": [_CONVERSATION],
    "events": [_ANY],
    "outcome": _OUTCOME,
    "reward": _NUMBER,
    "parts": _Each(_NUMBER),
    "reward_name": str,
    "texts?": _One((_Each(_ANY), None)),
    "credit_name?": str,
    "meta?": {"trial?": _COUNT, "failed?": bool, "counter?": str},
    "timing?": {"started?": _One((_NUMBER, None)), "events?": [_NUMBER], "seconds?": _NUMBER},
}


def check_record(record: Mapping[str, Any]) -> None:
    """Check the fields of a record, except `task`, `rules`, `score`, `protocol` and `language`.

    Raises:
        TypeError: A field is missing or has another form. The message names it.
    """
    _check(record, _RECORD, "")
    conversations = record["conversations"]
    for number, event in enumerate(record["events"]):
        where = f"events[{number}]"
        kind = next((name for name in _EVENTS if isinstance(event, Mapping) and name in event), None)
        if kind is None:
            raise TypeError(f"{where} must be an act, a result, a fail or an abort, not {short(event)}")
        _check(event, _EVENTS[kind], where)
        if kind == "result" and _CALL.fullmatch(event["result"]) is None:
            raise TypeError(f"{where}.result must be the id of a call, not {short(event['result'])}")
        if kind == "act":
            at, message = event["conversation"], event["message"]
            if at >= len(conversations) or message >= len(conversations[at]["messages"]):
                raise TypeError(f"{where} refers to message {message} of conversation {at}, which is missing")


def _check(value: Any, form: Any, where: str) -> None:
    if isinstance(form, _One):
        if value is None and None in form.forms:
            return
        form = form.forms[0]
    if isinstance(form, dict):
        _object(value, where)
        prefix = f"{where}." if where else ""
        for key, inner in form.items():
            name = key.removesuffix("?")
            if name in value:
                _check(value[name], inner, f"{prefix}{name}")
            elif name == key:
                raise TypeError(f"{prefix}{name} is missing")
    elif isinstance(form, list):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise TypeError(f"{where} must be a list, not {short(value)}")
        for at, each in enumerate(value):
            _check(each, form[0], f"{where}[{at}]")
    elif isinstance(form, _Each):
        for name, each in _object(value, where).items():
            _check(each, form.form, f"{where}.{short(name)}")
    elif not _is(value, form):
        wanted = {str: "text", bool: "true or false", int: "a whole number"}.get(form, form)
        raise TypeError(f"{where} must be {wanted}, not {short(value)}")


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{where or 'the record'} must be an object, not {short(value)}")
    return value


def _is(value: Any, form: Any) -> bool:
    if form is _ANY:
        return True
    if form is _NUMBER:
        # A reward may be NaN. A larger whole number has no float.
        return isinstance(value, float) or (_is(value, int) and abs(value) < _LARGEST)
    if form is _COUNT:
        return _is(value, int) and 0 <= value < _LARGEST
    return isinstance(value, form) and (form is bool or not isinstance(value, bool))
