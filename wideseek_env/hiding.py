"""Removes API keys from what a service sends back, in every common way to write them.

A service may repeat the key that it got, in a page, a search result, a reply of a model or an error. Such texts are
shown to agents and stored in records. So every answer of a service that got a key goes through this module.

These forms are found: the key itself in any case, and with characters written as in JSON (`\\/`, `\\u0041`), in
addresses (`%41`), in HTML (`&#65;`, `&#x41;`, `&amp;`) or in programs (`\\x41`), also mixed and escaped twice.
Base64 of a text with the key and the key in hexadecimal digits are found too. In bytes, UTF-16 and UTF-32 are found.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, AnyStr

HIDDEN = "[key]"
"""What replaces a key."""

_SHORTEST = 4
_SHORTEST_CODED = 8  # the fewest characters of a key whose base64 and hexadecimal forms are looked for
_PLACEHOLDERS = frozenset(
    (
        *("empty", "none", "null", "dummy", "test", "local", "fake", "token", "password", "no-key", "nokey"),
        *("not-needed", "not-required", "unused", "sk-no-key-required", "placeholder", "changeme", "ollama"),
    )
)
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey|api-key|key|negotiate|digest)[ =:]+", re.IGNORECASE)
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos", "+": "plus", "=": "equals", "/": "sol"}


def keys_in(value: str) -> tuple[str, ...]:
    """The keys in the value of a header: the value itself, the part after a scheme such as `Bearer`, and the texts of
    `Basic` credentials. The longest is first."""
    found = {value}
    if match := _SCHEME.match(value):
        bare = value[match.end() :].strip()
        found.add(bare)
        if value.lower().startswith("basic"):
            try:
                decoded = base64.b64decode(bare, validate=True).decode("ascii")
            except ValueError:
                decoded = ""
            if decoded.isprintable():
                found |= {decoded, decoded.partition(":")[2]}
    return tuple(sorted((key for key in found if key), key=lambda key: (-len(key), key)))


def hide(text: AnyStr, keys: Iterable[str]) -> AnyStr:
    """`text` (a string or bytes) with `[key]` in place of each of the `keys`.

    A key of fewer than 4 characters, and a placeholder such as `EMPTY` that local servers ask for, is no secret and
    stays. The work is proportional to the length of the text.
    """
    for key in keys:
        if len(key) < _SHORTEST or len(text) < len(key) or key.lower() in _PLACEHOLDERS:
            continue
        if isinstance(text, str):
            text = _pattern(key).sub(HIDDEN, text)
        else:
            text = _pattern_of_bytes(key, False).sub(HIDDEN.encode(), text)
            if b"\0" in text:
                text = _pattern_of_bytes(key, True).sub(_wide, text)
    return text


def hide_in(value: Any, keys: Iterable[str]) -> Any:
    """Decoded JSON with `[key]` in place of each of the `keys` in all its texts and names."""
    keys = tuple(keys)
    if not keys:
        return value
    if isinstance(value, str):
        return hide(value, keys)
    if isinstance(value, list):
        return [hide_in(each, keys) for each in value]
    if isinstance(value, dict):
        return {hide(name, keys): hide_in(each, keys) for name, each in value.items()}
    return value


@lru_cache(32)
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(_written(key, ""))


@lru_cache(64)
def _pattern_of_bytes(key: str, wide: bool) -> re.Pattern[bytes]:
    return re.compile(_written(key, "\\x00{0,3}" if wide else "").encode("ascii"))


def _wide(match: re.Match[bytes]) -> bytes:
    """`[key]` in the same number of bytes for each character, with the same bytes at the end."""
    found = match[0]
    gap = len(found[1:]) - len(found[1:].lstrip(b"\0"))
    last = len(found) - len(found.rstrip(b"\0"))
    return (b"\0" * gap).join(bytes((sign,)) for sign in HIDDEN.encode()) + b"\0" * last


def _written(key: str, gap: str) -> str:
    """The pattern of all forms. `gap` follows each character, for encodings with several bytes a character."""
    forms = ["".join(_sign(sign, gap) for sign in key)]
    if len(key) >= _SHORTEST_CODED:
        forms.append("".join(_any_case(digit) + gap for digit in key.encode().hex()))
        for at in range(3):  # the position of the key in the encoded text, modulo 3
            coded = base64.b64encode(b"\0" * at + key.encode()).decode().rstrip("=")
            whole = (at + len(key)) % 3 == 0
            coded = coded[(0, 2, 3)[at] : len(coded) if whole else len(coded) - 1]
            forms.append("".join(_coded(sign, gap) for sign in coded))
    return "|".join(forms)


def _sign(sign: str, gap: str) -> str:
    """The forms of one character of a key. Repetitions have limits, so the work does too."""
    code, both = ord(sign), {sign.lower(), sign.upper()}
    raw = _any_case(sign) + gap

    def word(text: str) -> str:
        return "".join(_any_case(each) + gap for each in text)

    def codes(form: str) -> str:
        texts = sorted({format(ord(each), form) for each in both})
        return "(?:" + "|".join(word(text) for text in texts) + ")"

    back, again = rf"(?:\\{gap}){{1,8}}", rf"(?:{word('25')}){{0,4}}"
    zeros = rf"(?:0{gap}){{0,6}}"
    amp = rf"&{gap}(?:{word('amp')};{gap}|\#{gap}{word('38')};{gap}){{0,4}}"
    end = f"(?:;{gap})?"
    named = f"|{word(_NAMED[sign])}{end}" if sign in _NAMED else ""
    escapes = [
        raw,
        rf"{back}(?:{raw}|{word('u')}(?:\{{{gap})?{zeros}{codes('x')}(?:\}}{gap})?|{word('x')}{codes('02x')})",
        rf"%{gap}{again}{codes('02x')}",
        rf"{amp}(?:\#{gap}(?:{zeros}{codes('d')}|{word('x')}{zeros}{codes('x')}){end}{named})",
    ]
    if code == 0x20:
        escapes.append(rf"\+{gap}")
    return "(?:" + "|".join(escapes) + ")"


def _any_case(sign: str) -> str:
    if sign.isascii() and sign.isalpha():
        return f"[{sign.lower()}{sign.upper()}]"
    return re.escape(sign)


def _coded(sign: str, gap: str) -> str:
    """One character of base64, in the usual alphabet or that of addresses. `+`, `/` may be escaped again."""
    if sign.isalnum():
        return sign + gap
    other = {"+": "-", "/": "_"}[sign]
    escaped = "".join(_any_case(each) + gap for each in format(ord(sign), "02x"))
    return rf"(?:{re.escape(other)}{gap}|(?:\\{gap}){{0,8}}{re.escape(sign)}{gap}|%{gap}{escaped})"
