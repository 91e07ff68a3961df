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
_INVISIBLE = dict.fromkeys(range(0x2061, 0x2065))  # function application, invisible times, separator and plus
_SIMPLE = re.compile(r"-?[\w.,]+|[^\w\s]?\w+")


def formula(node: Element) -> str:
    """The text of a `<math>` element. A fraction of two numbers has the marks of `wideseek_env.pages.raised`, so that
    it does not run into a number before the formula."""
    return " ".join(_row(node, 0).split())


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
    parts = _parts(node, depth)
    first, second, third = (*[part.strip() for part in parts[:3]], "", "", "")[:3]
    if tag == "mfrac":
        if first.isdigit() and second.isdigit():
            return f"{RAISED}{first}{END}⁄{LOWERED}{second}{END}"
        return f"{_grouped(first)}/{_grouped(second)}"
    if tag == "msup":
        return (
            f"{_grouped(first)}^{_grouped(second)}"
            if second not in ("′", "″", "'", "°", "∘")
            else first + second
        )
    if tag in ("msub", "munder"):
        return f"{first}_{_grouped(second)}"
    if tag in ("msubsup", "munderover"):
        return f"{first}_{_grouped(second)}^{_grouped(third)}"
    if tag == "mover":
        return first if not second or not any(map(str.isalnum, second)) else f"{first}^{_grouped(second)}"
    if tag == "mroot":
        return f"{_grouped(first)}^(1/{second})"
    if tag == "msqrt":
        return f"√{_grouped(''.join(parts).strip())}"
    if tag == "mtr" or tag == "mfenced":
        inner = ", ".join(part.strip() for part in parts)
        return f"({inner})" if tag == "mfenced" else inner
    if tag == "mtable":
        return "; ".join(parts)
    if tag == "semantics":
        return parts[0] if parts else ""
    return "".join(parts)


def _grouped(text: str) -> str:
    return text if _SIMPLE.fullmatch(text) or len(text) == 1 else f"({text})"
