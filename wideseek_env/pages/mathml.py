"""Writes formulas in MathML as plain text, such as `x^2/(a+b)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wideseek_env.pages.raised import END, LOWERED, RAISED

if TYPE_CHECKING:
    from turbohtml import Element

_DEEPEST = 40  # what is nested deeper is left out, so that the time is linear
_UNWRITTEN = frozenset("annotation annotation-xml mphantom none mprescripts".split())
_RELATIONS = frozenset("= ≠ < > ≤ ≥ ≈ ≡ ∼ ∈ ∝ → ⇒ ⇔ :=".split())
_TIMES = "\u2062"  # the invisible multiplication sign
_TIMES_OF_NUMBERS = re.compile(rf"(?<=\d){_TIMES}(?=\d)")
_INVISIBLE = dict.fromkeys((0x2061, 0x2063, 0x2064))  # function application, separator and plus
_ENDED = "\u2061"  # ends an exponent, an index or a root until the formula is complete
_BEFORE_WORD = re.compile(rf"{_ENDED}+(?=\w)")
_ENDS = f" {_ENDED}"
_SIMPLE = re.compile(r"-?[\w.,]+|[^\w\s]?\w+")


def formula(node: Element) -> str:
    """The text of a `<math>` element. A fraction of two numbers has the marks of `wideseek_env.pages.raised`, so that
    it does not run into a number before the formula."""
    text = " ".join(_row(node, 0).split())
    text = _TIMES_OF_NUMBERS.sub("·", text).replace(_TIMES, "")
    return _BEFORE_WORD.sub(" ", text).replace(_ENDED, "")


def _row(node: Element, depth: int) -> str:
    return "".join(_parts(node, depth))


def _parts(node: Element, depth: int) -> list[str]:
    from turbohtml import Element, Text

    parts = []
    for child in node.children if depth <= _DEEPEST else ():
        if isinstance(child, Element):
            parts.append(_one(child, depth + 1))
        elif isinstance(child, Text) and (text := " ".join(child.data.split())):
            parts.append(text)
    return parts


def _one(node: Element, depth: int) -> str:
    tag = node.tag
    if tag == "math":
        node.tag = "mrow"  # it is a part of this formula
    if tag in _UNWRITTEN:
        return ""
    if tag in ("mn", "mi", "mo", "mtext", "ms"):
        text = " ".join(node.text.translate(_INVISIBLE).split())
        if tag == "mo":
            return f" {text} " if text in _RELATIONS else text.replace("−", "-")
        return f" {text} " if tag == "mtext" else text
    if tag == "mspace":
        return " "
    if tag == "mmultiscripts":
        return _scripts(node, depth) if depth <= _DEEPEST else ""
    parts = _parts(node, depth)
    first, second, third = (*[part.strip(_ENDS) for part in parts[:3]], "", "", "")[:3]
    if tag == "menclose" and "strike" in (node.attr("notation") or ""):
        return f" ~~{''.join(parts).strip(_ENDS)}~~ "
    if tag == "mfrac":
        if (node.attr("linethickness") or "").strip()[:1] == "0":
            return f"{first} over {second}"  # a binomial coefficient
        if first.isdigit() and second.isdigit():
            return f"{RAISED}{first}{END}⁄{LOWERED}{second}{END}"
        return f"{_grouped(first)}/{_grouped(second)}{_ENDED}"
    if tag == "msup":
        if second in ("°", "∘"):
            return f"{first}°"
        return (
            first + second if second in ("′", "″", "'") else f"{_grouped(first)}^{_grouped(second)}{_ENDED}"
        )
    if tag in ("msub", "munder"):
        return f"{first}_{_grouped(second)}{_ENDED}"
    if tag in ("msubsup", "munderover"):
        return f"{first}_{_grouped(second)}^{_grouped(third)}{_ENDED}"
    if tag == "mover":
        return first if not second or not any(map(str.isalnum, second)) else f"{first}^{_grouped(second)}"
    if tag == "mroot":
        return f"{_grouped(first)}^(1/{second}){_ENDED}"
    if tag == "msqrt":
        return f"√{_grouped(''.join(parts).strip(_ENDS))}{_ENDED}"
    if tag == "mtr" or tag == "mfenced":
        inner = ", ".join(part.strip(_ENDS) for part in parts)
        return f"({inner})" if tag == "mfenced" else inner
    if tag == "mtable":
        return "; ".join(parts)
    if tag == "semantics":
        return parts[0] if parts else ""
    return "".join(parts)


def _scripts(node: Element, depth: int) -> str:
    """A base with indices and exponents on its right and, after `<mprescripts>`, on its left."""
    from turbohtml import Element

    nodes = [child for child in node.children if isinstance(child, Element)]
    base, *others = nodes or [node]
    at = next((at for at, child in enumerate(others) if child.tag == "mprescripts"), len(others))
    after, before = (
        [_one(child, depth + 1).strip(_ENDS) for child in side] for side in (others[:at], others[at + 1 :])
    )
    text = "".join(before[1::2])  # the number of nucleons; the number of protons follows from the name
    text += _one(base, depth + 1).strip(_ENDS) if nodes else ""
    for lowered, raised in zip(after[::2], [*after[1::2], ""], strict=False):
        text += f"_{_grouped(lowered)}" if lowered else ""
        text += f"^{_grouped(raised)}" if raised else ""
    return text + _ENDED


def _grouped(text: str) -> str:
    return text if _SIMPLE.fullmatch(text) or len(text) == 1 else f"({text})"
