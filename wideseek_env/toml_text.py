"""Writes JSON values as TOML text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_INNER_QUOTE = re.compile(r'"(?="|\Z)')  # no two quotes in a row remain, and none before the closing ones
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def toml_value(value: Any) -> str:
    """A JSON value as TOML. Texts, numbers, truth values and lists look the same in JSON and TOML."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")


def toml_tables(record: Mapping[str, Any], *path: str) -> str:
    """A mapping of values and mappings as TOML tables. `path` is the name of the outermost table.

    Texts with line breaks are written on several lines. Reading the result gives `record` again.
    """
    values = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_text(value)}" for key, value in values.items()]
    if path and (lines or not record):
        lines.insert(0, f"[{'.'.join(map(_key, path))}]")
    parts = ["\n".join(lines)] if lines else []
    parts += [
        toml_tables(value, *path, key).rstrip("\n")
        for key, value in record.items()
        if isinstance(value, Mapping)
    ]
    return "\n\n".join(parts) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml_value(key)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\n" not in value:
        return toml_value(value)
    text = _INNER_QUOTE.sub('\\\\"', value.replace("\\", "\\\\"))
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'"""\n{text}"""'
