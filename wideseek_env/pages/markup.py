"""Turns any HTML into clean markup: well-formed, without invisible parts and without inline tags.

The library turbohtml, written in C, parses the HTML, removes parts of the tree and writes it. The result is short and
regular. It has blocks, lists, tables, links and line breaks. `<`, `>`, `&` and, in attributes, `"` are always escaped.
So `wideseek_env.pages.walk` can read it with regular expressions.
"""

from __future__ import annotations

from typing import NamedTuple

from wideseek_env.pages.marks import write_marks
from wideseek_env.pages.text import head_of, title_of, without_breaks
from wideseek_env.pages.visible import NOT_STRUCTURE, parse, show


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
    head = head_of(tree)
    base = head.select_one("base[href]") if head is not None else None
    show(tree)
    tree.strip_tags(NOT_STRUCTURE)
    body = tree.serialize(Html(formatter=Formatter.MINIMAL))
    body = write_marks(without_breaks(body))
    return Markup(title, (base.attr("href") or "") if base is not None else "", body)
