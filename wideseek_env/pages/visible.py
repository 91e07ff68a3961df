"""Reduces the tree of a page to what a person sees, as far as text can show it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from wideseek_env.pages.elements import (
    CHANGES,
    NOTE_CLASSES,
    enclose,
    is_leaf,
    is_short,
    mark_fraction,
    mark_note,
    write_picture,
    write_stack,
)
from wideseek_env.pages.raised import LOWERED, RAISED, STRUCK
from wideseek_env.timeouts import check_time

if TYPE_CHECKING:
    from turbohtml import Document, Element

# Class names, as whole words, of parts that are not the page's content.
_DROPPED_CLASSES = frozenset(
    "reference references reflist mw-references-wrap mw-editsection editsection noprint navbox vertical-navbox navbar "
    "toc toccolours-toc sortkey metadata mw-empty-elt catlinks printfooter mw-jump-link skip-link breadcrumb "
    "breadcrumbs".split()
)
_DROPPED = ",".join(f".{name}" for name in sorted(_DROPPED_CLASSES))
# The most frequent of them with the tags that they usually have. Removing them at once leaves fewer names to read.
_USUAL = "sup.reference,div.reflist,div.navbox,table.navbox"
# Cells keep their place in the row. Those with the names above are shown, because a person sees them.
_KEPT = frozenset(("html", "body", "td", "th"))
_DROPPED_ROLES = "navigation banner contentinfo search"
_UNREAD = ":is([hidden],[aria-hidden=true],[role])"  # the selector of all parts that the next two may select
_ABSENT = f"[hidden],:is({','.join(f'[role={name}]' for name in _DROPPED_ROLES.split())}):not(html,body)"
_UNSAID = "[aria-hidden=true]"
# Names of other elements than these say nothing, except for the parts that are dropped.
_NAMED = ("div.sr-only", "div.visually-hidden", "h2.visually-hidden", "caption.visually-hidden")
_NAMED_TAGS = frozenset(("div", "h2", "caption"))
_HINTS = ("display", "visibility", "line-through", "vertical-align", "relative")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)")
_ABSENT_STYLE = re.compile(r"display\s*:\s*none")
_LINES = frozenset("span b i em strong small font label u abbr time cite".split())
"""Inline tags that a style often makes a block."""
_BLOCK = re.compile(r"display\s*:\s*(?:block|flex|grid|table|list-item)\b")
_FOLDED = re.compile(r"NavContent|collaps|mwe-math")  # shown by a picture, or when the reader opens it
_DRAWN = (
    (STRUCK, re.compile(r"text-decoration[a-z-]{0,20}\s{0,9}:[^;]{0,100}?line-through")),
    (RAISED, re.compile(r"vertical-align\s*:\s*super")),
    (LOWERED, re.compile(r"vertical-align\s*:\s*sub\b")),
)
# Small text that is moved up or down.
_SMALL = re.compile(r"font-size\s*:\s*(?:0?\.\d|[1-9]?\d(?:\.\d+)?%|x{0,2}-?small|smaller|[5-9]px)|font\s*:")
_MOVED = (
    (RAISED, re.compile(r"vertical-align\s*:\s*(?:text-)?top|vertical-align\s*:\s*\+?(?:0?\.0*[1-9]|[1-9])")),
    (
        LOWERED,
        re.compile(r"vertical-align\s*:\s*(?:text-)?bottom|vertical-align\s*:\s*-(?:0?\.0*[1-9]|[1-9])"),
    ),
    (RAISED, re.compile(r"\brelative\b[^\n]{0,200}?\b(?:top\s{0,9}:\s{0,9}-|bottom\s{0,9}:\s{0,9}[\d.])")),
)
_DRAWN_CLASSES = {
    "line-through": STRUCK,
    "text-decoration-line-through": STRUCK,
    "strikethrough": STRUCK,
    "strike-through": STRUCK,
    "strike": STRUCK,
    "sup": RAISED,
    "sub": LOWERED,
    "exponent": RAISED,
    "superscript": RAISED,
    "subscript": LOWERED,
}
# Text for screen readers only. It stays if it is said instead of something that is drawn next to it.
_SPOKEN = frozenset(
    "sr-only visually-hidden visuallyhidden visualhide screen-reader-text screen-reader-only element-invisible "
    "offscreen off-screen a11y-hidden".split()
)
_HIDDEN_CLASSES = frozenset("hidden d-none hide is-hidden".split())
_SHOWN_AGAIN = re.compile(r"\bd-\w+-\w|:(?:block|inline|flex|grid)")  # on a wide screen
_SPOKEN_INSTEAD = "[aria-hidden=true]+*,:has(+[aria-hidden=true])"
_FRACTIONS = frozenset(("frac", "sfrac", "fraction"))
_MARKED = frozenset("sup sub del s strike html body".split())
_CHANGED = (*CHANGES, "img")
_LONGEST = 500
_long: list[int] = []
"""The lengths of long names and styles. They are not kept, so that the two caches stay small."""
_SPACE = re.compile(r"[ \t\n\f\r]+")  # other characters do not separate class names

# All other tags only mark their text or are empty. They are removed and their text stays. The most frequent are first.
_STRUCTURE = (
    "td a[href] tr li th p div br table tbody ul h2 h3 dd dl ol h1 h4 h5 h6 dt thead tfoot caption pre blockquote "
    "html body address article aside center details fieldset figcaption figure form header hgroup hr legend main "
    "search section summary xmp plaintext"
)
NOT_STRUCTURE = f":not({','.join(_STRUCTURE.split())})"
"""The selector of the tags that Markdown does not need."""

MAX_CHARS = 5_000_000
"""The most characters of a page that are read."""

INLINE = tuple(
    "a span b i sup sub wbr small font big em strong u abbr acronym code time data bdi bdo cite var kbd tt mark ins "
    "del s strike q label dfn samp nobr ruby rb input img".split()
)
"""The tags that do not separate words."""


def parse(html: str) -> Document:
    """The tree of the first `MAX_CHARS` characters of any string, built as browsers do that run scripts."""
    import turbohtml

    return turbohtml.parse(html[:MAX_CHARS], positions=False, scripting=True)


def show(tree: Document) -> None:
    """Reduce `tree` to what a person sees.

    Hidden parts and parts that are not the page's content are removed. Parts that show more than their text are changed
    (`wideseek_env.pages.elements`).
    """
    check_time()
    tree.remove(_USUAL)
    _read_names(tree)
    for node in tree.select(_UNREAD):
        if node.matches(_ABSENT):
            node.extract()
        elif node.matches(_UNSAID):
            _hide(node)
    nodes = tree.select("[style]")
    for node, style in zip(nodes, map(_style_of, [node.attr("style") for node in nodes]), strict=True):
        if style is not None:
            _apply_style(node, style)
    changed = list(tree.iter_elements(_CHANGED))
    for node in changed:
        if node.tag == "img":
            write_picture(node)
    check_time()
    for node in changed:
        if (change := CHANGES.get(node.tag)) is not None:  # a formula inside a formula has a new tag
            change(node)
    comments: Any = tree.xpath("//comment()")
    for comment in comments:
        comment.extract()
    if _long:
        _long.clear()
        _meaning.cache_clear()
        _style_of.cache_clear()


def _read_names(tree: Document) -> None:
    """Do what the class names of the elements say."""
    nodes = tree.select(
        "[class]"
    )  # one selection of all is several times faster than a selector of the names
    others, dropped = [], []
    for node, meaning in zip(nodes, map(_meaning, [node.attr("class") for node in nodes]), strict=True):
        if meaning is None:
            continue
        effect, drop = meaning
        if effect:
            tag = node.tag
            if tag == "span":
                _apply_name(node, effect)
            elif tag in _NAMED_TAGS:
                others.append((node, effect))
        if drop:
            dropped.append((node, drop))
    for selector in _NAMED:
        for node, effect in others:
            if node.parent is not None and node.matches(selector):
                _apply_name(node, effect)
    for node, drop in dropped:
        if node.tag not in _KEPT and (drop == "exact" or node.matches(_DROPPED)):
            node.extract()


@lru_cache(4096)  # few names occur again and again
def _meaning(name: str | None) -> tuple[str, str] | None:
    """What a class name says about an element, or None for nothing.

    The first value is its effect (see `_effect_of`). The second says whether the element is dropped: "exact" for yes,
    "" for no, and "case" if this depends on the case of the letters, which only old pages ignore.
    """
    if name is not None and len(name) > _LONGEST:
        _long.append(len(name))
    effect = _effect_of(name or "")
    words = frozenset(_SPACE.split(name or ""))
    if not _DROPPED_CLASSES.isdisjoint(words):
        return effect, "exact"
    if not _DROPPED_CLASSES.isdisjoint(map(str.lower, words)):
        return effect, "case"
    return (effect, "") if effect else None


def _effect_of(name: str) -> str:
    """What a class name says about an element: "hidden", "spoken", "fraction", "stack", "note", a mark, or "" for
    nothing."""
    names = name.split()
    if not _HIDDEN_CLASSES.isdisjoint(names) and not _SHOWN_AGAIN.search(name):
        return "hidden"
    if "template-chem2-su" in names:
        return "stack"
    if "ltx_tag_note" in names:
        return "hidden"
    if not NOTE_CLASSES.isdisjoint(map(str.lower, names)):
        return "note"
    if not _SPOKEN.isdisjoint(names):
        return "spoken"
    if not _FRACTIONS.isdisjoint(names):
        return "fraction"
    return next((_DRAWN_CLASSES[each] for each in names if each in _DRAWN_CLASSES), "")


class _Style(NamedTuple):
    """What a style shows.

    `hidden`: the element is not seen. `absent`: it has no place in its table row either. `block`: it is a block.
    `mark`: the mark of its text. `moved`: the mark of small text that the style moves up or down. `aligned`: small text
    with a vertical alignment.
    """

    hidden: bool
    absent: bool
    block: bool
    mark: str
    moved: str
    aligned: bool


@lru_cache(4096)
def _style_of(style: str | None) -> _Style | None:
    """What a style shows, or None if this changes nothing that is read here."""
    style = (style or "").lower()
    if len(style) > _LONGEST:
        _long.append(len(style))
    if not any(hint in style for hint in _HINTS):
        return None
    small = _SMALL.search(style) is not None
    shown = _Style(
        hidden=_HIDDEN.search(style) is not None,
        absent=_ABSENT_STYLE.search(style) is not None,
        block=_BLOCK.search(style) is not None,
        mark=next((mark for mark, drawn in _DRAWN if drawn.search(style)), ""),
        moved=next((mark for mark, moved in _MOVED if moved.search(style)), "") if small else "",
        aligned=small and "vertical-align" in style,
    )
    return shown if any(shown) else None


def _apply_name(node: Element, effect: str) -> None:
    if effect == "fraction":
        mark_fraction(node)
    elif effect == "stack":
        write_stack(node)
    elif effect == "note":
        mark_note(node)
    elif effect == "hidden":
        node.extract()
    elif effect != "spoken":
        if is_short(node):
            enclose(node, effect)
    elif not node.matches(_SPOKEN_INSTEAD):
        node.extract()


def _apply_style(node: Element, style: _Style) -> None:
    tag = node.tag
    if tag in ("html", "body"):
        return
    if style.hidden:
        if not _FOLDED.search(node.attr("class") or ""):
            if style.absent:
                node.extract()
            else:
                _hide(node)
    elif style.block and tag in _LINES:
        node.tag = "div"
    elif style.mark and tag not in _MARKED:
        enclose(node, style.mark)
    elif tag in _LINES:
        if style.aligned and next(node.iter_elements("br"), None) is not None:
            write_stack(node)
        elif style.moved and is_leaf(node):
            enclose(node, style.moved)


def _hide(node: Element) -> None:
    """Remove an element that has a place on the page. A cell stays in its row, without content."""
    if node.tag in ("td", "th"):
        for child in list(node.children):
            child.extract()
    else:
        node.extract()
