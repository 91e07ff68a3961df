"""Turns any HTML into clean markup: well-formed, without invisible parts and without inline tags.

The library turbohtml, written in C, parses the HTML, removes parts of the tree and writes it. The result is short and
regular. It has blocks, lists, tables, links and line breaks. `<`, `>`, `&` and, in attributes, `"` are always escaped.
So `wideseek_env.pages.walk` can read it with regular expressions.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wideseek_env.pages.text import parse, title_of

_DROPPED = (
    "script style noscript template svg canvas iframe object audio video picture map head nav footer button "
    "select textarea dialog annotation annotation-xml rp rt noembed noframes"
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
        *_DROPPED.split(),
        f"[class]:is({','.join(f'.{name}' for name in _DROPPED_CLASSES.split())}):not(html,body)",
        f"[role]:is({','.join(f'[role={name}]' for name in _DROPPED_ROLES.split())}):not(html,body)",
        "[hidden]",
        "[aria-hidden=true]",
    )
)
_STYLED = '[style*="display" i],[style*="visibility" i]'
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_FOLDED = re.compile(r"NavContent|collaps")  # hidden only until the reader opens it
# All other tags only mark their text or are empty. They are removed and their text stays. The most frequent are first.
_STRUCTURE = (
    "td a[href] tr li th p div br table tbody ul h2 h3 dd dl ol h1 h4 h5 h6 dt thead tfoot caption pre blockquote "
    "html body address article aside center details fieldset figcaption figure form header hgroup hr legend main "
    "search section summary xmp plaintext"
)
_INLINE = f":not({','.join(_STRUCTURE.split())})"
_RAW = "xmp,plaintext"


class Markup(NamedTuple):
    """A page's title, the `href` of its `<base>` (or "") and its clean markup."""

    title: str
    base: str
    body: str


def to_markup(html: str) -> Markup:
    """The clean markup of a page, as browsers would understand it. No HTML makes this function raise an error."""
    from turbohtml import Formatter, Html

    tree = parse(html)
    title = title_of(tree)
    head = tree.select_one("head")
    base = head.select_one("base[href]") if head is not None else None
    tree.remove(_UNREAD)
    for node in tree.select(_STYLED):
        hidden = _HIDDEN_STYLE.search(node.attr("style") or "")
        if hidden and not _FOLDED.search(node.attr("class") or "") and node.tag not in ("html", "body"):
            node.extract()
    tree.strip_tags(_INLINE)
    for node in tree.select(_RAW):
        node.tag = "pre"  # turbohtml would write the text of these tags without escapes
    body = tree.serialize(Html(formatter=Formatter.MINIMAL))
    return Markup(title, (base.attr("href") or "") if base is not None else "", body)
