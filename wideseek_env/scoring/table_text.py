"""The part of a model's text that a reader sees: without thoughts, comments and control tokens."""

from __future__ import annotations

import re

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_CONTROL = re.compile(r"<[|｜][\w▁ /.:-]{1,60}[|｜]>")
_LINE_END = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\"\\/bfnrt])")
_SPELLED_PIPE = re.compile(r"&#0*124;|&#x0*7c;|&vert;|&verbar;|&VerticalLine;", re.IGNORECASE)
_RULE_IN_LINE = re.compile(r"\|(?:[ \t]*+:?-{2,}+:?[ \t]*+\|)++")
_BETWEEN_ROWS = re.compile(r"(?:[\s\"',;；，、\\]|<br\s*+/?>|\\n)*+", re.IGNORECASE)
_LONGEST_JOINT = 20
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
    """`text` without HTML comments and without the control tokens of chat templates (``<|im_end|>``).

    A carriage return ends a line, as in Markdown. In a text on one line, so do the rarer signs for the end of a line.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\n" not in text:
        text = _LINE_END.sub("\n", text)
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
    r"""`text` with the escapes of a JSON string (``\n``, ``\"``, ``\u00e9``) replaced by what they mean.

    A text without such escapes of line ends and letters stays as it is.
    """
    if "\\n" not in text and "\\u" not in text:
        return text

    def meant(escape: re.Match[str]) -> str:
        sign = escape[1]
        return chr(int(sign[1:], 16)) if len(sign) > 1 else _ESCAPED.get(sign, sign)

    text = _ESCAPE.sub(meant, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def spelled_pipes(text: str) -> str:
    r"""`text` with entities of pipes (``&#124;``) replaced by pipes. If every pipe has a backslash, it is removed."""
    if "&" in text:
        text = _SPELLED_PIPE.sub("|", text)
    if "\\|" in text and text.count("\\|") == text.count("|"):
        text = text.replace("\\|", "|")
    return text


def unfold(text: str) -> str:
    """`text` with line ends between the rows of each table that is on one line.

    Such a line has an alignment row between other cells. It says how many cells a row has. After each row there must be
    the same signs: spaces, ``<br>``, or quotation marks with a comma.
    """
    return "\n".join([_unfolded(line) if "--" in line and "|" in line else line for line in text.split("\n")])


def _unfolded(line: str) -> str:
    rule = _RULE_IN_LINE.search(line)
    if rule is None:
        return line
    width = rule[0].count("|") - 1
    above, below = line[: rule.start()].split("|"), line[rule.end() :].split("|")
    header, joint = above[-width - 1 : -1], above[-1]
    if len(above) < width + 2 or not _is_joint(joint):
        return line
    size = width + 1
    if not _is_joint(below[0]) or len(below) < size:
        return line
    count = (len(below) - 1) // size
    joints = below[: count * size : size]
    if any(other.strip() != joint.strip() for other in joints):
        return line
    rows = [header, [rule[0][1:-1]], *(below[at + 1 : at + size] for at in range(0, count * size, size))]
    lines = ["|".join(above[: -width - 1]), *("|" + "|".join(row) + "|" for row in rows)]
    lines.append("|".join(below[count * size :]))
    return "\n".join(lines)


def _is_joint(text: str) -> bool:
    return len(text) <= _LONGEST_JOINT and _BETWEEN_ROWS.fullmatch(text) is not None
