"""Reduces the tree of a page to what a person sees, as far as text can show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wideseek_env.pages.elements import CHANGES, enclose, mark_fraction, name_picture
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
# Styles and class names that hide, strike out, raise or lower text. Selectors that begin with a rare tag take almost no
# time. Raised and lowered text is nearly always in a `span`.
_STYLED = (
    "span:is([class*=sr-only],[class*=visual],[class*=screen-reader]),:is(div,p,h2,h3,caption).sr-only,"
    ":is(div,p,h2,h3,caption).visually-hidden,"
    '[style*=display i],[style*=visibility i],[style*=line-through i],span[style*=":su" i],span[style*=": su" i],'
    'font[style*=": su" i],small[style*=": su" i],a[style*=": su" i],'
    "span:is([class*=frac],[class*=script],[class*=strike],[class*=line-through]),p[class*=line-through]"
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)
_BLOCK = re.compile(r"display\s*:\s*(?:block|flex|grid|table|list-item)\b", re.IGNORECASE)
_FOLDED = re.compile(r"NavContent|collaps|mwe-math")  # shown by a picture, or when the reader opens it
_DRAWN = (
    (STRUCK, re.compile(r"text-decoration[a-z-]*\s*:[^;]*line-through", re.IGNORECASE)),
    (RAISED, re.compile(r"vertical-align\s*:\s*super", re.IGNORECASE)),
    (LOWERED, re.compile(r"vertical-align\s*:\s*sub\b", re.IGNORECASE)),
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
_SIGN = "img[alt]:only-child"
_SIGNS = (
    f"img.tex,:is(td,th)>{_SIGN},:is(td,th)>:only-child>{_SIGN},:is(td,th)>:only-child>:only-child>{_SIGN}"
)
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
    for node in tree.select(_STYLED):
        _apply(node, node.attr("style") or "", node.attr("class") or "")
    tree.remove(_UNREAD)
    for node in tree.select(_SIGNS):
        name_picture(node)
    for node in list(tree.iter_elements(_CHANGED)):
        if (change := CHANGES.get(node.tag)) is not None:  # a formula inside a formula has a new tag
            change(node)


def _apply(node: Element, style: str, name: str) -> None:
    """Apply the style and the class names of an element."""
    if node.tag in ("html", "body"):
        return
    names = name.split()
    if not _SPOKEN.isdisjoint(names):
        if not node.matches(_SPOKEN_INSTEAD):
            node.extract()
        return
    if _HIDDEN.search(style):
        if not _FOLDED.search(name):
            node.extract()
        return
    if node.tag == "span" and _BLOCK.search(style):
        node.tag = "div"
    if not _FRACTIONS.isdisjoint(names):
        mark_fraction(node)
    elif node.tag not in _MARKED:
        marks = [mark for mark, pattern in _DRAWN if pattern.search(style)]
        marks += [_DRAWN_CLASSES[each] for each in names if each in _DRAWN_CLASSES]
        if marks:
            enclose(node, marks[0])
