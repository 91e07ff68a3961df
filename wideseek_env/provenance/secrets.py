"""Takes keys and passwords out of command lines and settings before they are recorded.

A key is found by the name of its option (``api_key=…``), by its place in an address, by its form (``sk-…``), or because
an environment variable with such a name has it. ``[key-1a2b3c]`` replaces it. The digits are a hash, so a record still
shows whether two values differ.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from wideseek_env.addresses import blot, has_key_form, is_key_name, without_keys
from wideseek_env.hiding import hide

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_SCHEME = re.compile(r"\b(Bearer|Basic|Token)([ =]+)([A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE)
_PAIRS = tuple(
    re.compile(rf"(?<![\w.-])(--?)?([A-Za-z_][\w.-]*)([\"']?\s*{sign}\s*[\"']?)([^\s,;&'\"{{}}\[\]]+)")
    for sign in ("=", ":")
)
_WORD = re.compile(r"[A-Za-z0-9_.~+/=-]{12,}")
_SHORTEST = 8
"""The fewest characters of the value of an environment variable that is hidden everywhere."""
_PLAIN = re.compile(r"|true|false|none|null|\[key.*|//.*|\$\{?\w+\}?|[-+]?[0-9.]{1,7}", re.IGNORECASE)
"""Values that are no keys."""


def hidden(value: Any, name: str = "") -> Any:
    """`value`, a JSON value, without keys. `name` is the name of the option that has this value."""
    if isinstance(value, Mapping):
        return {key: hidden(each, str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [hidden(each, name) for each in value]
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return value
    if name and is_key_name(name) and not _PLAIN.fullmatch(str(value)):
        return blot(str(value))
    return hidden_text(value) if isinstance(value, str) else value


def hidden_option(name: str, text: str) -> str:
    """The text of an option on the command line, which may be JSON, without keys."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, (dict, list)):
        shown = hidden(value, name)
        return text if shown == value else json.dumps(shown, ensure_ascii=False)
    return str(hidden(text, name))


def hidden_text(text: str) -> str:
    """`text` without keys."""
    if not text:
        return text
    text = _ADDRESS.sub(lambda found: without_keys(found[0]), hide(text, _from_environment()))
    text = _SCHEME.sub(lambda found: f"{found[1]}{found[2]}{blot(found[3])}", text)
    for pairs in _PAIRS:
        text = pairs.sub(_pair, text)
    return _WORD.sub(lambda found: blot(found[0]) if has_key_form(found[0]) else found[0], text)


def is_secret_option(name: str) -> bool:
    """Whether the option `name` holds a key for certain, so that its value decides no result."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return is_key_name(name) and re.search("apikey|accesskey|secret|passw|pwd|authtoken|accesstoken|apitoken|bearer|"
                                           "authorization|jwt", bare) is not None  # fmt: skip


def _pair(found: re.Match[str]) -> str:
    dashes, name, sign, value = found[1] or "", found[2], found[3], found[4]
    if not is_key_name(name) or _PLAIN.fullmatch(value):
        return found[0]
    return f"{dashes}{name}{sign}{blot(value)}"


def _from_environment() -> tuple[str, ...]:
    return tuple(
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and "/" not in value and is_key_name(name)
    )
