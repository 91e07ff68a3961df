"""The texts of a column after pandas guessed its type: ``007`` becomes ``7``, and ``7.0`` if another cell is blank.

This module follows the type inference of ``pandas.read_csv`` (2.3, default options) and ``astype(str)``. Tests compare
its results with those of pandas.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""The texts that pandas reads as a missing value."""

_INTEGER = re.compile(r"[ \t-\r]*([+-]?)([0-9]+)[ \t-\r]*")
_NUMBER = re.compile(r"[ \t-\r]*([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?)([0-9]{1,17}))?[ \t-\r]*")
_SHORT = re.compile(r"[+-]?[0-9]{1,15}|[+-]?(?=[0-9.]{2,16}$)[0-9]*\.[0-9]+", re.ASCII)
_NO_NUMBER = re.compile(
    r"[^0-9+\-. \t-\rinIN]"
)  # the first character of a cell that is neither a number nor infinity
_INFINITE = {
    "inf": float("inf"),
    "+inf": float("inf"),
    "infinity": float("inf"),
    "+infinity": float("inf"),
    "-inf": float("-inf"),
    "-infinity": float("-inf"),
}
_TRUTH = {
    "True": "True",
    "TRUE": "True",
    "true": "True",
    "False": "False",
    "FALSE": "False",
    "false": "False",
}
_LARGEST = 2**63 - 1
_LARGEST_UNSIGNED = 2**64 - 1
_DIGITS = 17
_SAFE = 19  # fewer digits than this fit 64 bits


class _Conflict(Exception):
    """A column has integers too large for signed 64 bits, and also negative or missing cells. In this case pandas
    converts no cell."""


def column_texts(cells: Sequence[str], missing: Collection[str] = MISSING) -> list[str]:
    """The texts of one column's `cells` after pandas has read the column. A missing value is ``nan``."""
    present = [cell for cell in cells if cell not in missing]
    if not present:
        return ["nan"] * len(cells)
    first = present[0]
    if first not in _TRUTH and _NO_NUMBER.match(first) is not None:
        texts: Sequence[str] = (
            present  # a cell that is not a number, infinity or truth value makes all cells text
        )
    else:
        try:
            texts = _typed(present, len(present) < len(cells))
        except _Conflict:
            return list(cells)
    if len(present) == len(cells):
        return list(texts)
    values = iter(texts)
    return ["nan" if cell in missing else next(values) for cell in cells]


def parse_float(text: str) -> float | None:
    """The number that pandas' parser reads in `text`. That parser reads only 17 digits, so the number may differ from
    Python's `float` in the last bit."""
    if _SHORT.fullmatch(text) is not None:
        return float(text)
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _INFINITE.get(text.lower())
    sign, whole, fraction, exponent_sign, exponent_digits = match.groups()
    fraction = fraction or ""
    if not whole and not fraction:
        return None
    kept = (whole + fraction)[:_DIGITS]
    number = 0.0
    for digit in kept:
        number = number * 10.0 + int(digit)
    exponent = max(0, len(whole) - _DIGITS) - max(0, len(kept) - len(whole))
    if exponent_digits:
        exponent += -int(exponent_digits) if exponent_sign == "-" else int(exponent_digits)
    if sign == "-":
        number = -number
    if exponent > 308:
        return None
    if exponent > 0:
        number *= float(f"1e{exponent}")
    elif exponent < -308:
        if exponent < -616:
            return 0.0
        number = number / float(f"1e{-308 - exponent}") / 1e308
    else:
        number /= float(f"1e{-exponent}")
    return None if number in (float("inf"), float("-inf")) else number


def _typed(cells: Sequence[str], some_missing: bool) -> Sequence[str]:
    """The texts of the cells that are not missing, after conversion to the first type that fits all of them."""
    integers = _integers(cells, some_missing)
    if integers is None:
        return cells
    if integers:
        return [str(float(value)) for value in integers] if some_missing else list(map(str, integers))
    floats: list[float] = []
    for cell in cells:
        value = parse_float(cell)
        if value is None:
            break
        floats.append(value)
    else:
        return list(map(repr, floats))
    if all(cell in _TRUTH for cell in cells):
        return [_TRUTH[cell] for cell in cells]
    return cells


def _integers(cells: Sequence[str], some_missing: bool) -> list[int] | None:
    """The integers in all `cells`. The result is empty when a cell is not an integer. The result is None when the
    integers fit no integer type, so that the cells stay text."""
    values: list[int] = []
    digits = "".join(cells)
    if digits.isdigit() and digits.isascii() and all(cells) and max(map(len, cells)) < _SAFE:
        return list(map(int, cells))
    for cell in cells:
        match = _INTEGER.match(cell)
        if match is None:
            return []
        whole = match.end() == len(cell)
        value = int(match[1] + match[2]) if len(match[2]) < 4000 else 2**64
        if not -_LARGEST - 1 <= value <= _LARGEST:
            return _unsigned(cells, some_missing)
        if not whole:
            return []
        values.append(value)
    return values


def _unsigned(cells: Sequence[str], some_missing: bool) -> list[int] | None:
    values: list[int] = []
    negative = large = False
    for cell in cells:
        if cell.lstrip(" \t\n\v\f\r").startswith("-"):
            negative = True
            continue
        match = _INTEGER.match(cell)
        if match is None:
            return []
        value = int(match[2]) if len(match[2]) < 4000 else 2**64
        if value > _LARGEST_UNSIGNED:
            return None
        if match.end() != len(cell):
            return []
        large = large or value > _LARGEST
        values.append(value)
    if large and (negative or some_missing):
        raise _Conflict
    return None if negative else values
