"""Pieces of HTML. All texts from runs go through `text`, which escapes them, so they never become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from wideseek_env.evaluation.drawing import COLOURS, GRID, INK, PAPER, Picture
from wideseek_env.render.printable import one_line

_LONG = 400
_HEAD = re.compile(r"\A.*?(?=<svg\b)", re.DOTALL)
_META = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")  # text between tags is not matched and stays
_NAME = re.compile(r'(\bid="|\bhref="#|\burl\(#)')
_VARIABLES = {colour: f"var(--c{number})" for number, colour in enumerate(COLOURS)} | {
    INK: "var(--ink)",
    GRID: "var(--line)",
    PAPER: "var(--card)",
}
_COLOUR = re.compile("|".join(_VARIABLES))


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def text(value: object, limit: int = _LONG) -> Markup:
    """`value` as one line of escaped text. `Markup` stays as it is."""
    return value if isinstance(value, Markup) else Markup(escape(one_line(str(value), limit)))


def table(header: Sequence[object], rows: Iterable[Sequence[object]], marked: Iterable[int] = ()) -> Markup:
    """A table. Rows whose indices are in `marked` are highlighted."""
    shown = set(marked)
    head = "".join(f"<th>{text(cell)}</th>" for cell in header)
    lines = []
    for number, (first, *rest) in enumerate(rows):
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in rest)
        mark = ' class="differs"' if number in shown else ""
        lines.append(f"<tr{mark}><th>{text(first)}</th>{cells}</tr>")
    body = "\n".join(lines)
    return Markup(
        f'<div class="over"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
    )


def _cell(value: object) -> Markup:
    """A cell. A short name with a number, such as "width 4", stays on one line."""
    shown = text(value)
    short = not isinstance(value, Markup) and len(shown) <= 12
    return Markup(shown.replace(" ", "\u00a0")) if short else shown


def interval(value: str, low: str, high: str) -> Markup:
    """A value with its interval."""
    return Markup(f'{text(value)} <span class="ci">{text(low)} – {text(high)}</span>')


def heading(level: int, title: object, anchor: str) -> Markup:
    """A heading that links to itself."""
    return Markup(f'<h{level} id="{anchor}"><a href="#{anchor}">{text(title)}</a></h{level}>')


def items(lines: Iterable[object]) -> Markup:
    """A list."""
    return Markup("<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>")


def figure(drawn: Picture, caption: object, anchor: str, *, column: bool = False) -> Markup:
    """A figure as inline SVG, in the colours of the page."""
    kind = ' class="column"' if column else ""
    return Markup(
        f'<figure id="{anchor}"{kind}>\n{inline_svg(drawn.render("svg").decode(), anchor, str(text(caption)))}\n'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """An SVG file as an element of a page.

    The ids get a prefix, the colours are those of the page, the background is removed, and `label` becomes the title.
    """
    svg = _META.sub("", _HEAD.sub("", svg, count=1))

    def own(tag: re.Match[str]) -> str:
        return _COLOUR.sub(lambda found: _VARIABLES[found[0]], _NAME.sub(rf"\1{prefix}-", tag[0]))

    svg = _TAG.sub(own, svg).replace("*{", f"#{prefix} svg *{{", 1)
    return svg.replace("<svg ", '<svg role="img" ', 1).replace(
        "<defs>", f"<title>{label}</title>\n <defs>", 1
    )
