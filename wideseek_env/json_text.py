"""`json_text`: any result as valid JSON. Numbers that JSON cannot express become null."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any


def json_text(value: Any, *, indent: int | None = None) -> str:
    """`value` as JSON in ASCII, so that it cannot control a terminal and fits every encoding.

    Infinity and NaN become null. Dataclasses and NumPy values become plain values, paths become texts. Any other object
    becomes its `str`.
    """
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` made of dict, list, str, int, finite float, bool and None only."""
    if value is None or (isinstance(value, bool | str) and not isinstance(value, Enum)):
        return value if value is None or isinstance(value, bool) else str(value)
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): plain(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, PurePath | bytes):
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if callable(simple := getattr(value, "tolist", None)):  # NumPy's arrays and scalars, and tensors
        return plain(simple())
    if isinstance(value, Iterable):
        return [plain(each) for each in value]
    return str(value)


def _key(key: Any) -> str:
    return key if type(key) is str else "null" if key is None else str(plain(key))
