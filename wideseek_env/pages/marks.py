"""Finds the marks around raised, lowered and struck text, and writes that text out.

What the text becomes is decided in `wideseek_env.pages.raised`. Fractions and the errors of a measured value have two
marked parts, and are written here.
"""

from __future__ import annotations

import re

from wideseek_env.pages.raised import BEGIN, END, LOWERED, POWER, RAISED, STRUCK, apart, written

_KINDS = frozenset((RAISED, POWER, LOWERED, STRUCK))
_DEEPEST = 4  # marks nested deeper than this have no effect, so that the time is linear
_NEAR = 40  # the most characters before a mark that are read
_NEAR_TAGS = re.compile(r"(?:</?+a(?: [^<>]*+)?+>)++$")
_FRACTION = re.compile(
    rf"{BEGIN}[rp]\s*+(\w{{1,9}})\s*+{END}\s?[⁄∕/]\s?{LOWERED}\s*+(\w{{1,9}})\s*+{END}"
    rf"|{BEGIN}[rp]\s*+(\d{{1,9}})\s*+{END}⁄(\d{{1,9}})"
)
_SPREAD = re.compile(  # the errors of a measured value, one above the other
    rf"{BEGIN}[rp]\s*+(\+\s?[\d.,]{{1,12}})\s*+{END}(?:\s|<br>)?+{LOWERED}\s*+([-−–]\s?[\d.,]{{1,12}})\s*+{END}"
)
_SLASHES = ("/", "⁄", "∕")


def write_marks(text: str) -> str:
    """The text with its marked parts written out and without marks. The text may contain tags (clean markup)."""
    if END not in text:
        return text
    out: list[str] = []
    open_: list[tuple[str, list[str]]] = []
    ignored = 0
    pieces = _pieces(text)
    if any(part[:2] in ("r+", "p+") for _, *begun in pieces for part in begun):
        text = _SPREAD.sub(_spread, text)
        pieces = _pieces(text)
    if any(inside[:2].lstrip()[:1] in _SLASHES for inside, *_ in pieces):
        pieces = _pieces(_FRACTION.sub(_fraction, text))
    for number, (inside, *begun) in enumerate(pieces):
        if number:
            if ignored:
                ignored -= 1
            elif open_:
                kind, content = open_.pop()
                if kind == STRUCK and any(outer == STRUCK for outer, _ in open_):
                    open_[-1][1].extend(content)  # the outer mark strikes it
                    content = []
                if kind == RAISED and open_ and open_[-1][0] in (RAISED, POWER):
                    kind = POWER  # an exponent of an exponent
                target = open_[-1][1] if open_ else out
                after = inside or (BEGIN if begun else "")
                if shown := written(kind, "".join(content), _end_of(target), after):
                    target.append(shown)
        if inside:
            (open_[-1][1] if open_ else out).append(inside)
        for part in begun:
            if f"{BEGIN}{part[:1]}" not in _KINDS:
                following = part  # the page has this character itself
            else:
                following = part[1:]
                if len(open_) < _DEEPEST:
                    open_.append((f"{BEGIN}{part[0]}", []))
                else:
                    ignored += 1
            if following:
                (open_[-1][1] if open_ else out).append(following)
    for _, content in open_:
        out += content
    return "".join(out)


def _pieces(text: str) -> list[list[str]]:
    """The text between the ends of marks, each cut where marks begin."""
    # Splitting at single characters is much faster than a pattern or a search for two characters.
    return [piece.split(BEGIN) for piece in text.split(END)]


def _end_of(pieces: list[str]) -> str:
    """The last characters of a text, without tags of links at its end."""
    end = ""
    for piece in reversed(pieces):
        end = piece[-_NEAR:] + end
        if end.endswith(">"):
            end = _NEAR_TAGS.sub("", end)
        if len(end) >= _NEAR:
            break
    return end


def _spread(match: re.Match[str]) -> str:
    return f" {match[1]}/{match[2]}" + apart("", match.string[match.end() : match.end() + 1])


def _fraction(match: re.Match[str]) -> str:
    above, below = match[1] or match[3], match[2] or match[4]
    before = match.string[max(0, match.start() - 1) : match.start()]
    gap = " " if before.isalnum() or before == ")" else ""
    return gap + apart(f"{above}/{below}", match.string[match.end() : match.end() + 1])
