r"""Reads JSON as models write it: valid JSON, or text that says unambiguously which value is meant.

The repair is one pass over the text. It accepts Python literals, comments, all kinds of quotes, and names without
quotes. Commas may be missing or too many, and closing brackets may be missing. ``\'`` and other escapes that JSON does
not have are accepted, and so are newlines that are written as ``\n`` between tokens. Text that ends inside a string is
never completed, because nobody knows how the string goes on. All texts in a value and in an error are clean
(`wideseek_env.clean`).
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from wideseek_env.clean import clean_text, clean_value

MAX_REPAIR_CHARS = 65_536
"""The longest text that is repaired, in characters. A longer text must be valid JSON, or it is an error."""

_MOST_EMPTY = 16  # empty values before a value that are skipped

_TOO_DEEP = "it is nested too deeply"
_decode = json.JSONDecoder(strict=False).raw_decode


class Value(NamedTuple):
    """A JSON value, where it ends in the text, and an error sentence. The sentence is "" if the value could be read."""

    value: Any
    end: int
    error: str


def load_lenient(text: str) -> tuple[Any, str]:
    """The JSON value in `text`, repaired if needed, and an error sentence.

    The sentence is "" if `text` could be read.
    """
    try:
        return clean_value(json.loads(text, strict=False)), ""
    except RecursionError:
        return None, _TOO_DEEP
    except ValueError as error:
        first = error
    found = _repaired(text)
    if found is None:
        return None, _describe(text, first)
    return found.value, found.error


def load_value(text: str, start: int = 0) -> Value:
    """The JSON value that begins at `start`, whatever follows it."""
    try:
        value, end = _decode(text, start)
        return Value(clean_value(value), end, "")
    except RecursionError:
        return Value(None, start, _TOO_DEEP)
    except ValueError as error:
        first = error
    rest = text[start : start + MAX_REPAIR_CHARS + 1]
    found = _repaired(rest)
    if found is None:
        return Value(None, start, _describe(rest, first, start))
    return Value(found.value, start + found.end, found.error)


def end_of_json(text: str, start: int) -> int:
    """The position after the valid JSON value at `start`. The result is `start` if no valid value is there."""
    try:
        return _decode(text, start)[1]
    except (ValueError, RecursionError):
        return start


def load_object(text: str) -> tuple[Any, str]:
    """As `load_lenient`, but for text that is one value: the arguments of a call, for example.

    Text that was encoded as JSON twice or more is decoded as often. A fence around the value is removed. A second value
    after the first is an error, because nobody knows which of them is meant. Only empty values before it are skipped.
    """
    value: Any = text
    error = ""
    for _ in range(5):
        value, error = _one_value(value)
        if error or not isinstance(value, str) or not value.strip():
            break
    return value, error


def _one_value(text: str) -> tuple[Any, str]:
    for _ in range(_MOST_EMPTY + 1):
        text = _FENCE.sub("", text.strip()).strip()
        if text.startswith("{{") and text.endswith("}}"):  # a template's braces
            text = text[1:-1]
        value, end, error = load_value(text)
        text = text[end:].lstrip(" \t\r\n,;}])")
        if error or not text or text[0] not in '{["':
            return value, error
        if value not in ({}, [], ""):
            break
    return None, "there is more than one JSON value"


def _describe(text: str, error: ValueError, start: int = 0) -> str:
    position = max(0, getattr(error, "pos", start) - start)
    near = clean_text(" ".join(text[max(0, position - 20) : position + 20].split()))
    return f"{getattr(error, 'msg', 'invalid JSON')} at character {position}, near: {near}"


def _repaired(text: str) -> Value | None:
    """The value in almost-JSON. The error of the value is set if its text cannot be completed. None: no value."""
    if len(text) > MAX_REPAIR_CHARS:
        return None
    forms = [(text, False), (text, True)]
    if '\\"' in text and _ESCAPED.match(text):  # JSON text that was escaped, but that has no quotes around it
        forms.append((_unescaped(text), False))
    why = ""
    for form, inner_quotes in forms:
        repair = _Repair(form, inner_quotes)
        reason = repair.run()
        if reason:
            why = why or reason
            continue
        try:
            value = clean_value(json.loads("".join(repair.out), strict=False))
            return Value(value, repair.at if form is text else len(text), "")
        except RecursionError:
            return Value(None, 0, _TOO_DEEP)
        except ValueError:
            continue
    return Value(None, 0, why) if why else None


_FENCE = re.compile(r"^`{1,3}(?:json|python)?\s|^`{1,3}(?=[\[{\"'])|\s*`{1,3}\Z")
_ESCAPED = re.compile(r'\s*+[{\[]\s*+(?:\\{1,8}+[nrt]\s*+)*+\\{1,8}+"')
_SPACE = re.compile(
    r"(?:\s|[\u200b-\u200f\u2060\ufeff\x00-\x1f]|\\{1,8}+[nrt](?![a-z])|//[^\n]*+|/\*.*?(?:\*/|\Z))++",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W\d][\w-]*")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_AFTER_NAME = re.compile(r"\s*(?:[:=：]|\\{1,8}+n)")
_AFTER_WORD = re.compile(r"[ \t]*(?:[,}\]\n]|\Z)")
_LITERALS = {
    "True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null",
    "TRUE": "true", "FALSE": "false", "NULL": "null", "undefined": "null", "NaN": "NaN", "Infinity": "Infinity",
}  # fmt: skip
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "”": "”", "„": "”", "‘": "’", "＂": "＂"}
_MARKS = str.maketrans("｛｝［］：，", "{}[]:,")
_CLOSES = re.compile(
    r"\s*(?:\Z|[}\]]|:|,\s*(?:\Z|[\"'“{\[}\]]|[-\d]|(?:true|false|null|True|False|None)\b|\w+\s*:))"
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.|\Z)", re.DOTALL)


class _Repair:
    """One pass over almost-JSON. `out` holds pieces of valid JSON, and `at` is the position after the value."""

    def __init__(self, text: str, inner_quotes: bool) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self._inner_quotes = inner_quotes
        """Whether a quote ends a string only if the text after it shows this."""
        self._closers: list[str] = []
        self._complete = False
        """Whether the latest piece completes a value or name, so that a comma or colon must follow."""

    def run(self) -> str:
        """Read one value. Returns "" or the reason why the value cannot be completed."""
        text = self.text
        while self.at < len(text):
            if self.out and not self._closers:
                break  # text after the outermost value is not part of it
            if (space := _SPACE.match(text, self.at)) is not None:
                self.at = space.end()
                continue
            char = text[self.at].translate(_MARKS)
            if char in _QUOTES or text.startswith('\\"', self.at):
                if not self._string(char):
                    return "it ends in the middle of a string"
            elif char in "{[":
                self._value(char)
                self._closers.append("}" if char == "{" else "]")
                self._complete = False
                self.at += 1
            elif char in "}]":
                if not self._closers:
                    break
                self._close(char)
                self.at += 1
            elif char in ",:=":
                self._separator(char)
            elif (number := _NUMBER.match(text, self.at)) is not None and number[0][-1:].isdigit():
                self._value(number[0].lstrip("+").replace("_", ""))
                self.at = number.end()
            elif (word := _WORD.match(text, self.at)) is not None:
                known = _LITERALS.get(word[0], word[0])
                named = self._closers[-1:] == ["}"] and _AFTER_NAME.match(text, word.end())
                alone = (
                    self.out[-1:] == [":"]
                    and word[0] not in _LITERALS
                    and _AFTER_WORD.match(text, word.end())
                )
                self._value(json.dumps(word[0]) if named or alone else known)
                self.at = word.end()
            else:
                self.out.append(char)
                self.at += 1
        self._drop_comma()
        self.out.extend(reversed(self._closers))
        return ""

    def _value(self, piece: str) -> None:
        if self._complete and self._closers:
            self.out.append(",")
        self.out.append(piece)
        self._complete = True

    def _separator(self, char: str) -> None:
        self.at += 1
        if char == "=":
            if self.text.startswith(">", self.at):
                self.at += 1
            char = ":"
        if char == "," and not self._complete:
            return  # a surplus comma
        self.out.append(char)
        self._complete = False

    def _close(self, char: str) -> None:
        self._drop_comma()
        while self._closers and self._closers[-1] != char:
            self.out.append(self._closers.pop())
        if self._closers:
            self.out.append(self._closers.pop())
        self._complete = True

    def _drop_comma(self) -> None:
        if self.out and self.out[-1] == ",":
            self.out.pop()

    def _string(self, char: str) -> bool:
        """Read the string that begins here. Returns False if it has no end."""
        text, start = self.text, self.at
        opening = text[start : start + 3]
        if char in "\"'" and opening == char * 3:
            quote, body = opening, start + 3
        elif char == "\\":
            quote, body = '\\"', start + 2
        else:
            quote, body = _QUOTES[char], start + 1
        end = self._end_of_string(quote, body)
        if end < 0:
            return False
        self._value(f'"{_json_text(text[body:end])}"')
        self.at = end + len(quote)
        return True

    def _end_of_string(self, quote: str, position: int) -> int:
        text = self.text
        while position < len(text):
            if text.startswith(quote, position):
                if not self._inner_quotes or _CLOSES.match(text, position + len(quote)):
                    return position
                position += 1
            elif text[position] == "\\":
                position += 2
            else:
                position += 1
        return -1


def _json_text(body: str) -> str:
    """The text of a string in valid JSON escapes."""
    if "\\" not in body and '"' not in body:
        return body
    pieces: list[str] = []
    position = 0
    for found in _ESCAPE.finditer(body):
        pieces += (body[position : found.start()].replace('"', '\\"'), _escape(found[1]))
        position = found.end()
    pieces.append(body[position:].replace('"', '\\"'))
    return "".join(pieces)


def _escape(escaped: str) -> str:
    if len(escaped) == 5 or (len(escaped) == 1 and escaped in '"\\/bfnrt'):
        return f"\\{escaped}"
    if len(escaped) == 3:
        return f"\\u00{escaped[1:]}"
    if not escaped.isalnum():
        return escaped.replace('"', '\\"')
    return f"\\\\{escaped}"  # JSON has no such escape, so the backslash is meant


def _unescaped(text: str) -> str:
    try:
        value = json.loads(f'"{text.strip()}"', strict=False)
    except ValueError:
        return text
    return str(value)
