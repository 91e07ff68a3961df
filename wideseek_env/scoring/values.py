"""A value with its unit, and whether two values agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from wideseek_env.scoring.units import NO_UNIT, Unit

# How far a value may be from the same value in other units. Authors round within a cell: 20 km (12 mi).
_IN_A_CELL = 0.05
_BETWEEN_CELLS = 0.01
_COARSE = 0.02  # a value with larger steps says too little about one in other units

HALVES = (2, 4, 8, 16, 32, 64)
"""The numbers below the line of fractions that people measure with."""


class Value(NamedTuple):
    """One value.

    `raw` is the number as written, powers of ten included; in mixed units, the number of the smallest unit. `base` is
    the value in the base unit of the unit's dimension, and `step` the value of one in the last written place. `ratio`
    has the numbers above and below the line of a fraction.

    `plain` is whether the value is digits alone, and `code` whether it has zeros that numbers do not have (``007``).
    `twin` is the same value in other units, if the text has it.
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
        return all(value.ratio is not None and value.ratio[1] in HALVES for value in (self, gold))

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
        bool(one.unit.dimension) == bool(other.unit.dimension)  # `near` has compared two units
        and not (one.code or other.code)
        and (one.ratio == other.ratio or one.ratio is None or other.ratio is None)
        for one, other in pairs
    )


def _is_rounded(one: Value, other: Value, share: float) -> bool:
    """Whether one value can be the other one in another system of units, rounded, and no more than `share` away."""
    allowed = min(max(one.step, other.step) * 0.5 + 1e-9, share * max(abs(one.base), abs(other.base)))
    return abs(one.base - other.base) <= max(allowed, 1e-9 * abs(one.base))
