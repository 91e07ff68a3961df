"""Suggestions for misspelt names in error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: object, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name that is most similar to `name`, or None. Case, hyphens and underscores do not count.

    Args:
        name: What the user wrote.
        known: The names that exist.
        cutoff: The least similarity, from 0 to 1.
    """
    if not isinstance(name, str):
        return None
    plain = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(name), plain, 1, cutoff)
    return plain[found[0]] if found else None


def hint(name: object, known: Iterable[str]) -> str:
    """The text ``" (did you mean 'x'?)"``, or an empty text if no known name is similar."""
    near = nearest(name, known)
    return f" (did you mean {near!r}?)" if near is not None else ""


def known_names(name: object, known: Iterable[str]) -> str:
    """The text ``"did you mean 'x'?"``. If no known name is similar, all known names."""
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near is not None else f"there are: {', '.join(known)}"


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
