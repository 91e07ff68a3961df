"""The part of a model's text that a reader sees: without thoughts, comments and control tokens."""

from __future__ import annotations

import re

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_CONTROL = re.compile(r"<[|｜][\w▁ /.:-]{1,60}[|｜]>")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\"\\/bfnrt])")
_ESCAPED = {"b": " ", "f": " ", "n": "\n", "r": "\n", "t": " "}


def strip_thinking(text: str) -> str:
    """`text` without its ``<think>…</think>`` parts.

    A closing tag without an opening tag ends a thought that began before the text, because some chat templates write
    the opening tag into the prompt. An opening tag without a closing tag begins a thought that was cut off. A tag
    inside a line with pipes at both ends is the content of a table cell, but a closing tag ends an open thought there.
    """
    if _THINK.search(text) is None:
        return text
    kept: list[str] = []
    thinking = False
    for line in text.split("\n"):
        stripped = line.strip()
        in_table = len(stripped) > 1 and stripped[0] == "|" == stripped[-1]
        if in_table and not (thinking and "</" in line):
            if not thinking:
                kept.append(line + "\n")
            continue
        position = 0
        for tag in _THINK.finditer(line):
            if tag[1]:
                if not thinking:
                    kept.clear()
                thinking = False
                position = tag.end()
            elif not thinking:
                kept.append(line[position : tag.start()])
                thinking = True
        if not thinking:
            kept.append(line[position:] + "\n")
    return "".join(kept).removesuffix("\n")


def visible_text(text: str) -> str:
    """`text` without HTML comments and without the control tokens of chat templates (``<|im_end|>``)."""
    if "<" not in text:
        return text
    if "<!--" in text:
        kept: list[str] = []
        position = 0
        while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
            kept.append(text[position:start])
            position = end + 3
        text = "".join((*kept, text[position:]))
    if "<|" in text or "<｜" in text:
        text = _CONTROL.sub("", text)
    return text


def unescape(text: str) -> str:
    r"""`text` with the escapes of a JSON string (``\n``, ``\"``, ``\u00e9``) replaced by what they mean."""

    def meant(escape: re.Match[str]) -> str:
        sign = escape[1]
        return chr(int(sign[1:], 16)) if len(sign) > 1 else _ESCAPED.get(sign, sign)

    text = _ESCAPE.sub(meant, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
