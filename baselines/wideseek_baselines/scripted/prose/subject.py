"""`Subject`: a page and a column, the input of all readers of prose."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A page's title and text, and the name of the column to find."""

    title: str
    text: str
    column: str


Reader = Callable[[Subject], str]
"""A function that returns the value of the column, or "" if the text does not give it."""


def first(pattern: str, text: str) -> str:
    """The first match of `pattern`, or of its last group if it has groups. "" without a match."""
    match = re.search(pattern, text)
    return (match[match.lastindex or 0] or "") if match else ""
