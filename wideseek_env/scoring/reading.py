"""Reads the values in a text, and what joins them. Numbers that belong together, such as `5 ft 11 in`, become one."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from wideseek_env.scoring.tokens import YEARS, Token, find_tokens
from wideseek_env.scoring.units import (
    ARC_MINUTE,
    ARC_SECOND,
    DEGREE,
    FOOT,
    HOUR,
    MINUTE,
    SECOND,
    SMALLER,
    Unit,
)
from wideseek_env.scoring.values import HALVES, Value, converts, with_twins

_LEADS = ("", "from", "between", "从", "介于", "在")
_BETWEEN = ("between", "介于", "在")
_JOINTS = {
    **dict.fromkeys(("", "(", ")", ") ("), " "),
    **dict.fromkeys(("-", "--", "~", "to", "until", "till", "through", "thru", "至", "到", ":"), "-"),
    **dict.fromkeys(("/", "of", "out of"), "/"),
    **dict.fromkeys(("x", "*", "by", "乘"), "x"),
    **dict.fromkeys(("or", "或", "或者"), "or"),
    **dict.fromkeys((",", ";", "and", ", and", "和", "与", "及", "|"), ","),
    "±": "±",
    "+": "+",
    ".": ".",
    **dict.fromkeys(("=", "≈"), "="),
}
_CONNECTORS = (
    ("-", re.compile(r"(?<!\w)[-~](?!\w)|\bto\b|[至到]")),
    ("±", re.compile("±")),
    ("or", re.compile(r"\bor\b|或")),
    ("/", re.compile(r"/|\bof\b")),
    ("x", re.compile(r"\bby\b|(?<!\w)x(?!\w)")),
)
_OPEN = re.compile(r"-\s?(?:present|now|today|current|date|至?今)?(?!\w)|至今", re.IGNORECASE)
_OVER = ("/", "of", "out of")
_LARGEST_UNDER = 16  # of fractions above 1: 68/68 is a pair


class Values(NamedTuple):
    """The values of a text, and the joint between each and the next.

    `whole` is whether the text has nothing else, and `aside` has the numbers that are part of a word (``H2O``).
    """

    values: list[Value]
    joints: list[str]
    whole: bool
    aside: list[float]


def read_values(text: str) -> Values | None:
    """The values in `text`, a folded text without remarks. None when it has no number, or one that is too large."""
    tokens = find_tokens(text)
    if not tokens:
        return None
    aside: list[float] = []
    if any(token.attached for token in tokens) and not all(token.attached for token in tokens):
        aside = [token.number for token in tokens if token.attached]
        tokens = [token for token in tokens if not token.attached]
    lead = text[: tokens[0].start].strip(" .,;:*()[]").lower()
    trail = text[tokens[-1].end :].strip(" .,;:*()[]\"'")
    is_open = _OPEN.match(trail) is not None
    whole = lead in _LEADS and (is_open or not trail) and all(token.sign != "+" for token in tokens)
    joints: list[str] = []
    gaps: list[str] = []
    for one, other in pairwise(tokens):
        gap = text[one.end : other.start].strip().lower()
        joint = _JOINTS.get(gap)
        if joint is None:
            whole = False
            joint = next((joint for joint, found in _CONNECTORS if found.search(gap)), ",")
        if gap == "" and other.sign and one.name != "±":
            joint, other.number, gap = other.sign, abs(other.number), other.sign
        if "(" in gap:
            joint = "("
        if joint == "," and not joints and lead in _BETWEEN and gap in ("and", "和", "与"):
            joint = "-"
        joints.append(joint)
        gaps.append(gap)
    _name_years(tokens, joints)
    _make_ratios(tokens, joints, gaps)
    _name_units(tokens, joints)
    _add_scales(tokens, joints, gaps)
    _add_units(tokens, joints, gaps)
    _spread_units(tokens, joints)
    values = [_value(token) for token in tokens]
    joints = ["," if joint == " " else joint for joint in joints]
    if is_open:
        values.append(Value(math.inf, base=math.inf))
        joints.append("-")
    half = len(values) // 2
    is_twice = len(values) == 2 * half and joints[half - 1] in ("/", ",", "or", "=")
    if is_twice and joints[: half - 1] == joints[half:] and converts(values[:half], values[half:]):
        values, joints = with_twins(values[:half], values[half:]), joints[: half - 1]
    return Values(values, joints, whole, aside)


def _is_count(token: Token) -> bool:
    """Whether the token is digits alone."""
    return token.plain and not token.places and not token.sign and token.digits.isdigit()


def _name_years(tokens: list[Token], joints: list[str]) -> None:
    """``1990-95``, ``1999-00`` and ``1990/91`` become ranges of years."""
    for at, joint in enumerate(joints):
        one, other = tokens[at], tokens[at + 1]
        beside = {joints[at - 1] if at else "", joints[at + 1] if at + 1 < len(joints) else ""}
        if joint not in "-/" or not (_is_count(one) and _is_count(other)) or beside & {"-", "/", "."}:
            continue
        if len(one.digits) != 4 or one.number not in YEARS or len(other.digits) not in (2, 4):
            continue
        end = other.number
        if len(other.digits) == 2:
            end += one.number // 100 * 100
            end += 100 if other.number == 0 and one.number % 100 == 99 else 0
        if end > one.number:
            other.number, other.digits, joints[at] = end, f"{int(end)}", "-"


def _make_ratios(tokens: list[Token], joints: list[str], gaps: list[str]) -> None:
    """``3/4`` and ``1 1/2`` become one number."""
    at = 0
    while at < len(joints):
        one, other = tokens[at], tokens[at + 1]
        beside = {joints[at - 1] if at else "", joints[at + 1] if at + 1 < len(joints) else ""}
        is_over_under = (
            joints[at] == "/"
            and gaps[at] in _OVER
            and _is_count(one)
            and other.digits.isdigit()
            and other.scalable
        )
        if not is_over_under or other.sign or other.number == 0 or beside & {"/", "."}:
            at += 1
            continue
        if one.number >= other.number and (other.number > _LARGEST_UNDER or one.number % other.number == 0):
            at += 1
            continue
        first = one
        number, ratio = one.number / other.number, (one.number, other.number)
        if at and abs(number) < 1 and _is_count(tokens[at - 1]):
            dashed = joints[at - 1] == "-" and gaps[at - 1] == "-" and other.number in HALVES
            dashed = dashed and tokens[at - 1].end + 1 == one.start
            if (joints[at - 1] == " " and gaps[at - 1] == "") or dashed:
                first = tokens[at - 1]
                number += first.number
                ratio = (first.number * other.number + one.number, other.number)
                del tokens[at - 1], joints[at - 1], gaps[at - 1]
                at -= 1
        tokens[at] = replace(other, number=number, digits="", start=first.start, ratio=ratio, plain=False,
                             scalable=False, sign=first.sign, places=3)  # fmt: skip
        del tokens[at + 1], joints[at], gaps[at]


def _name_units(tokens: list[Token], joints: list[str]) -> None:
    """Decide what ``m``, ``'`` and ``"`` mean, from the units before and after them."""
    for at, joint in enumerate(joints):
        one, other = tokens[at], tokens[at + 1]
        if joint not in " ,":
            continue
        if one.name == "m" and other.unit == SECOND and not other.clock:
            one.unit = MINUTE
        if one.unit == HOUR and other.name in ("m", "'"):
            other.unit = MINUTE
        elif one.unit == MINUTE and other.name in ('"', "''"):
            other.unit = SECOND
        elif one.unit == DEGREE and other.name == "'":
            other.unit = ARC_MINUTE
        elif one.unit == ARC_MINUTE and other.name in ('"', "''"):
            other.unit = ARC_SECOND


