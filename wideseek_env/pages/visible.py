"""Reduces the tree of a page to what a person sees, as far as text can show it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from wideseek_env.pages.elements import CHANGES, enclose, mark_fraction, write_picture
from wideseek_env.pages.raised import LOWERED, RAISED, STRUCK

if TYPE_CHECKING:
    from turbohtml import Document, Element

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
_HINTS = ("display", "visibility", "line-through", "vertical-align")
# A selector of one tag is several times faster than a list of selectors.
_NAMED = (
    "span[class]",
    "div.sr-only",
    "div.visually-hidden",
    "h2.visually-hidden",
    "caption.visually-hidden",
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)")
_BLOCK = re.compile(r"display\s*:\s*(?:block|flex|grid|table|list-item)\b")
_FOLDED = re.compile(r"NavContent|collaps|mwe-math")  # shown by a picture, or when the reader opens it
_DRAWN = (
    (STRUCK, re.compile(r"text-decoration[a-z-]*\s*:[^;]*line-through")),
    (RAISED, re.compile(r"vertical-align\s*:\s*super")),
    (LOWERED, re.compile(r"vertical-align\s*:\s*sub\b")),
)
_DRAWN_CLASSES = {
    "line-through": STRUCK,
    "strikethrough": STRUCK,
    "strike": STRUCK,
    "superscript": RAISED,
    "subscript": LOWERED,
}
# Text for screen readers only. It stays if it is said instead of something that is drawn next to it.
_SPOKEN = frozenset(
    "sr-only visually-hidden visuallyhidden visualhide screen-reader-text screen-reader-only".split()
)
_SPOKEN_INSTEAD = "[aria-hidden=true]+*,:has(+[aria-hidden=true])"
_FRACTIONS = frozenset(("frac", "sfrac", "fraction"))
_MARKED = frozenset("sup sub del s strike html body".split())
_CHANGED = tuple(CHANGES)

# All other tags only mark their text or are empty. They are removed and their text stays. The most frequent are first.
_STRUCTURE = (
    "td a[href] tr li th p div br table tbody ul h2 h3 dd dl ol h1 h4 h5 h6 dt thead tfoot caption pre blockquote "
    "html body address article aside center details fieldset figcaption figure form header hgroup hr legend main "
    "search section summary xmp plaintext"
)
NOT_STRUCTURE = f":not({','.join(_STRUCTURE.split())})"
"""The selector of the tags that Markdown does not need."""

INLINE = (
    "a,span,b,i,sup,sub,wbr,small,font,big,em,strong,u,abbr,acronym,code,time,data,bdi,bdo,cite,var,kbd,tt,mark,ins,"
    "del,s,strike,q,label,dfn,samp,nobr,ruby,rb,input,img"
)
"""The selector of the tags that do not separate words."""


def parse(html: str) -> Document:
    """The tree of any string, built as browsers do that run scripts."""
    import turbohtml

    return turbohtml.parse(html, positions=False, scripting=True)


def show(tree: Document) -> None:
    """Reduce `tree` to what a person sees.

    Hidden parts and parts that are not the page's content are removed. Parts that show more than their text are changed
    (`wideseek_env.pages.elements`).
    """
    for selector in _NAMED:
        for node in tree.select(selector):
            if effect := _effect_of(node.attr("class") or ""):
                _apply_name(node, effect)
    tree.remove(_UNREAD)
    for node in tree.select("[style]"):
        style = (node.attr("style") or "").lower()
        for hint in _HINTS:
            if hint in style:
                _apply_style(node, style)
                break
    for node in tree.select("img[alt]"):
        write_picture(node)
    for node in list(tree.iter_elements(_CHANGED)):
        if (change := CHANGES.get(node.tag)) is not None:  # a formula inside a formula has a new tag
            change(node)


@lru_cache(4096)  # few names occur again and again
def _effect_of(name: str) -> str:
    """What a class name says about an element: "spoken", "fraction", a mark, or "" for nothing."""
    names = name.split()
    if not _SPOKEN.isdisjoint(names):
        return "spoken"
    if not _FRACTIONS.isdisjoint(names):
        return "fraction"
    return next((_DRAWN_CLASSES[each] for each in names if each in _DRAWN_CLASSES), "")


def _apply_name(node: Element, effect: str) -> None:
    if effect == "fraction":
        mark_fraction(node)
    elif effect != "spoken":
        enclose(node, effect)
    elif not node.matches(_SPOKEN_INSTEAD):
        node.extract()


def _apply_style(node: Element, style: str) -> None:
    if node.tag in ("html", "body"):
        return
    if _HIDDEN.search(style):
        if not _FOLDED.search(node.attr("class") or ""):
            node.extract()
    elif node.tag == "span" and _BLOCK.search(style):
        node.tag = "div"
    elif node.tag not in _MARKED and (
        mark := next((mark for mark, drawn in _DRAWN if drawn.search(style)), "")
    ):
        enclose(node, mark)
