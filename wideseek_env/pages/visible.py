"""Reduces the tree of a page to what a person sees, as far as text can show it.

Hidden parts and parts that are not the page's content are removed. Parts that show more than their text are changed to
text: formulas, check boxes, bars, flags, quotations. Raised, lowered and struck text gets the marks that
`wideseek_env.pages.raised` writes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from wideseek_env.pages.mathml import formula
from wideseek_env.pages.raised import END, LOWERED, POWER, RAISED, STRUCK

if TYPE_CHECKING:
    from turbohtml import Document, Element

_DROPPED = tuple(
    (
        "script style noscript template svg canvas iframe object audio video picture map head nav footer button "
        "select textarea dialog annotation annotation-xml rp rt noembed noframes"
    ).split()
)
# Class names, as whole words, of parts that are not the page's content.
_DROPPED_CLASSES = (
    "reference references reflist mw-references-wrap mw-editsection editsection noprint navbox vertical-navbox "
    "navbar toc toccolours-toc sortkey metadata mw-empty-elt catlinks printfooter mw-jump-link skip-link breadcrumb "
    "breadcrumbs"
)
_DROPPED_ROLES = "navigation banner contentinfo search"
_UNREAD = ",".join(
    (
        f"[class]:is({','.join(f'.{name}' for name in _DROPPED_CLASSES.split())}):not(html,body)",
        f"[role]:is({','.join(f'[role={name}]' for name in _DROPPED_ROLES.split())}):not(html,body)",
        "[hidden]",
        "[aria-hidden=true]",
    )
)
# Text for screen readers only. It stays if it replaces something that is drawn.
_SPOKEN = frozenset(
    "sr-only visually-hidden visuallyhidden visualhide screen-reader-text screen-reader-only".split()
)
_MARKED = frozenset("sup sub del s strike".split())
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)
_BLOCK = re.compile(r"display\s*:\s*(?:block|flex|grid|table|list-item)\b", re.IGNORECASE)
_FOLDED = re.compile(r"NavContent|collaps|mwe-math")  # shown by a picture, or when the reader opens it
# Elements that a style or a class name strikes out, raises or lowers.
_DRAWN = (
    (STRUCK, re.compile(r"text-decoration[a-z-]*\s*:[^;]*line-through|;.*(?<![\w-])(?:line-through|strikethrough)", re.I)),
    (RAISED, re.compile(r"vertical-align\s*:\s*super|;.*(?<![\w-])superscript", re.I)),
    (LOWERED, re.compile(r"vertical-align\s*:\s*sub(?!\w)|;.*(?<![\w-])subscript", re.I)),
)
_STYLES = ("display", "visibility", "line-through", ":super", ": super", ":sub", ": sub")
_CLASSES = "line-through strikethrough superscript subscript frac sfrac fraction".split()
_NOTICED = ",".join(
    (
        "[style]:is(" + ",".join(f'[style*="{text}" i]' for text in _STYLES) + ")",
        f"[class]:is({','.join(f'.{name}' for name in (*_CLASSES, *_SPOKEN))})",
    )
)
# All other tags only mark their text or are empty. They are removed and their text stays. The most frequent are first.
_STRUCTURE = (
    "td a[href] tr li th p div br table tbody ul h2 h3 dd dl ol h1 h4 h5 h6 dt thead tfoot caption pre blockquote "
    "html body address article aside center details fieldset figcaption figure form header hgroup hr legend main "
    "search section summary xmp plaintext"
)
INLINE = f":not({','.join(_STRUCTURE.split())})"
"""The selector of these tags."""

_FRACTIONS = frozenset(("frac", "sfrac", "fraction"))
_ABOVE, _BELOW = ".num,.numerator", ".den,.denominator"

_NOTE_CLASSES = frozenset(
    "footnote footnotes footnote-ref footnoteref footnote-link footnote-reference footnote-anchor noteref note-ref fn "
    "fnref fn-ref citation cite cite-ref endnote endnote-ref sup-ref".split()
)
_NOTE_ID = re.compile(r"_?(?:cite[_-]?ref|fn-?ref|fnr|ftnref|footnote-?ref|noteref)", re.IGNORECASE)
_CLIMB = 4  # the most levels to look up or down from an element
_FILE = re.compile(r"\.(?:jpe?g|png|gif|svg|webp|bmp|tiff?)$", re.IGNORECASE)
_LARGE = 64  # pixels: a larger picture is not a sign that replaces a word
_VALUED = frozenset(("", "text", "number", "date", "time", "month", "week", "email", "url", "tel", "datetime-local"))
_LONGEST_VALUE = 200


def parse(html: str) -> Document:
    """The tree of any string, built as browsers do that run scripts."""
    import turbohtml

    return turbohtml.parse(html, positions=False, scripting=True)


def show(tree: Document) -> None:
    """Reduce `tree` to what a person sees."""
    noticed = tree.select(_NOTICED)
    for node in noticed:
        _notice(node)
    tree.remove(_UNREAD)
    for node in list(tree.iter_elements(_CHANGED)):
        if (change := _CHANGES.get(node.tag)) is not None:
            change(node)


def _notice(node: Element) -> None:
    """Apply the styles and class names of an element."""
    style, name = node.attr("style") or "", node.attr("class") or ""
    if node.tag in ("html", "body"):
        return
    if _HIDDEN.search(style):
        if not _FOLDED.search(name):
            node.extract()
        return
    if node.tag == "span" and _BLOCK.search(style):
        node.tag = "div"
    names = name.split()
    if not _SPOKEN.isdisjoint(names):
        _drop_spoken(node)
    elif not _FRACTIONS.isdisjoint(names):
        _mark_fraction(node)
    elif node.tag not in _MARKED:
        for mark, pattern in _DRAWN:
            if pattern.search(f"{style};{name}"):
                _enclose(node, mark)
                break


def _drop_spoken(node: Element) -> None:
    before, after = node.previous_sibling, node.next_sibling
    near = (before, after, before and before.previous_sibling, after and after.next_sibling)
    if not any(map(_is_unspoken, near)):
        node.extract()


def _is_unspoken(node: object) -> bool:
    from turbohtml import Element

    return isinstance(node, Element) and node.attr("aria-hidden") == "true"


def _mark_fraction(node: Element) -> None:
    from turbohtml import Text

    above, below = node.select_one(_ABOVE), node.select_one(_BELOW)
    if above is None or below is None:
        return
    between = above.next_sibling
    while between is not None and between != below:
        following = between.next_sibling
        between.extract()
        between = following
    if between is not None:
        above.replace_with(Text(f"{RAISED}{above.text}{END}⁄{LOWERED}{below.text}{END}"))
        below.extract()


def _enclose(node: Element, mark: str) -> None:
    from turbohtml import Text

    node.insert(0, Text(mark))
    node.append(Text(END))


def _drop(node: Element) -> None:
    node.extract()


def _replace(node: Element, text: str) -> None:
    from turbohtml import Text

    node.replace_with(Text(text))


def _sup(node: Element) -> None:
    if _is_note(node):
        node.extract()
    else:
        _enclose(node, POWER if _in_formula(node) else RAISED)


def _sub(node: Element) -> None:
    if _is_note(node):
        node.extract()
    else:
        _enclose(node, LOWERED)


def _struck(node: Element) -> None:
    _enclose(node, STRUCK)


def _is_note(node: Element) -> bool:
    """Whether a raised element is certainly a footnote mark: by its name, or by a link to a place on the same page."""
    from turbohtml import Element

    if (name := node.attr("class")) and not _NOTE_CLASSES.isdisjoint(name.lower().split()):
        return True
    if node.attr("role") == "doc-noteref" or _NOTE_ID.match(node.attr("id") or ""):
        return True
    inner: object = node
    for _ in range(_CLIMB):
        inner = next((child for child in _first(inner)), None)
        if not isinstance(inner, Element):
            break
        if inner.tag == "a":
            return _is_jump(inner)
    for outer, _ in zip(node.ancestors, range(2), strict=False):
        if isinstance(outer, Element) and outer.tag == "a":
            return _is_jump(outer)
    return False


def _first(node: object) -> Iterator[object]:
    """The first child that is not white space."""
    from turbohtml import Element, Text

    if isinstance(node, Element):
        for number in range(min(len(node), _CLIMB)):
            child = node[number]
            if not isinstance(child, Text) or child.data.strip(" \n\t[("):
                yield child
                return


def _is_jump(link: Element) -> bool:
    href = (link.attr("href") or "").strip()
    return (
        (href.startswith("#") and len(href) > 1)
        or bool(_NOTE_ID.match(link.attr("id") or ""))
        or link.attr("role") == "doc-noteref"
        or "#cite" in href
        or "#fn" in href
    )


def _in_formula(node: Element) -> bool:
    for outer, _ in zip(node.ancestors, range(_CLIMB), strict=False):
        name = getattr(outer, "attr", lambda _: None)("class")
        if name and ("texhtml" in name or "math" in name.split()):
            return True
    return False


def _quote(node: Element) -> None:
    from turbohtml import Element, Text

    inside = sum(isinstance(outer, Element) and outer.tag == "q" for outer, _ in zip(node.ancestors, range(_CLIMB)))
    marks = "‘’" if inside % 2 else "“”"
    node.insert(0, Text(marks[0]))
    node.append(Text(marks[1]))


def _bar(node: Element) -> None:
    if next(node.stripped_strings, None) or not (value := (node.attr("value") or "").strip()):
        return
    most = (node.attr("max") or "").strip()
    _replace(node, f"{value}/{most}" if most and most not in ("1", "1.0") else value)


def _control(node: Element) -> None:
    kind = (node.attr("type") or "").strip().lower()
    if kind in ("checkbox", "radio"):
        if _cell_of(node) is not None:
            _replace(node, "[x] " if node.attr("checked") is not None or node.checked else "[ ] ")
    elif kind in _VALUED and (value := (node.attr("value") or "").strip()) and _cell_of(node) is not None:
        _replace(node, f" {value[:_LONGEST_VALUE]} ")


def _choice(node: Element) -> None:
    """A list to choose from: in a cell, the chosen option is the content."""
    chosen = node.select_one("option[selected]") if _cell_of(node) is not None else None
    _replace(node, f" {chosen.text.strip()[:_LONGEST_VALUE]} ") if chosen is not None else node.extract()


def _cell_of(node: Element) -> Element | None:
    from turbohtml import Element

    for outer, _ in zip(node.ancestors, range(_CLIMB), strict=False):
        if isinstance(outer, Element) and outer.tag in ("td", "th", "li", "dd"):
            return outer
    return None


def _picture(node: Element) -> None:
    """A formula's picture becomes its text. A small picture that is the only content of a cell becomes its name."""
    width = node.attr("width") or ""
    if len(width) > 2 and width.isdigit() and node.attr("class") is None:
        return
    name = (node.attr("alt") or "").strip()
    if not name or _FILE.search(name) or len(name) > _LONGEST_VALUE:
        return
    if "tex" in (node.attr("class") or "").split():
        _replace(node, name)
        return
    if any(int(_digits(node.attr(side))) > _LARGE for side in ("width", "height")):
        return
    cell = _cell_of(node)
    if cell is not None and cell.tag in ("td", "th") and next(cell.stripped_strings, None) is None:
        _replace(node, name)


def _digits(value: str | None) -> str:
    match = re.match(r"\s*(\d{1,5})", value or "")
    return match[1] if match else "0"


def _formula(node: Element) -> None:
    _replace(node, formula(node) or node.attr("alttext") or node.text)


def _overridden(node: Element) -> None:
    if (node.attr("dir") or "").lower() == "rtl" and all(not len(child) for child in node.children):
        _replace(node, node.text[::-1])


def _list(node: Element) -> None:
    """A reversed list without a start begins with the number of its items."""
    if node.attr("reversed") is not None and node.attr("start") is None:
        node.attrs["start"] = str(sum(getattr(child, "tag", "") == "li" for child in node.children))


_CHANGES: dict[str, Callable[[Element], None]] = {
    **dict.fromkeys(_DROPPED, _drop),
    "select": _choice,
    "sup": _sup,
    "sub": _sub,
    **dict.fromkeys(("del", "s", "strike"), _struck),
    "math": _formula,
    "q": _quote,
    **dict.fromkeys(("meter", "progress"), _bar),
    "input": _control,
    "img": _picture,
    "bdo": _overridden,
    "ol": _list,
}
_CHANGED = tuple(_CHANGES)