def _add_scales(tokens: list[Token], joints: list[str], gaps: list[str]) -> None:
    """``1亿2000万`` and ``3万5千`` become one number."""
    at = 0
    while at < len(joints):
        one, other = tokens[at], tokens[at + 1]
        is_next = gaps[at] == "" and joints[at] == " " and (other.scale > 1 or one.end == other.start)
        if (
            not is_next
            or other.sign
            or one.unit.dimension
            or one.scale <= other.scale
            or one.scale <= abs(other.number)
        ):
            at += 1
            continue
        one.number += other.number * (-1 if one.number < 0 else 1)
        one.unit, one.name, one.scale, one.end = other.unit, other.name, other.scale, other.end
        del tokens[at + 1], joints[at], gaps[at]


def _add_units(tokens: list[Token], joints: list[str], gaps: list[str]) -> None:
    """``5 ft 11 in``, ``1 h 20 min`` and ``12° 30′ N`` become one value, with the smallest unit."""
    at = 0
    while at < len(tokens):
        token = last = tokens[at]
        total = token.number * token.unit.factor
        while at < len(joints) and joints[at] in " ," and _is_part(token, last, tokens[at + 1], gaps[at]):
            last = tokens[at + 1]
            total += last.number * last.unit.factor * (-1 if token.number < 0 else 1)
            del tokens[at + 1], joints[at], gaps[at]
        if last is not token:
            token.base, token.unit, token.name, token.end = total, last.unit, last.name, last.end
            token.number = round(total / last.unit.factor, 9)
            token.places, token.direction, token.ratio = last.places, last.direction or token.direction, None
        if token.direction and token.unit.dimension == "angle":
            if token.direction in "SW":
                token.base, token.number = -total, -token.number
            token.unit = Unit("anglen" if token.direction in "NS" else "anglee", token.unit.factor)
        at += 1


