"""Checks of arguments that several functions of this package take."""

from __future__ import annotations

from numbers import Integral

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short


def whole_number(name: str, value: object, least: int) -> int:
    """`value` as an `int`. NumPy's whole numbers are accepted.

    Raises:
        ConfigError: It is not a whole number, or below `least`. The message begins with `name`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, not {short(value)}")
    return int(value)
