"""The numbers of list items, as digits, letters or Roman numerals."""

from __future__ import annotations

_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        "m cm d cd c xc l xl x ix v iv i".split(),
        strict=True,
    )
)
_MOST_ROMAN = 3999


def numeral(number: int, style: str) -> str:
    """A number in a style of HTML's `<ol type>`: "a", "A", "i", "I", or digits. Numbers that a style cannot write are
    digits."""
    if style in ("a", "A") and number > 0:
        written = ""
        while number:
            number, letter = divmod(number - 1, 26)
            written = chr(ord("a") + letter) + written
    elif style in ("i", "I") and 0 < number <= _MOST_ROMAN:
        written = ""
        for value, digits in _ROMAN:
            written += digits * (number // value)
            number %= value
    else:
        return str(number)
    return written.upper() if style.isupper() else written
