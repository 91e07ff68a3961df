"""Compares names and titles."""

from __future__ import annotations

import re
import unicodedata

from wideseek_env.byte_cache import short_cache

_WORD = re.compile(r"[^\W_]+")


@short_cache(65_536, 500)
def plain(text: str) -> str:
    """`text` in lower case without accents and punctuation. Words are separated by single spaces."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(_WORD.findall(text.casefold()))


def likeness(one: str, other: str) -> float:
    """The share of words that two texts have in common, from 0 to 1. Case and punctuation do not matter."""
    first, second = plain(one), plain(other)
    if first == second:
        return 1.0
    a, b = set(first.split()), set(second.split())
    return 0.95 * len(a & b) / len(a | b) if a and b else 0.0
