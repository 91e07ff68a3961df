"""`short`: the `repr` of a value inside a larger `repr`, escaped and cut."""

from __future__ import annotations

_LENGTH = 60


def short(value: object) -> str:
    """The `repr` of `value` in at most 60 characters, cut in the middle.

    Control characters, line breaks and lone surrogates are escaped, so the result is one line that is safe to print.
    """
    if isinstance(value, str) and len(value) > 2 * _LENGTH:
        value = value[:_LENGTH] + value[-_LENGTH:]  # avoids escaping a whole page
    try:
        text = repr(value)
    except Exception:  # a foreign __repr__ may raise anything, and so may a number of too many digits
        text = f"<{type(value).__name__}>"
    if not text.isprintable():
        text = repr(text)[1:-1]
    half = (_LENGTH - 3) // 2
    return text if len(text) <= _LENGTH else f"{text[:half]}...{text[-half:]}"


def plain(text: str, length: int = 250) -> str:
    """`text` with control characters, line breaks and lone surrogates escaped, in at most `length` characters."""
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= length else f"{line[: length - 3]}..."
