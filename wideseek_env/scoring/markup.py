"""The visible text of a Markdown table cell, without markup, and the URL that it links to."""

from __future__ import annotations

import html
import re

from wideseek_env.scoring.characters import is_visible, visible

# Every pattern below is bounded by a character class that excludes its opening sign, or by a possessive quantifier. So
# a megabyte of "[[[[" or "****" takes one pass and not one pass per sign.
_MARKUP = re.compile(r"[*_`~\[<&\\]")
_SIGNS = "*_`~[<&\\"
_WHITE_SPACE = "\t\r\v\f\x1c\x1d\x1e\x1f"  # of ASCII, without spaces and newlines
_BREAK = re.compile(r"<br\s*+/?>", re.IGNORECASE)
_TARGET = r"\(\s*+<?+((?:[^()\s<>]|\([^()\s]*+\))*+)>?+(?:\s++(?:\"[^\"()]*+\"|'[^'()]*+'))?+\s*+\)"
_LINK = re.compile(r"!?+\[([^\[\]]*+)\]" + _TARGET)
_TARGETS = re.compile(r"\]" + _TARGET)
_AUTOLINK = re.compile(r"<((?:https?|ftp|mailto):[^<>\s]++)>", re.IGNORECASE)
_HIDDEN = re.compile(
    r"<(span|div|p|font|small|b|i)(?=[^<>]*(?:display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0|\shidden))"
    r"[^<>]*+>[^<]*+</\1>",
    re.IGNORECASE,
)
_DELETED = re.compile(r"<(del|s|strike)(?:\s[^<>]*+)?>([^<]*+)</\1>", re.IGNORECASE)
_BUILT = re.compile(r"<sup>\s?(\d{1,3})\s?</sup>\s?[⁄/]\s?<sub>\s?(\d{1,3})\s?</sub>", re.IGNORECASE)
_RAISED = re.compile(r"(?<=[\w)])<sup>\s?([-+−]?\d{1,3})\s?</sup>", re.IGNORECASE)
_LOWERED = re.compile(r"(?<=\d)<sub>\s?(\d{1,3})\s?</sub>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|b|code|del|div|em|font|i|ins|kbd|mark|nobr|p|q|s|small|span|strike|strong|sub|sup|u)"
    r"(?:\s[^<>]*+)?/?>",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`]++)\1(?!`)")
_STARS = re.compile(r"(?<![\w\\*])\*{1,3}(?=[^\s*])([^*]++)(?<=[^\s\\])\*{1,3}(?![\w*])")
_UNDERSCORES = re.compile(r"(?<![\w\\])_{1,3}(?=[^\s_])([^_]++)(?<=[^\s\\])_{1,3}(?!\w)")
_STRUCK = re.compile(r"(?<![\\~])~~(?=[^\s~])([^~]++)~~(?!~)")
_ESCAPED = re.compile(r"\\([*_`~\[\]<>#$])")
_BARE_URL = re.compile(r"(?:https?|ftp)://[^\s<>\"|\[\]]++", re.IGNORECASE)


def plain_text(cell: str) -> str:
    """The text of `cell` that a reader sees.

    Emphasis, code marks, HTML tags, HTML comments, hidden elements and invisible characters are removed. Struck-through
    text is removed, unless nothing else is left. The text of a link stays. Entities are replaced. A raised number is
    marked (``10<sup>6</sup>`` becomes ``10^6``).

    White space is first collapsed to single spaces, so line breaks in a cell do not matter. Markup characters without a
    partner stay: ``5*`` and ``snake_case`` are text.
    """
    text = " ".join((cell if cell.isascii() else visible(cell)).split())
    if _MARKUP.search(text) is None:
        return text
    if text.startswith("**") and text.endswith("**") and _MARKUP.search(text, 2, len(text) - 2) is None:
        return text[2:-2].strip() or text  # the most common markup, handled without the patterns
    if "<" in text:
        text = _AUTOLINK.sub(r"\1", _BREAK.sub(" ", _without_comments(text)))
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "<" in text:
        text = _DELETED.sub(r"~~\2~~", _HIDDEN.sub("", text))
        text = _RAISED.sub(r"^\1", _BUILT.sub(r" \1/\2", text))
        text = _TAG.sub("", _LOWERED.sub(r"_\1", text))
    if "`" in text:
        text = _CODE.sub(r"\2", text)
    if "*" in text:
        text = _STARS.sub(r"\1", text)
    if "_" in text:
        text = _UNDERSCORES.sub(r"\1", text)
    if "~~" in text:
        kept = _STRUCK.sub(" ", text)
        text = kept if any(map(str.isalnum, kept)) else _STRUCK.sub(r"\1", text)
    if "&" in text:
        text = visible(html.unescape(text))
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    return " ".join(text.split())


def is_plain(text: str) -> bool:
    """Whether `plain_text` leaves `text` unchanged."""
    if _MARKUP.search(text) is not None or text != " ".join(text.split()):
        return False
    return text.isascii() or is_visible(text)


def _without_comments(text: str) -> str:
    kept: list[str] = []
    end = 0
    while (start := text.find("<!--", end)) >= 0 and (stop := text.find("-->", start + 4)) >= 0:
        kept.append(text[end:start])
        end = stop + 3
    return "".join([*kept, text[end:]]) if kept else text


def link_targets(cell: str) -> tuple[str, ...]:
    """Every URL in `cell`, in order and once: targets of links, URLs in angle brackets and bare URLs."""
    targets = [link[2] for link in _LINK.finditer(cell) if link[2]] if "](" in cell else []
    rest = _TARGETS.sub("]", cell) if targets else cell
    for bare in _BARE_URL.finditer(rest):
        targets.append(bare[0].rstrip(".,;:!?'*`") if "(" in bare[0] else bare[0].rstrip(".,;:!?'*`)"))
    return tuple(dict.fromkeys(targets))


def is_neat(lines: str) -> bool:
    """Whether all characters of these lines are ASCII, and all white space in a line is spaces."""
    return lines.isascii() and not any(sign in lines for sign in _WHITE_SPACE)


def are_plain(lines: str) -> bool:
    """Whether it is certain that `is_plain` holds for all these neat and stripped lines. One search is faster than
    many."""
    return "  " not in lines and not any(sign in lines for sign in _SIGNS)


def is_plain_cell(cell: str) -> bool:
    """Whether `plain_text` leaves a stripped cell of a neat line unchanged."""
    return "  " not in cell and _MARKUP.search(cell) is None
