r"""Makes text encodable: lone surrogates become U+FFFD, and the two halves of a character become that character.

JSON can spell half of a character (``"\ud83d"``). Python decodes it to a string that no file, tokenizer or HTTP body
can hold. Every text that a program decodes for this package goes through one of these functions once, where it enters.
"""

from __future__ import annotations

import re
from typing import Any

MAX_DEPTH = 64
"""The deepest nesting of a value that `clean_value` takes."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str, limit: int | None = None) -> str:
    """`text`, cut to `limit` characters if there is a limit, without surrogates."""
    if limit is not None and len(text) > limit:
        text = text[:limit]
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_value(value: Any, depth: int = 0) -> Any:
    """A decoded JSON value whose texts are clean, names of members included.

    Raises:
        RecursionError: The value is nested deeper than `MAX_DEPTH`.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, (dict, list, tuple)) and depth >= MAX_DEPTH:
        raise RecursionError("the value is nested too deeply")
    if isinstance(value, dict):
        return {clean_value(key): clean_value(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_value(each, depth + 1) for each in value]
    return value
