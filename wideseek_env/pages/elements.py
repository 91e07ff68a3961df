"""Changes single elements of a page, so that their text says what the elements show.

Raised, lowered and struck text gets marks, which `wideseek_env.pages.marks` writes out. Formulas, check boxes, bars,
small pictures and quotations become text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from wideseek_env.pages.mathml import formula
from wideseek_env.pages.raised import END, LOWERED, POWER, RAISED, STRUCK

if TYPE_CHECKING:
    from turbohtml import Element

_ABOVE, _BELOW = ".num,.numerator", ".den,.denominator"
NOTE_CLASSES = frozenset(
    "footnote footnotes footnote-ref footnoteref footnote-link footnote-reference footnote-anchor noteref note-ref fn "
    "fnref fn-ref citation cite cite-ref endnote endnote-ref".split()
)
_NOTE_ID = re.compile(r"_?(?:cite[_-]?ref|fn-?ref|fnr|ftnref|footnote-?ref|noteref)", re.IGNORECASE)
_SMALL = re.compile(r"\s*(?:\d{1,2}|[a-z])\s*|\s*\d{1,2}[/⁄]\d{1,2}\s*")
_BEFORE_SMALL = re.compile(r"\d$")
_FORMULA_TYPE = "math/tex"
_LONGEST_NOTE = 60  # characters of a footnote mark
_NEAR = 4  # the most levels to look up or down from an element, so that the time is linear
_FILES = (".jpg", ".jpeg", ".png", ".gif", ".svg", ".webp", ".bmp", ".tif", ".tiff")
_MOST_PICTURES = 20
_CELLS = frozenset(("td", "th", "li", "dd"))
_LARGE = 64  # pixels: a larger picture is not a sign that replaces a word
_VALUED = frozenset(
    ("", "text", "number", "date", "time", "month", "week", "email", "url", "tel", "datetime-local")
)
_LONGEST = 200  # characters of a value or of a picture's name


def enclose(node: Element, mark: str) -> None:
    """Put a mark around the content of an element."""
    text = _text_class()
    node.insert(0, text(mark))
    node.append(text(END))


def mark_fraction(node: Element) -> None:
    """Mark a fraction that is an element with a numerator and a denominator. The line between them may be a style."""
    above, below = node.select_one(_ABOVE), node.select_one(_BELOW)
    if above is None or below is None:
        return
    between = above.next_sibling
    while between is not None and between != below:
        following = between.next_sibling
        between.extract()
        between = following
    if between is not None:
        _replace(above, f"{RAISED}{above.text}{END}⁄{LOWERED}{below.text}{END}")
        below.extract()


def write_picture(node: Element) -> None:
    """The picture of a formula becomes its text. A small picture becomes its name if it is the only content of a table
    cell."""
    alt = node.attr("alt")
    if alt is None:
        return
    if node.attr("class") == "tex":
        _replace(node, alt)
        return
    if not alt or (cell := _cell_of(node)) is None or next(cell.stripped_strings, None) is not None:
        return  # the most frequent case: a flag before a name
    if _is_large(node.attr("width")) or _is_large(node.attr("height")):
        return
    name = " ".join(alt.split())
    if name and len(name) <= _LONGEST and not name.lower().endswith(_FILES):
        pictures = list(cell.iter_elements("img"))  # such as the stars of a rating
        for picture in pictures[1:_MOST_PICTURES]:
            other = " ".join((picture.attr("alt") or "").split())
            if other and len(other) <= _LONGEST and not other.lower().endswith(_FILES):
                _replace(picture, f" {other}")
        _replace(node, name)


@cache
def _text_class() -> Callable[[str], Any]:
    from turbohtml import Text  # importing visible text must not load the library

    return Text


def is_leaf(node: Element) -> bool:
    """Whether an element contains only text."""
    return not any(map(_tag, node.children))


def mark_note(node: Element) -> None:
    """Mark an element whose class names a footnote mark, if it is as short as one."""
    if _SMALL.fullmatch(node.text):
        enclose(node, RAISED)


def write_stack(node: Element) -> None:
    """Two short texts, one above the other: the charge over the number of an ion, or the errors of a value."""
    parts = [part for part in node.strings if part.strip()]
    if len(parts) != 2 or not is_short(node) or next(node.iter_elements("a"), None) is not None:
        return
    above, below = (part.strip() for part in parts)
    raised, lowered = f"{RAISED}{above}{END}", f"{LOWERED}{below}{END}"
    _replace(node, lowered + raised if below.isdigit() else raised + lowered)


def _write_small(node: Element) -> None:
    """Small digits after a number are not part of it."""
    before: Any = node.previous_sibling
    if before is None or not _BEFORE_SMALL.search(before.text[-2:]):
        return
    if _SMALL.fullmatch(node.text) and is_leaf(node):
        enclose(node, RAISED)


def _drop_script(node: Element) -> None:
    """A script may hold a formula, which it draws."""
    if (node.attr("type") or "").startswith(_FORMULA_TYPE):
        _replace(node, node.text)
    else:
        node.extract()


def _replace(node: Element, text: str) -> None:
    if node.parent is not None:  # an element around it may have replaced it already
        node.replace_with(_text_class()(text))


def _drop(node: Element) -> None:
    node.extract()


def _raise(node: Element) -> None:
    if _is_note(node):
        node.extract()
    else:
        enclose(node, POWER if _in_formula(node) else RAISED)


def _lower(node: Element) -> None:
    if _is_note(node):
        node.extract()
    else:
        enclose(node, LOWERED)


def _strike(node: Element) -> None:
    enclose(node, STRUCK)


def _is_note(node: Element) -> bool:
    """Whether a raised element is certainly a footnote mark: by its name, or by a link to a place on the same page."""
    if not is_short(node):
        return False  # an end tag is missing
    if (name := node.attr("class")) and not NOTE_CLASSES.isdisjoint(name.lower().split()):
        return True
    if node.attr("role") == "doc-noteref" or _NOTE_ID.match(node.attr("id") or ""):
        return True
    inner: Any = node
    for _ in range(_NEAR):
        inner = next((child for child in inner.children if _tag(child) or child.text.strip(" \n\t[(")), None)
        if not _tag(inner):
            break
        if inner.tag == "a":
            return _is_jump(inner)
    return any(_tag(outer) == "a" and _is_jump(outer) for outer in _around(node, 2))


def is_short(node: Element) -> bool:
    """Whether an element has no more text than a footnote mark may have."""
    length = 0
    for text in node.strings:
        length += len(text)
        if length > _LONGEST_NOTE:
            return False
    return True


def _is_jump(link: Element) -> bool:
    href = (link.attr("href") or "").strip()
    return (
        (href[:1] == "#" and len(href) > 1)
        or "#cite" in href
        or "#fn" in href
        or link.attr("role") == "doc-noteref"
        or _NOTE_ID.match(link.attr("id") or "") is not None
    )


def _in_formula(node: Element) -> bool:
    return any("texhtml" in (outer.attr("class") or "") for outer in _around(node, _NEAR))


def _quote(node: Element) -> None:
    inside = sum(outer.tag == "q" for outer in _around(node, _NEAR))
    marks = "‘’" if inside % 2 else "“”"
    text = _text_class()
    node.insert(0, text(marks[0]))
    node.append(text(marks[1]))


def _write_bar(node: Element) -> None:
    if next(node.stripped_strings, None) or not (value := (node.attr("value") or "").strip()):
        return
    most = (node.attr("max") or "").strip()
    _replace(node, f"{value}/{most}" if most and most not in ("1", "1.0") else value)


def _write_input(node: Element) -> None:
    """In a cell or list item, a form shows data and asks for none."""
    kind = (node.attr("type") or "").strip().lower()
    if _cell_of(node) is None:
        return
    if kind in ("checkbox", "radio"):
        _replace(node, "[x] " if node.attr("checked") is not None else "[ ] ")
    elif kind in _VALUED and (value := (node.attr("value") or "").strip()):
        _replace(node, f" {value[:_LONGEST]} ")


def _write_choice(node: Element) -> None:
    chosen = node.select_one("option[selected]") if _cell_of(node) is not None else None
    if chosen is None:
        node.extract()
    else:
        _replace(node, f" {chosen.text.strip()[:_LONGEST]} ")


def _write_formula(node: Element) -> None:
    _replace(node, formula(node) or node.attr("alttext") or "")


def _reverse(node: Element) -> None:
    """Text that is stored backwards."""
    if (node.attr("dir") or "").lower() == "rtl" and not any(map(_tag, node.children)):
        _replace(node, node.text[::-1])


_LIST_TYPES = {
    "lower-alpha": "a",
    "lower-latin": "a",
    "upper-alpha": "A",
    "upper-latin": "A",
    "lower-roman": "i",
    "upper-roman": "I",
    "decimal": "1",
}
_KIND_OF_LIST = re.compile(rf"list-style(?:-type)?\s{{0,9}}:[^;]{{0,60}}?\b({'|'.join(_LIST_TYPES)})\b")


def _number_list(node: Element) -> None:
    """A reversed list without a start begins with the number of its items. A style can choose the kind of numbers."""
    if (style := node.attr("style")) and (kind := _KIND_OF_LIST.search(style)) is not None:
        node.attrs["type"] = _LIST_TYPES[kind[1]]
    if node.attr("reversed") is not None and node.attr("start") is None:
        node.attrs["start"] = str(sum(_tag(child) == "li" for child in node.children))


def _make_code(node: Element) -> None:
    node.tag = "pre"  # turbohtml would write the text of the old tags without escapes


def _cell_of(node: Element) -> Element | None:
    outer: Any = node.parent
    for _ in range(_NEAR):
        tag = getattr(outer, "tag", "")
        if tag in _CELLS:
            return cast("Element", outer)
        if not tag:
            break
        outer = outer.parent
    return None


def _is_large(side: str | None) -> bool:
    return side is not None and side.isdecimal() and (len(side) > 4 or int(side) > _LARGE)


def _around(node: Element, levels: int) -> Iterator[Element]:
    """The nearest elements around an element."""
    outer: Any = node.parent
    for _ in range(levels):
        if not _tag(outer):
            return
        yield outer
        outer = outer.parent


def _tag(node: Any) -> str:
    """The tag of an element, or "" for all other nodes."""
    return getattr(node, "tag", "")


DROPPED = (
    "style noscript template svg canvas iframe object audio video picture map head nav footer button textarea "
    "dialog annotation annotation-xml rp rt noembed noframes"
).split()
"""The tags of elements that are left out."""

CHANGES: dict[str, Callable[[Element], None]] = {
    **dict.fromkeys(DROPPED, _drop),
    "script": _drop_script,
    "small": _write_small,
    "select": _write_choice,
    "sup": _raise,
    "sub": _lower,
    **dict.fromkeys(("del", "s", "strike"), _strike),
    "math": _write_formula,
    "q": _quote,
    **dict.fromkeys(("meter", "progress"), _write_bar),
    "input": _write_input,
    "bdo": _reverse,
    "ol": _number_list,
    **dict.fromkeys(("xmp", "plaintext"), _make_code),
}
"""What happens to the elements with a tag."""
