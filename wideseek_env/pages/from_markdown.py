"""Turns Markdown and plain text into HTML, so that a corpus has one kind of page.

This module reads the Markdown that `to_document` writes: headings, paragraphs, lists, pipe tables, quotations, fenced
code and links. It also reads what authors write in Markdown to raise, lower, strike out or break text: `10^6^`,
`H~2~O`, `~~5~~`, HTML tags such as `<sup>`, character references, and HTML tables. Other notations become plain text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from html import escape

from wideseek_env.timeouts import check_time

_HEADING = re.compile(r"(#{1,6})\s+")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+(.*)")
_NUMBERED = re.compile(r"\s*(\d{1,9})[.)]")
_RULE = re.compile(r"\s*+\|?+\s*+:?-++:?+\s*+(?:\|\s*+:?-++:?+\s*+)*+\|?\s*+$")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(((?:[^()\s]|\([^()\s]*\))+)\)")
_STRONG = re.compile(r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*")
_CODE = re.compile(r"(?<!`)(`++[^`]++`++)")
# In escaped text. A tag counts only together with its end tag.
_TAGS = re.compile(
    r"&lt;(sup|sub|del|ins|s|strike|small|kbd|mark|u|q)&gt;((?:(?!&lt;).){0,2000}?)&lt;/\1&gt;",
    re.IGNORECASE | re.DOTALL,
)
_BREAK = re.compile(r"&lt;(br|wbr)\s?/?&gt;", re.IGNORECASE)
_REFERENCE = re.compile(r"&amp;(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_RAISED = re.compile(r"(?<=[\w)])\^([\w+\-−,.]{1,20})\^")
_LOWERED = re.compile(r"(?<=[A-Za-z)\]])(?<!~)~([\w+\-−]{1,20})~(?!~)")
_STRUCK = re.compile(r"(?<!~)~~(?=[^\s~])([^~]{1,2000}?)(?<=\S)~~(?!~)")
_HTML_TABLE = re.compile(r"\s{0,3}<table[\s>]", re.IGNORECASE)
_LONGEST_TABLE = 5_000  # lines
_CELL = re.compile(r"(?<!\\)\|")


def text_to_html(text: str, title: str = "") -> str:
    """Plain text as HTML. Blank lines separate paragraphs. All markup characters in the text are escaped."""
    paragraphs = [escape(part.strip(), quote=False) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return _page("".join(f"<p>{part.replace(chr(10), '<br>')}</p>\n" for part in paragraphs), title)


def markdown_to_html(markdown: str, title: str = "") -> str:
    """Markdown as HTML, line by line. Without a `title`, the first heading is the title."""
    lines = markdown.replace("\r\n", "\n").split("\n")
    tables = [at for at, line in enumerate(lines) if "</table>" in line.lower()] if "<" in markdown else []
    body: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        check_time()
        if not line.strip():
            at += 1
        elif _HTML_TABLE.match(line) and (end := _end_of_table(tables, at)):
            body.append("\n".join(lines[at:end]))
            at = end
        elif match := _HEADING.match(line):
            level, text = len(match.group(1)), line[match.end() :].rstrip("#").rstrip()
            title = title or text
            body.append(f"<h{level}>{_inline(text)}</h{level}>")
            at += 1
        elif match := _FENCE.match(line):
            end = at + 1
            while end < len(lines) and not lines[end].lstrip().startswith(match.group(1)):
                end += 1
            body.append(f"<pre>{escape(chr(10).join(lines[at + 1 : end]), quote=False)}</pre>")
            at = end + 1
        elif "|" in line and at + 1 < len(lines) and "-" in lines[at + 1] and _RULE.match(lines[at + 1]):
            end = at + 2
            while end < len(lines) and "|" in lines[end] and lines[end].strip():
                end += 1
            body.append(_table(line, lines[at + 2 : end]))
            at = end
        else:
            kind = _kind(line)
            end = at + 1
            while end < len(lines) and _continues(lines[end], kind):
                end += 1
            body.append(_RENDER[kind](lines[at:end]))
            at = end
    return _page("\n".join(body), title)


def _end_of_table(ends: Sequence[int], start: int) -> int:
    """The line after the HTML table that begins in the line `start`, or 0 if the table has no end. `ends` are the lines
    in which tables end."""
    at = bisect_left(ends, start)
    return ends[at] + 1 if at < len(ends) and ends[at] < start + _LONGEST_TABLE else 0


def _kind(line: str) -> str:
    if _ITEM.match(line):
        return "numbers" if _NUMBERED.match(line) else "bullets"
    return "quote" if line.lstrip().startswith(">") else "paragraph"


def _continues(line: str, kind: str) -> bool:
    if not line.strip() or _HEADING.match(line) or _FENCE.match(line):
        return False
    own = _kind(line)
    return own == kind or (own == "paragraph" and line.startswith("  ") and kind in ("bullets", "numbers"))


def _items(lines: list[str]) -> str:
    out: list[str] = []
    for line in lines:
        if match := _ITEM.match(line):
            out.append(f"{'</li>' if out else ''}<li>{_inline(match.group(1))}")
        else:
            out.append(f"<br>{_inline(line.strip())}")
    return f"{''.join(out)}</li>"


def _numbers(lines: list[str]) -> str:
    match = _NUMBERED.match(lines[0])
    return f'<ol start="{match.group(1) if match else 1}">{_items(lines)}</ol>'


def _quote(lines: list[str]) -> str:
    return f"<blockquote>{'<br>'.join(_inline(line.lstrip(' >')) for line in lines)}</blockquote>"


def _paragraph(lines: list[str]) -> str:
    return f"<p>{'<br>'.join(_inline(line.strip()) for line in lines)}</p>"


_RENDER: dict[str, Callable[[list[str]], str]] = {
    "bullets": lambda lines: f"<ul>{_items(lines)}</ul>",
    "numbers": _numbers,
    "quote": _quote,
    "paragraph": _paragraph,
}


def _table(header: str, rows: list[str]) -> str:
    def cells(line: str, tag: str) -> str:
        bare = line.strip().removeprefix("|")
        if bare.endswith("|") and not bare.endswith("\\|"):
            bare = bare[:-1]
        values = [value.strip().replace("\\|", "|") for value in _CELL.split(bare)]
        return f"<tr>{''.join(f'<{tag}>{_inline(value)}</{tag}>' for value in values)}</tr>"

    body = "\n".join(cells(row, "td") for row in rows)
    return f'<table class="wikitable">\n{cells(header, "th")}\n{body}\n</table>'


def _inline(text: str) -> str:
    out: list[str] = []
    at = 0
    for match in _LINK.finditer(text):
        out.append(_strong(text[at : match.start()]))
        image, label, url = match.groups()
        # An image becomes its description.
        out.append(_strong(label) if image else f'<a href="{escape(url)}">{_strong(label)}</a>')
        at = match.end()
    out.append(_strong(text[at:]))
    return "".join(out)


def _strong(text: str) -> str:
    if "`" not in text:
        return _marked(text)
    parts = _CODE.split(text)
    parts[::2] = map(_marked, parts[::2])
    parts[1::2] = [escape(code, quote=False) for code in parts[1::2]]
    return "".join(parts)


def _marked(text: str) -> str:
    """Text without code, with its marks and tags as HTML."""
    html = _STRONG.sub(r"<b>\1</b>", escape(text, quote=False))
    if "&" in html:
        html = _REFERENCE.sub(r"&\1;", _BREAK.sub(r"<\1>", _TAGS.sub(r"<\1>\2</\1>", html)))
    if "^" in html:
        html = _RAISED.sub(r"<sup>\1</sup>", html)
    if "~" in html:
        html = _LOWERED.sub(r"<sub>\1</sub>", _STRUCK.sub(r"<del>\1</del>", html))
    return html


def _page(body: str, title: str) -> str:
    head = f"<head><title>{escape(title, quote=False)}</title></head>"
    return f"<!DOCTYPE html>\n<html>{head}\n<body>\n{body}\n</body></html>"
