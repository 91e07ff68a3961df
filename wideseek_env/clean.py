r"""Makes text encodable: lone surrogates become U+FFFD, and the two halves of a character become that character.

JSON can spell half of a character (``"\ud83d"``). Python decodes it to a string that no file, tokenizer or HTTP body
can hold. Every text that a program decodes for this package goes through one of these functions once, where it enters.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 64
"""The deepest nesting of a value that `clean_value` takes."""

_DIGITS = 300
"""The most digits of a whole number. A float has room for 308."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str, limit: int | None = None) -> str:
    """`text`, cut to `limit` characters if there is a limit, without surrogates."""
    if limit is not None and len(text) > limit:
        text = text[:limit]
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_value(value: Any, depth: int = 0, most: int = MAX_DEPTH) -> Any:
    """A decoded JSON value whose texts are clean, names of members included.

    Raises:
        RecursionError: The value is nested deeper than `most`.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (dict, list, tuple)) and depth >= most:
        raise RecursionError("the value is nested too deeply")
    if isinstance(value, dict):
        return {clean_value(key): clean_value(each, depth + 1, most) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_value(each, depth + 1, most) for each in value]
    return value


def outside_json(data: bytes | str) -> Any:
    """The JSON value that another program sent: its texts are clean, and every number in it is a finite `float`, or an
    `int` of which there is one.

    Other numbers (``NaN``, ``1e400``, a number of 400 digits) become None, as if the program had sent no value.

    Raises:
        ValueError: This is not JSON, not UTF-8, or nested deeper than `MAX_DEPTH`.
    """
    try:
        return _usable(json.loads(data, parse_int=_whole), 0)
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None


def _usable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (dict, list)) and depth >= MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return {clean_text(name): _usable(each, depth + 1) for name, each in value.items()}
    return [_usable(each, depth + 1) for each in value] if isinstance(value, list) else value


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS else None
