"""The values in a text, with their units, and what joins them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from wideseek_env.scoring.numbers import NUMBER, is_power, scale_of, value_of
from wideseek_env.scoring.units import (
    ARC_MINUTE,
    ARC_SECOND,
    DEGREE,
    FOOT,
    HOUR,
    MINUTE,
    NO_UNIT,
    PERCENT,
    PERMILLE,
    SECOND,
    SMALLER,
    Unit,
    unit_at,
)

_TOKEN = re.compile(
    r"(?P<clock>[-+]?(?<![\d:.,])\d{1,3}:[0-5]\d(?::[0-5]\d)?(?:\.\d{1,3})?(?![\d:]))(?:\s?(?P<half>[ap]\.?m\b\.?))?|"
    + NUMBER.pattern,
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)(?![^\W\d_])", re.IGNORECASE)
_MONEY_SCALE = re.compile(r"\s?(mm?|b|k)(?![^\W\d_])", re.IGNORECASE)
_MONEY_SCALES = {"k": 1e3, "m": 1e6, "mm": 1e6, "b": 1e9}
_DIRECTION = re.compile(r"\s?([NSEW])(?!\w)")
_INCHES = re.compile(r"\s*(?:$|[-,;:/()\[\]|+]|(?:x|by|and|to|or)\s)")
_LEADS = {"": "", "from": "from", "between": "between", "从": "from", "介于": "between", "在": "between", "约": ""}
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
    "=": "=",
    "≈": "=",
}
_CONNECTORS = (
    ("-", re.compile(r"(?<!\w)[-~](?!\w)|\bto\b|[至到]")),
    ("±", re.compile("±")),
    ("or", re.compile(r"\bor\b|或")),
    ("/", re.compile(r"/|\bof\b")),
    ("x", re.compile(r"\bby\b|(?<!\w)x(?!\w)")),
)
_OPEN = re.compile(r"-\s?(?:present|now|today|current|date|至?今)?(?!\w)|至今", re.IGNORECASE)
_YEARS = range(1000, 3000)
# How far a value may be from the same value in other units. Authors round within a cell: 20 km (12 mi).
_IN_A_CELL = 0.05
_BETWEEN_CELLS = 0.01
_COARSE = 0.02  # a value with larger steps says too little about one in other units
_OVER = ("/", "of", "out of")
_LARGEST_UNDER = 16  # of fractions above 1: 68/68 is a pair
_HALVES = (2, 4, 8, 16, 32, 64)


class Value(NamedTuple):
    """One value.

    `raw` is the number as written, powers of ten included; in mixed units, the number of the smallest unit. `base` is
    the value in the base unit of the unit's dimension, and `step` the value of one in the last written place. `ratio`
    is a fraction as written. `plain` is whether the value is digits alone, and `code` whether it begins with a zero that
    numbers do not have. `twin` is the same value in other units, if the text has it.
    """

    raw: float
    unit: Unit = NO_UNIT
    base: float = 0.0
    step: float = 0.0
    ratio: tuple[float, float] | None = None
    plain: bool = False
    code: bool = False
    twin: Value | None = None

    @property
    def key(self) -> str:
        """The number, with the percent sign counted. Equal numbers have equal keys."""
        value = self.raw * self.unit.factor if self.unit.dimension == "share" else self.raw
        return str(value) if isinstance(value, int) else f"{value:.12g}"

    def near(self, gold: Value, tolerance: float, *, share: bool = False) -> bool:
        """Whether this value agrees with `gold`. With `share`, a number next to a percentage is a share."""
        one, other = self.unit, gold.unit
        if self.ratio is not None and gold.ratio is not None and not self._is_measured_like(gold):
            return all(numbers_agree(*pair, tolerance) for pair in zip(self.ratio, gold.ratio, strict=True))
        if one.dimension and other.dimension:
            if one.dimension == other.dimension and one.factor and other.factor:
                return self._converts_to(gold, tolerance)
            if not (one.dimension.startswith(other.dimension) or other.dimension.startswith(one.dimension)):
                return False
        if share and "share" in (one.dimension, other.dimension):
            return numbers_agree(self.base, gold.base, tolerance)
        return numbers_agree(self.raw, gold.raw, tolerance)

    def _is_measured_like(self, gold: Value) -> bool:
        """Whether both fractions are halves, quarters and so on. Others may be two counts: 10/30 is not 5/15."""
        return all(value.ratio is not None and value.ratio[1] in _HALVES for value in (self, gold))

    def _converts_to(self, gold: Value, tolerance: float) -> bool:
        """Whether two values with units of one dimension agree. Between two systems of units, values are rounded."""
        if self.twin is None and gold.twin is None:
            if numbers_agree(self.base, gold.base, tolerance):
                return True
            return self.unit.system != gold.unit.system and _is_rounded(self, gold, _BETWEEN_CELLS)
        pairs = [(one, other) for one in self.forms for other in gold.forms]
        equal = [numbers_agree(one.base, other.base, tolerance) for one, other in pairs]
        if not all(same or _is_rounded(*pair, _IN_A_CELL) for same, pair in zip(equal, pairs, strict=True)):
            return False
        if self.unit.system == gold.unit.system:
            return equal[0]
        coarse = any(
            max(one.step, other.step) > _COARSE * abs(one.base)
            for one, other in pairs
            if one.unit.system == other.unit.system
        )
        return any(equal) or (not coarse and _is_rounded(self, gold, _BETWEEN_CELLS))

    @property
    def forms(self) -> tuple[Value, ...]:
        """The value in each of its units."""
        return (self,) if self.twin is None else (self, self.twin)


class Values(NamedTuple):
    """The values of a text, the joint between each and the next, whether the text has nothing else, and the numbers that
    are part of a word (``H2O``)."""

    values: list[Value]
    joints: list[str]
    whole: bool
    aside: list[float]


@dataclass(slots=True)
class _Token:
    """A number as it was found, before it becomes a `Value` or a part of one."""

    number: float
    digits: str
    start: int
    end: int
    sign: str = ""
    unit: Unit = NO_UNIT
    name: str = ""  # of the unit, as written
    scale: float = 1.0
    places: int = 0
    ratio: tuple[float, float] | None = None
    plain: bool = False
    scalable: bool = False  # it has no power of ten yet
    clock: bool = False
    direction: str = ""
    base: float | None = None  # of values in mixed units
    attached: bool = False  # to a letter before it: H2O


def numbers_agree(predicted: float, gold: float, tolerance: float) -> bool:
    """Whether `predicted` is within `tolerance` (relative to `gold`) of `gold`. If gold is 0, only 0 agrees."""
    if predicted == gold:
        return True
    if gold == math.inf or (tolerance == 0 and isinstance(predicted, int) and isinstance(gold, int)):
        return False
    return abs(predicted - gold) <= (tolerance + 1e-9) * abs(gold)


def converts(values: Sequence[Value], others: Sequence[Value]) -> bool:
    """Whether `others` are the same values in other units, as far as both are rounded."""
    return len(values) == len(others) > 0 and all(
        one.unit.dimension == other.unit.dimension != ""
        and one.unit.factor != other.unit.factor
        and min(one.unit.factor, other.unit.factor) > 0
        and _is_rounded(one, other, _IN_A_CELL)
        for one, other in zip(values, others, strict=True)
    )


def with_twins(values: Sequence[Value], others: Sequence[Value]) -> list[Value]:
    """`values` with the same values in other units."""
    return [one._replace(twin=other) for one, other in zip(values, others, strict=True)]


def in_one_form(values: Sequence[Value], others: Sequence[Value]) -> bool:
    """Whether the values may be compared as quantities in columns of text: with the same kinds of units, without codes,
    and not two plain numbers or two different fractions."""
    pairs = list(zip(values, others, strict=True))
    if len(pairs) == 1 and values[0].plain and others[0].plain:
        return False
    return all(
        one.unit.dimension == other.unit.dimension
        and not (one.code or other.code)
        and (one.ratio == other.ratio or one.ratio is None or other.ratio is None)
        for one, other in pairs
    )


def read_values(text: str) -> Values | None:
    """The values in `text`, a folded text without remarks. None when it has no number, or one that is too large."""
    tokens = _tokens(text)
    if tokens is None:
        return None
    if not tokens:
        return None
    aside: list[float] = []
    if any(token.attached for token in tokens) and not all(token.attached for token in tokens):
        aside = [token.number for token in tokens if token.attached]
        tokens = [token for token in tokens if not token.attached]
    lead = text[: tokens[0].start].strip(" .,;:*()[]").lower()
    trail = text[tokens[-1].end :].strip(" .,;:*()[]\"'")
    is_open = _OPEN.match(trail) is not None
    whole = lead in _LEADS and (is_open or not trail)
    joints: list[str] = []
    gaps: list[str] = []
    for one, other in zip(tokens, tokens[1:], strict=False):
        gap = text[one.end : other.start].strip().lower()
        joint = _JOINTS.get(gap)
        if joint is None:
            whole = False
            joint = next((joint for joint, found in _CONNECTORS if found.search(gap)), ",")
        if gap == "" and other.sign and one.name != "±":
            joint, other.number, gap = other.sign, abs(other.number), other.sign
        if "(" in gap:
            joint = "("
        if joint == "," and not joints and lead in ("between", "介于", "在") and gap in ("and", "和", "与"):
            joint = "-"
        joints.append(joint)
        gaps.append(gap)
    _name_years(tokens, joints)
    _make_ratios(tokens, joints, gaps)
    _name_units(tokens, joints)
    _add_parts(tokens, joints, gaps)
    _spread_units(tokens, joints)
    values = [_value(token) for token in tokens]
    joints = ["," if joint == " " else joint for joint in joints]
    if is_open:
        values.append(Value(math.inf, base=math.inf))
        joints.append("-")
    half = len(values) // 2
    if len(values) % 2 == 0 and joints[half - 1] in ("/", ",", "or", "=") and joints[: half - 1] == joints[half:]:
        if converts(values[:half], values[half:]):
            values, joints = with_twins(values[:half], values[half:]), joints[: half - 1]
    return Values(values, joints, whole, aside)


def _tokens(text: str) -> list[_Token] | None:
    tokens: list[_Token] = []
    at = 0
    while (found := _TOKEN.search(text, at)) is not None:
        token = _clock(found) if found["clock"] else _number(found)
        if token is None:
            return None
        before = text[token.start - 1 : token.start]
        in_word = token.start > at and before.isalpha() and before < "\u2e80"
        in_word = in_word and (before not in "xX" or at == 0 or text[at : token.start].strip() not in "xX")
        token.attached = in_word and not found["currency"]
        if text.endswith("百分之", 0, token.start):
            token.unit, token.start, token.plain = PERCENT, token.start - 3, False
        _take_unit(token, text)
        tokens.append(token)
        at = max(token.end, found.end())
    return tokens


def _clock(found: re.Match[str]) -> _Token:
    parts = found["clock"].lstrip("+-").split(":")
    value: float = 0
    for part in parts:
        value = value * 60 + (float(part) if "." in part else int(part))
    half = (found["half"] or "").lower()
    if half and len(parts) == 2 and int(parts[0]) <= 12:
        value += (720 if half.startswith("p") else 0) - (720 if int(parts[0]) == 12 else 0)
    sign = found["clock"][0] if found["clock"][0] in "+-" else ""
    number = -value if sign == "-" else value
    return _Token(number, found["clock"], found.start(), found.end(), sign, SECOND, "clock", clock=True)


def _number(found: re.Match[str]) -> _Token | None:
    value = value_of(found)
    if value is None:
        return None
    digits, scale = found["digits"], scale_of(found)
    unit = NO_UNIT
    if sign := (found["unit"] or "").lower():
        unit = PERMILLE if sign in ("‰", "permille") else PERCENT
    elif found["currency"]:
        money = unit_at(found["currency"].strip().lower(), 0)
        unit = money[0] if money is not None else NO_UNIT
    raised = found["raised"] is not None and is_power(found)
    exponent = found["power"] or found["exponent"]
    scalable = exponent is None and not raised and scale == 1
    if value == 0 and found["letter"]:
        return _Token(0, digits, found.start(), found.start("letter"), found["sign"] or "", plain=True)  # 0-6-0T
    point = max(digits.rfind("."), digits.rfind(","))
    places = len(digits) - point - 1 if point >= 0 and not float(value).is_integer() else 0
    return _Token(
        value, digits, found.start(), found.end(), found["sign"] or "", unit, sign or found["currency"] or "", scale, places,
        plain=scalable and unit is NO_UNIT, scalable=scalable,
    )  # fmt: skip


def _take_unit(token: _Token, text: str) -> None:
    """Add the unit that follows the number."""
    end = token.end
    if token.unit.dimension and token.unit.factor == 0:
        if token.scale == 1 and (short := _MONEY_SCALE.match(text, end)) is not None:
            token.scale = _MONEY_SCALES[short[1].lower()]
            token.number *= token.scale
            token.end, token.plain = short.end(), False
        return
    if token.unit.dimension == "share":
        return
    if (ordinal := _ORDINAL.match(text, end)) is not None and not token.places:
        if ordinal[0].lower() != "st" or (token.number % 10 == 1 and token.number % 100 != 11):
            token.end, token.plain = ordinal.end(), False
            return
    found = unit_at(text, end)
    if found is None and text[end : end + 1] == " ":
        found = unit_at(text, end + 1)
        if found is not None and found[1][0] in "'\"":
            found = None
    if found is None:
        return
    unit, name, stop = found
    if name[0] in "'\"" and text[stop : stop + 1].isalpha() and text[stop] < "\u2e80" and text[stop] not in "xNSEW":
        return
    if name.lower() == "in" and _INCHES.match(text, stop) is None:
        return
    if name == "s" and stop == end + 1 and not token.clock and len(token.digits) > 2 and token.digits[-1] == "0":
        return  # the 1990s
    if name == "年" and token.number in _YEARS:
        token.end = stop
        return
    if token.clock:
        if unit.dimension != "time":
            return
        if unit == HOUR and token.digits.count(":") == 1:
            token.number *= 60
        token.end = stop
        return
    token.unit, token.name, token.end, token.plain = unit, name, stop, False
    if name.isalpha() and text[stop : stop + 1] == "." and not text[stop + 1 : stop + 2].isdigit():
        token.end = stop + 1
    is_angle = unit.dimension == "angle" or name[0] in "'\""
    if is_angle and (direction := _DIRECTION.match(text, stop)) is not None:
        token.direction, token.end = direction[1], direction.end()


def _is_count(token: _Token) -> bool:
    """Whether the token is digits alone."""
    return token.plain and not token.places and not token.sign and token.digits.isdigit()


def _name_years(tokens: list[_Token], joints: list[str]) -> None:
    """``1990-95``, ``1999-00`` and ``1990/91`` become ranges of years."""
    for at, joint in enumerate(joints):
        one, other = tokens[at], tokens[at + 1]
        beside = {joints[at - 1] if at else "", joints[at + 1] if at + 1 < len(joints) else ""}
        if joint not in "-/" or not (_is_count(one) and _is_count(other)) or beside & {"-", "/", "."}:
            continue
        if len(one.digits) != 4 or one.number not in _YEARS or len(other.digits) not in (2, 4):
            continue
        end = other.number
        if len(other.digits) == 2:
            end += one.number // 100 * 100
            end += 100 if other.number == 0 and one.number % 100 == 99 else 0
        if end > one.number:
            other.number, other.digits, joints[at] = end, f"{int(end)}", "-"


def _make_ratios(tokens: list[_Token], joints: list[str], gaps: list[str]) -> None:
    """``3/4`` and ``1 1/2`` become one number."""
    at = 0
    while at < len(joints):
        one, other = tokens[at], tokens[at + 1]
        beside = {joints[at - 1] if at else "", joints[at + 1] if at + 1 < len(joints) else ""}
        is_over_under = joints[at] == "/" and gaps[at] in _OVER and _is_count(one) and other.digits.isdigit() and other.scalable
        if not is_over_under or other.sign or other.number == 0 or beside & {"/", "."}:
            at += 1
            continue
        if one.number >= other.number and (other.number > _LARGEST_UNDER or one.number % other.number == 0):
            at += 1
            continue
        first = one
        number, ratio = one.number / other.number, (one.number, other.number)
        if at and abs(number) < 1 and _is_count(tokens[at - 1]):
            dashed = joints[at - 1] == "-" and gaps[at - 1] == "-" and other.number in _HALVES
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


def _name_units(tokens: list[_Token], joints: list[str]) -> None:
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


def _add_parts(tokens: list[_Token], joints: list[str], gaps: list[str]) -> None:
    """Values in mixed units (``5 ft 11 in``) and in mixed powers of ten (``1亿2000万``) become one."""
    at = 0
    while at < len(tokens):
        token = tokens[at]
        total = token.number * token.unit.factor
        last = token
        while at < len(joints) and joints[at] in " ,":
            other = tokens[at + 1]
            if other.sign or token.clock or other.clock or token.unit.offset:
                break
            gap = gaps[at]
            is_smaller = other.unit.dimension == token.unit.dimension and other.unit.system == token.unit.system
            if gap == "" and last.unit in SMALLER and other.plain and other.number < (12 if last.unit == FOOT else 60):
                other.unit, is_smaller = SMALLER[last.unit], True
            if is_smaller and token.unit.factor and 0 < other.unit.factor < last.unit.factor:
                if other.number * other.unit.factor >= last.unit.factor:
                    break
                total += other.number * other.unit.factor * (-1 if token.number < 0 else 1)
            elif gap == "" and last.scale > max(other.scale, other.number if other.scale == 1 else 0) and (
                other.scale > 1 or tokens[at].end == other.start
            ) and not last.unit.dimension and last.scale > abs(other.number):
                token.number += other.number * (-1 if token.number < 0 else 1)
                token.unit, token.name, token.scale = other.unit, other.name, other.scale
                token.end = other.end
                del tokens[at + 1], joints[at], gaps[at]
                last = token
                total = token.number * token.unit.factor
                continue
            else:
                break
            last = other
            token.end = other.end
            del tokens[at + 1], joints[at], gaps[at]
        if last is not token:
            token.base, token.unit, token.name = total, last.unit, last.name
            token.number = round(total / last.unit.factor, 9)
            token.places, token.direction, token.ratio = last.places, last.direction or token.direction, None
        if token.direction and token.unit.dimension == "angle":
            axis = "n" if token.direction in "NS" else "e"
            flip = -1 if token.direction in "SW" else 1
            token.base = flip * (token.base if token.base is not None else token.number * token.unit.factor)
            token.number *= flip
            token.unit = Unit(f"angle{axis}", token.unit.factor)
        at += 1


def _spread_units(tokens: list[_Token], joints: list[str]) -> None:
    """In ``3-5 km``, ``3 × 4 m`` and ``10–20 million`` the unit and the power of ten belong to both numbers."""
    for at in range(len(joints) - 1, -1, -1):
        one, other = tokens[at], tokens[at + 1]
        if joints[at] not in ("-", "x", "±", "or", ",") or one.clock or other.clock:
            continue
        if joints[at] != "," and one.scalable and other.scale > 1:
            if joints[at] != "-" or one.number < other.number / other.scale:
                one.number *= other.scale
                one.scale, one.plain, one.scalable = other.scale, False, False
        if not one.unit.dimension and other.unit.dimension and other.base is None:
            one.unit, one.plain = other.unit, False


def _value(token: _Token) -> Value:
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


def _is_rounded(one: Value, other: Value, share: float) -> bool:
    """Whether one value can be the other one in another system of units, rounded, and no more than `share` away."""
    allowed = min(max(one.step, other.step) * 0.5 + 1e-9, share * max(abs(one.base), abs(other.base)))
    return abs(one.base - other.base) <= max(allowed, 1e-9 * abs(one.base))
