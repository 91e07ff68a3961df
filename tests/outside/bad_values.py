"""Values that outside data may have where a reader expects something else, and where they are put in a record.

Values are JSON texts, not Python objects, because some of them (a number of 400 digits, an object with one name twice,
deep nesting) have no object from which `json.dumps` would write them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

BAD: dict[str, str] = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "minus one": "-1",
    "fraction": "1.5",
    "2**63": "9223372036854775808",
    "400 digits": "9" * 400,
    "-400 digits": "-" + "9" * 400,
    "5000 digits": "9" * 5000,
    "1e400": "1e400",
    "-1e400": "-1e400",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "NaN": "NaN",
    "empty text": '""',
    "blank text": '" \\t\\n"',
    "lone surrogate": '"a\\ud83d"',
    "low surrogate": '"\\udc00"',
    "NUL": '"a\\u0000b"',
    "control characters": '"\\u001b[2J\\u2028\\u202e\\ufeff"',
    "number as text": '"7"',
    "late year": '"99999-12-31T00:00:00Z"',
    "early year": '"0000-00-00"',
    "long text": json.dumps("x" * 20_000),
    "empty list": "[]",
    "list of null": "[null]",
    "list of texts": '["a", "b"]',
    "list of lists": "[[[]]]",
    "list of objects": '[{"a": 1}]',
    "empty object": "{}",
    "empty name": '{"": null}',
    "object": '{"a": 1}',
    "one name twice": '{"a": 1, "a": [2]}',
    "surrogate in a name": '{"a\\ud83d": "\\ud83d"}',
    "long name": json.dumps({"k" * 20_000: "v"}),
    "number as a name": '{"1": {"2": 3}}',
    "deep, 70": "[" * 70 + "]" * 70,
    "deep, 900": "[" * 900 + "]" * 900,
    "deep objects, 900": '{"a":' * 900 + "1" + "}" * 900,
    "deep, 100000": "[" * 100_000 + "]" * 100_000,
}
"""The bad values by name, as JSON texts (also those that only Python's reader takes for JSON)."""

_MARK = "\u2603here\u2603"


def records(good: Any, names: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """Every JSON text in which one place of `good` is bad, with a description of the place and of the value.

    Each bad value stands at each place: the whole record, every field, every field and item inside. Then each place is
    left out, and each name of a member is not what it should be. `names` limits the bad values.
    """
    for path in [(), *_paths(good)]:
        marked = json.dumps(_replaced(good, path, _MARK), ensure_ascii=False)
        for name, text in BAD.items():
            if names is None or name in names:
                yield f"{_shown(path)} is {name}", marked.replace(f'"{_MARK}"', text)
        if path:
            yield f"{_shown(path)} is missing", json.dumps(_without(good, path), ensure_ascii=False)
            if isinstance(path[-1], str):
                renamed = _replaced(good, path, None)
                _at(renamed, path[:-1])["\ud83d\0" + path[-1]] = _at(good, path)
                yield f"{_shown(path)} has another name", json.dumps(renamed)
    for path in [(), *_paths(good)]:
        value = _at(good, path)
        if isinstance(value, dict) and value:
            twice = json.dumps(value, ensure_ascii=False)
            marked = json.dumps(_replaced(good, path, _MARK), ensure_ascii=False)
            yield (
                f"{_shown(path)} has every member twice",
                marked.replace(f'"{_MARK}"', f"{twice[:-1]}, {twice[1:]}"),
            )


def contents(line: str, ending: str = ".jsonl") -> Iterator[tuple[str, bytes]]:
    """Whole files that hold `line`, a good line of JSON, in a bad form."""
    good = line.encode()
    yield "empty", b""
    yield "blank lines", b"\n \n\t\n\r\n"
    yield "NUL bytes", bytes(300)
    yield "NUL bytes after a line", good + b"\n" + bytes(300)
    yield "byte order mark", b"\xef\xbb\xbf" + good + b"\n"
    yield "two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf" + good + b"\n"
    yield "UTF-16", line.encode("utf-16")
    yield "UTF-32", line.encode("utf-32")
    yield "Latin-1", b'{"a": "\xe9"}\n'
    yield "surrogate in UTF-8", b'{"a": "\xed\xa0\xbd"}\n'
    yield "cut line", good + b"\n" + good[: len(good) // 2]
    yield "carriage returns", good + b"\r" + good + b"\r"
    yield "two on a line", good + good + b"\n"
    yield "open brackets", b"[" * 200_000
    yield "open objects", b'{"a":' * 200_000
    yield "long line", b"x" * 2_000_000
    yield "long number", b"9" * 200_000
    yield "a list of lines", b"[" + good + b"]"
    yield "HTML", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "CSV", b'a,"b\n"",c'
    yield "gzip", gzip.compress(good + b"\n", mtime=0)
    yield "cut gzip", gzip.compress(good * 9 + b"\n", mtime=0)[:-9]
    yield "gzip magic", b"\x1f\x8b"


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, each in members:
        yield (*path, name)
        yield from _paths(each, (*path, name))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    value = dict(value) if isinstance(value, dict) else list(value)
    value[path[0]] = _replaced(value[path[0]], path[1:], new)
    return value


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    value = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del value[path[0]]
    else:
        value[path[0]] = _without(value[path[0]], path[1:])
    return value


def _shown(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path)) or "the record"