def _is_part(token: Token, last: Token, other: Token, gap: str) -> bool:
    """Whether `other` belongs to a value in mixed units that begins with `token` and so far ends with `last`."""
    if other.sign or token.clock or other.clock or token.unit.offset or not token.unit.factor:
        return False
    if (
        gap == ""
        and last.unit in SMALLER
        and other.plain
        and other.number < (12 if last.unit == FOOT else 60)
    ):
        other.unit = SMALLER[last.unit]
    elif (other.unit.dimension, other.unit.system) != (token.unit.dimension, token.unit.system):
        return False
    return 0 < other.unit.factor < last.unit.factor and other.number * other.unit.factor < last.unit.factor


def _spread_units(tokens: list[Token], joints: list[str]) -> None:
    """In ``3-5 km``, ``3 × 4 m`` and ``10–20 million`` the unit and the power of ten belong to both numbers."""
    for at in range(len(joints) - 1, -1, -1):
        one, other = tokens[at], tokens[at + 1]
        if joints[at] not in ("-", "x", "±", "or", ",") or one.clock or other.clock:
            continue
        is_scaled = joints[at] != "," and one.scalable and other.scale > 1
        if is_scaled and (joints[at] != "-" or one.number < other.number / other.scale):
            one.number *= other.scale
            one.scale, one.plain, one.scalable = other.scale, False, False
        if not one.unit.dimension and other.unit.dimension and other.base is None:
            one.unit, one.plain = other.unit, False


def _value(token: Token) -> Value:
    unit = token.unit
    number = token.number
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    base = token.base if token.base is not None else number * unit.factor + unit.offset
    step = 10.0**-token.places * token.scale * (unit.factor or 1.0)
    is_long = len(token.digits) > 1 and not token.clock
    code = is_long and token.digits[0] == "0" and token.digits.isdigit()
    code = code or (is_long and token.plain and "." in token.digits and token.digits[-1] == "0")
    return Value(number, unit, base, step, token.ratio, token.plain, code)
