"""Reads a cell as one quantity (a value, a range or a sequence of values, with units) and compares two quantities.

First, marks of notes and remarks are set aside. Then `wideseek_env.scoring.reading` reads the values and what joins
them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wideseek_env.scoring.characters import fold
from wideseek_env.scoring.markup import plain_text
from wideseek_env.scoring.numbers import MAX_LENGTH, PLAIN, SIGNS
from wideseek_env.scoring.reading import read_values
from wideseek_env.scoring.text import FOOTNOTE, memoised
from wideseek_env.scoring.values import Value, converts, in_one_form, with_twins

_DIGIT = re.compile(r"\d")
# The beginning of a cell that may be nothing but a quantity: a sign, a digit, or a word that can be before a number.
_MAY_BE_QUANTITY = re.compile(
    r"[\W_]*+(?:\d|(?:from|between|usd?|hk|nt|nz|au|ca|jpy?|cny?|eur|gbp|rmb|inr|rs|a|c|r|s)\b|[^\x00-\x7f])|[^\w<\\]*+[<\\]",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\s?(?:\(([^()]*+)\)|\[([^\[\]]*+)\])")
_QUOTED = re.compile(r"\"([^\"]++)\"|'([^']++)'")
_NOTE = re.compile(r"(?<=\d)\^(?:[a-z](?!\w)|\d{1,2}(?:, ?\d{1,2})++)|(?<=\w)_\d++|[†‡§¶]|\*+(?!\S)")
_NOTES = re.compile(r"[\^_\[*†‡§¶]")
_LIST = re.compile(r"(?<![\d.,])\d++(?:,\d++){2,}(?![\d.,])")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})++|\d{1,2}(?:,\d{2})*+,\d{3}")
_VERSION = re.compile(r"(?<![\d.,])\d++(?:\.\d++){2,}(?![\d.,])")
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{3})++")
_SETS = re.compile(r"(?<=[-:]\d),(?=\d{1,2}[-:]\d)|(?<=[-:]\d\d),(?=\d{1,2}[-:]\d)")
_NOTHING = re.compile(r"(?:never|none|nothing|unknown|n/a|从未|无|未知)(?!\w)", re.IGNORECASE)
_DECADE = re.compile(r"(?<!\d)([12]\d\d)0'?s(?!\w)")
_TEX = re.compile(r"\\(?:frac|dfrac|tfrac)\s?\{(\d++)\}\s?\{(\d++)\}")
_LOOKALIKE = re.compile("\\d[oOоОοΟ](?![^\\W\\d_])|(?<![^\\W\\d_])[oOоОοΟ]\\d")
_OVERRIDE = re.compile("[\u202d\u202e]")
_DATED = re.compile(
    r",? ?\b(?:as of|as at|since|by|in|est\.?|estimated(?: in)?)(?: [a-z]{3,9})?(?: \d{1,2},?)? ([12]\d{3})(?![\d.,])"
    r"|,? ?([12]\d{3}) (?:census|est\.?|estimate)(?!\w)|截至(\d{4})年(?:\d{1,2}月)?",
    re.IGNORECASE,
)
_NEAR = 80  # characters before a bracket that can have what the bracket repeats
_JOINED = re.compile(r"\s*(?:±|or\b|或)")
_SHORTEST_DATED = len("5 in 2020")
_YEAR = re.compile(r"\s*(?:[12]\d{3}|[12]\d{3}年)\s*")
_LESS = re.compile(
    r"[<≤]|\b(?:under|less than|fewer than|below|at most|up to|before|prior to|or (?:less|fewer|older|earlier))\b"
    r"|\bpre-|不到|不足|少于|低于|至多|最多|以下|以内"
)
_NAMED = re.compile(
    r"\b(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|spring|summer|fall|autumn|winter)\b|\b(bc|ad)e?\b|(?<![^\W_])([a-z]{1,4})-?(?=\d+$)"
)
_CODE = re.compile(
    r"\d+([abcefijnopqrvwzA-FHINOP-SUZ])|([A-Z])\d+|(?:\d+-){2,}\d+([A-Za-z]+)|(\+)\d+ ?(?:kg|lbs?)"
    r"|\d+(?!FT|HR|KM|MIN)([A-Z]{2,4})\d+"
)  # 12A, A8, 0-6-0T, 15BT10 and the class of weight +100 kg
_ABOVE = re.compile("[>≥]")
_MORE = re.compile(
    r"(?:\b(?:over|more than|above|at least|or more)\b|\d\+(?!\s?\d)|超过|多于|高于|至少|最少|以上|逾)"
)


class Quantity(NamedTuple):
    """What a cell states.

    `joints` has what joins each value to the next one: ``-`` (a range, a score), ``/``, ``x``, ``±``, ``or``, ``,`` and
    others. `remarks` are the numbers of remarks, such as the year in ``1,234 (2010 census)``. `whole` is whether the
    cell has nothing but the quantity.

    `mark` is what changes the meaning of the number: ``<`` for "less than", ``>`` for this sign and ``+`` for words
    that mean "more than". For a code such as ``12A`` it is ``=`` with its letters. Otherwise it has the first letters
    of a month, a season or an era.
    """

    values: tuple[Value, ...]
    joints: tuple[str, ...] = ()
    remarks: tuple[float, ...] = ()
    mark: str = ""
    whole: bool = True

    @property
    def key(self) -> str:
        """The same text for two quantities of equal values, units aside."""
        parts = [value.key for value in self.values]
        return "".join(
            f"{part} {joint} " for part, joint in zip(parts, (*self.joints, ""), strict=True)
        ).strip()


@memoised
def plain_number(cell: str) -> float | None:
    """The number that all of `cell` is, if it is written with digits, commas between thousands and a point alone."""
    if PLAIN.fullmatch(cell) is None:
        return None
    digits = cell.replace(",", "")
    return float(digits) if "." in digits else int(digits)


@memoised
def read_quantity(cell: str) -> Quantity | None:
    """The quantity in `cell`. None when the cell has no number or more than 2000 characters.

    A cell has one reading. If a reading is in doubt, these rules decide:

    * ``3:45`` is minutes and seconds, ``1:23:45`` is hours, minutes and seconds, and ``3:1`` is the score ``3-1``.
    * A year and a shorter number (``1990-95``, ``1990/91``) are a range of years.
    * ``3/4`` is a fraction, unless it is part of a longer sequence.
    * A raised number is a power of 10 or of a single digit, and otherwise the mark of a note.
    * A second value in brackets is left out if it is the first one in other units (``180 cm (5 ft 11 in)``). A remark
      in brackets is set aside. Any other number in brackets is part of the quantity.
    """
    if len(cell) > MAX_LENGTH or (_DIGIT.search(cell) is None and cell.isascii()):
        return None
    text = fold(plain_text(cell)).translate(SIGNS)
    if _DIGIT.search(text) is None or _LOOKALIKE.search(text) or _OVERRIDE.search(text):
        return None
    text = _prepared(text)
    if _NOTHING.match(text) is not None:
        return None
    main, remarks, twins, has_remark = _without_remarks(text)
    found = read_values(main)
    if found is None:
        return None
    values = with_twins(found.values, twins) if len(twins) == len(found.values) else found.values
    remarks.extend(found.aside)
    whole = found.whole and not has_remark
    mark = _code(main) or ("" if whole else _mark(text.lower(), main.lower()))
    return Quantity(tuple(values), tuple(found.joints), tuple(remarks), mark, whole and not mark)


def _code(main: str) -> str:
    found = _CODE.fullmatch(main.strip())
    return "" if found is None else "=" + "".join(filter(None, found.groups())).lower()


def _mark(text: str, words: str) -> str:
    """`Quantity.mark` of a cell that is no code. `words` is the text without brackets."""
    if _LESS.search(words) is not None:
        return "<"
    if _ABOVE.search(words) is not None:
        return ">"
    if _MORE.search(words) is not None:
        return "+"
    if (named := _NAMED.search(text)) is None:
        return ""
    return "=bc" if named[2] == "bc" else next(filter(None, named.groups()))[:3]


def quantities_agree(predicted: Quantity, gold: Quantity, tolerance: float = 0.0) -> bool:
    """Whether each value of `predicted` is within `tolerance` (relative to the value of `gold`) of the gold value.

    The values must be joined in the same way. A unit on one side alone does not matter. Two different units must
    measure the same, and the values are converted. In two different fractions, the numbers above and below the line
    must agree.

    If one side has a percent sign and the other does not, the other may be a share or a percentage: both 0.5 and 50
    agree with 50 %. Remarks and marks must agree if both sides have them. The marks of "less than" and of codes must be
    on both sides.
    """
    if predicted.joints != gold.joints or len(predicted.values) != len(gold.values):
        return False
    if predicted.mark != gold.mark and not _marks_agree(predicted.mark, gold.mark):
        return False
    if predicted.remarks != gold.remarks and predicted.remarks and gold.remarks:
        return False
    if len(gold.values) == 1:
        one, other = predicted.values[0], gold.values[0]
        return one.near(other, tolerance) or one.near(other, tolerance, share=True)
    pairs = list(zip(predicted.values, gold.values, strict=True))
    return all(p.near(g, tolerance) for p, g in pairs) or all(
        p.near(g, tolerance, share=True) for p, g in pairs
    )


def _marks_agree(one: str, other: str) -> bool:
    """Whether two different marks may stand for the same. One cell may lack the words for "more than" and the month."""
    if {one, other} == {">", "+"}:
        return True
    return not (one and other) and (one or other)[0] not in "<>="


def same_quantity(predicted: str, gold: str) -> bool:
    """Whether two cells of text state the same quantity in other words, such as ``1:23:45`` and ``1 h 23 min 45 s``.

    This is stricter than `quantities_agree`. All text of both cells must belong to the quantity, and both must have the
    same kinds of units. Codes such as ``007`` and plain numbers are compared as text.
    """
    if _MAY_BE_QUANTITY.match(predicted) is None or _MAY_BE_QUANTITY.match(gold) is None:
        return False
    one, other = read_quantity(predicted), read_quantity(gold)
    if one is None or other is None or not one.whole or not other.whole:
        return False
    return quantities_agree(one, other) and in_one_form(one.values, other.values)


def _prepared(text: str) -> str:
    """`text` without marks of notes, and with one sign for each meaning."""
    if (quoted := _QUOTED.fullmatch(text)) is not None:
        text = quoted[1] or quoted[2]
    if _NOTES.search(text) is not None:
        text = _NOTE.sub("", FOOTNOTE.sub("", text))
    if "\\" in text:
        text = _TEX.sub(r"\1/\2", text)
    text = text.replace("+/-", "±").replace("&", " and ")
    if "0" in text:
        text = _DECADE.sub(r"\g<1>0-\g<1>9", text)
    if "," in text:
        text = _SETS.sub(", ", text)
        text = _LIST.sub(
            lambda found: found[0] if _GROUPED.fullmatch(found[0]) else found[0].replace(",", ", "), text
        )
    if text.count(".") < 2:
        return text
    return _VERSION.sub(
        lambda found: found[0] if _DOTTED.fullmatch(found[0]) else found[0].replace(".", " . "), text
    )


def _without_remarks(text: str) -> tuple[str, list[float], list[Value], bool]:
    """The text of the quantity, the numbers in remarks, the values in other units, and whether there was a remark."""
    remarks: list[float] = []
    twins: list[Value] = []
    removed = False

    def dated(found: re.Match[str]) -> str:
        nonlocal removed
        removed = True
        remarks.append(float(found[1] or found[2] or found[3]))
        return " "

    if any(sign in text for sign in "([") and _DIGIT.search(_BRACKETS.sub(" ", text)) is not None:
        parts: list[str] = []
        end = 0
        for bracket in _BRACKETS.finditer(text):
            parts.append(text[end : bracket.start()])
            end = bracket.end()
            inner = bracket[1] if bracket[1] is not None else bracket[2]
            if _DIGIT.search(inner) is None:
                removed = True
                parts.append(" ")
                continue
            kept, is_remark = _bracketed("".join(parts), inner, remarks, twins)
            removed = removed or is_remark
            parts.append(kept)
        text = "".join([*parts, text[end:]])
    without = _DATED.sub(dated, text) if len(text) >= _SHORTEST_DATED else text
    if without != text and _DIGIT.search(without) is None:
        remarks.clear()
        return text, [], twins, removed
    return without, remarks, twins, removed


def _bracketed(before: str, inner: str, remarks: list[float], twins: list[Value]) -> tuple[str, bool]:
    """What the bracket with `inner` adds to the text of the quantity, and whether the bracket is a remark.

    The numbers of a remark are added to `remarks`, and the values before the bracket in other units to `twins`.
    """
    if _JOINED.match(inner) is not None:
        return f" {inner} ", False
    found = read_values(inner)
    if found is None:
        return " ", True
    if len(before) > _NEAR:  # reading all of it for each bracket would take too long
        before = before[-_NEAR:].partition(" ")[2]
    main = read_values(before)
    is_score = "-" in found.joints and not any(value.raw >= 1000 for value in found.values)
    is_remark = (
        (not found.whole and not is_score)
        or _YEAR.fullmatch(inner) is not None
        or inner.lstrip()[:1] in ("+", "-")
    )
    if main is not None and not is_remark:
        if converts(main.values[-len(found.values) :], found.values):
            twins.extend(found.values)
            return " ", False
        unit, other = main.values[-1].unit.dimension, found.values[-1].unit.dimension
        is_remark = (other == "share" != unit) or (
            bool(unit and other) and not (unit.startswith(other) or other.startswith(unit))
        )
    if is_remark:
        remarks.extend(value.raw for value in found.values)
        return " ", True
    return f" ({inner}) ", False
