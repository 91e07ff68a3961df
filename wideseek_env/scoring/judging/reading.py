"""Reads the answers in a model's reply, each with the number of its question. An answer must have exactly the right
form. The text around the answers may be anything.

The requested reply ends with one JSON object that maps the numbers of the questions to answers, ``{"417": true, "418":
false}``. Before it, a model may analyse each pair. Models add code fences and thoughts, or the reply is cut off inside
the object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: _merged(pairs))
_LONGEST = 200_000
_MOST_TRIES = 300
# For an object that is cut off. Only whole pairs count, so that a cut number is not used. A name with escaped quotes
# does not count, because it is a cell that the model repeats.
_PAIR = re.compile(r"(?<!\\)\"([0-9]{1,6})\"\s*:\s*(\"[^\"\\]*\"|-?[0-9]{1,9}|[A-Za-z]+)(?=\s*[,}\n])")
_WORDS: Mapping[str, bool] = {"true": True, "yes": True, "是": True, "false": False, "no": False, "否": False}


def answers(reply: str, numbers: range) -> dict[int, object]:
    """The answers in `reply` by the number of the question. Only the questions `numbers` were asked.

    Only the last object with answers is used. Without such an object, a list of objects ``{"id": 417, "right": true}``
    is read. Thoughts in ``<think>`` tags are ignored. A number with two different answers is left out. If the reply has
    a number that is not in `numbers`, the result is empty. The model has then
    numbered the questions differently or has repeated a cell.
    """
    text = reply.rpartition("</think>")[2].partition("<think>")[0][-_LONGEST:]
    complete, end = _last_object(text)
    found = _salvaged(text[end:]) or complete or _listed(text)
    if any(number not in numbers for number in found):
        return {}
    return {number: value for number, value in found.items() if value is not _CONFLICT}


def as_verdict(value: object) -> bool | None:
    """The verdict in `value`, which may be true, false, 0, 1, or a word for one of these in a string. None for any
    other value."""
    if isinstance(value, str):
        word = value.strip().lower()
        return {"1": True, "0": False}.get(word, _WORDS.get(word))
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def as_choice(value: object, count: int) -> int | None:
    """The number in `value`, from 0 to `count`. 0 means no match, and so does null. None for any other value."""
    if value is None or (isinstance(value, str) and value.strip().lower() in ("none", "null", "")):
        return 0
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= count:
        return value
    return None


_CONFLICT = object()


def _merged(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, value in pairs:
        merged[name] = value if name not in merged or _same(merged[name], value) else _CONFLICT
    return merged


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _last_object(text: str) -> tuple[dict[int, object], int]:
    """The numbered values of the last complete object with such values, and the position of the object's end. The
    values may also be in an object inside."""
    last: dict[int, object] = {}
    last_end, at = 0, 0
    for _ in range(_MOST_TRIES):
        begin = text.find("{", at)
        if begin < 0:
            break
        data, at = _object_at(text, begin)
        numbered = next(filter(None, map(_numbered, (data, *data.values()))), None)
        if numbered is not None:
            last, last_end = numbered, at
    return last, last_end


def _object_at(text: str, begin: int) -> tuple[dict[str, object], int]:
    """The object that begins at this brace, and the position after it. If the object is incomplete: an empty one, and
    the position after the brace."""
    try:
        return _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return {}, begin + 1


def _numbered(data: object) -> dict[int, object]:
    if not isinstance(data, dict):
        return {}
    return {int(name): value for name, value in data.items() if re.fullmatch(r"[0-9]{1,6}", name)}


def _listed(text: str) -> dict[int, object]:
    """The answers in objects with the key "id" and one further value that is an answer. Further texts do not count."""
    found: dict[int, object] = {}
    at = 0
    for _ in range(_MOST_TRIES):
        begin = text.find("{", at)
        if begin < 0:
            break
        data, at = _object_at(text, begin)
        number = data.get("id")
        if isinstance(number, str) and re.fullmatch(r"[0-9]{1,6}", number):
            number = int(number)
        if isinstance(number, int) and not isinstance(number, bool):
            values = [each for name, each in data.items() if name != "id" and isinstance(each, int)]
            value = values[0] if len(values) == 1 else _CONFLICT
            found[number] = value if number not in found or _same(found[number], value) else _CONFLICT
        else:
            at = begin + 1  # the list may be inside this object
    return found


def _salvaged(text: str) -> dict[int, object]:
    """The complete pairs of the last object, if that object is incomplete."""
    found: dict[int, object] = {}
    for pair in _PAIR.finditer(text, text.rfind("{") + 1 or len(text)):
        number, raw = int(pair[1]), pair[2]
        value: object = int(raw) if raw.lstrip("-").isdigit() else raw.strip('"')
        found[number] = value if number not in found or _same(found[number], value) else _CONFLICT
    return found
