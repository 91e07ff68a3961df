"""Writes a `ResultTable` as Markdown, LaTeX (with the package booktabs) or CSV. Names in it are text, never markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.tables.model import Column, Group, ResultTable, Value
from wideseek_env.render.printable import one_line

_LONG = 200
_NOTE = 2_000
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': "''",
    # after the end of a line, these would be arguments of \\
    "[": "{[}", "]": "{]}", "*": "{*}",
    "–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\ldots{}", "±": r"$\pm$", "×": r"$\times$",
    "≥": r"$\geq$", "≤": r"$\leq$", "−": "$-$", "→": r"$\rightarrow$", "†": r"\textsuperscript{$\dagger$}",
    "\u00a0": "~",
}  # fmt: skip
_MARKDOWN = set("\\`*_{}[]<>#|~$")


def render(table: ResultTable, form: str = "markdown") -> str:
    """The table as text. `form` is one of `FORMS`.

    Raises:
        ConfigError: The form is unknown.
    """
    if form not in FORMS:
        raise ConfigError(f"unknown format {form!r} of a table; use one of {', '.join(FORMS)}")
    return FORMS[form](table)


def latex_text(text: str, limit: int = _LONG) -> str:
    """`text` for LaTeX: one line, with every special character escaped. Letters of any script stay."""
    line = "".join(_LATEX.get(character, character) for character in one_line(text, limit))
    return line.replace("--", "-{-}")


def markdown_text(text: str, limit: int = _LONG) -> str:
    """`text` for a cell of a Markdown table: one line, with every special character escaped."""
    return "".join(f"\\{each}" if each in _MARKDOWN else each for each in one_line(text, limit))


def filled(table: ResultTable, group: Group) -> list[int]:
    """The columns in which a line of the group has a value."""
    return [
        at
        for at in range(len(table.columns))
        if any(line.values[at].value is not None for line in group.lines)
    ]


def number_text(column: Column, value: float | None) -> str:
    """A number with the decimals of its column. "–" if it is not known."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{column.digits}f}"


def _markdown(table: ResultTable) -> str:
    def cell(column: Column, value: Value) -> str:
        number = number_text(column, value.value)
        shown = f"**{number}**" if value.mark == "best" else f"{number}†" if value.mark == "tied" else number
        return (
            shown
            if value.low is None
            else f"{shown} [{number_text(column, value.low)}, {number_text(column, value.high)}]"
        )

    parts = []
    for group in table.groups:
        shown = filled(table, group)
        header = [label for _, label in table.names] + [table.columns[at].label for at in shown]
        rule = ["---"] * len(table.names) + ["---:"] * len(shown)
        lines = [f"### {markdown_text(group.title)}", "", _row(map(markdown_text, header)), _row(rule)]
        for line in group.lines:
            values = [cell(table.columns[at], line.values[at]) for at in shown]
            lines.append(_row([*map(markdown_text, line.names), *values]))
        parts.append("\n".join(lines))
    parts += [markdown_text(note, _NOTE) for note in table.notes]
    return "\n\n".join(parts) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex(table: ResultTable) -> str:
    def cell(column: Column, value: Value) -> str:
        number = latex_text(number_text(column, value.value))
        if value.mark == "best":
            number = rf"\textbf{{{number}}}"
        elif value.mark == "tied":
            number += r"\textsuperscript{$\dagger$}"
        if value.low is None:
            return number
        return (
            rf"{number} {{\scriptsize [{number_text(column, value.low)}, {number_text(column, value.high)}]}}"
        )

    width = len(table.names) + len(table.columns)
    header = [label for _, label in table.names] + [column.label for column in table.columns]
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{'l' * len(table.names)}{'r' * len(table.columns)}}}",
        r"\toprule",
        rf"{' & '.join(map(latex_text, header))} \\",
    ]
    for group in table.groups:
        lines += [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\emph{{{latex_text(group.title)}}}}} \\"]
        for line in group.lines:
            values = [cell(column, value) for column, value in zip(table.columns, line.values, strict=True)]
            lines.append(rf"{' & '.join([*map(latex_text, line.names), *values])} \\")
    notes = " ".join(latex_text(note, _NOTE) for note in table.notes)
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        "",
        rf"{{\footnotesize {notes}\par}}",
    ]
    return "\n".join(lines) + "\n"


def _csv(table: ResultTable) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["group", *(key for key, _ in table.names)]
    for column in table.columns:
        header.append(column.key)
        if column.interval:
            header += [f"{column.key}_{end}" for end in ("low", "high", "mark")]
    writer.writerow(header)
    for group in table.groups:
        for line in group.lines:
            row: list[object] = [
                one_line(group.title, _LONG),
                *(one_line(name, _LONG) for name in line.names),
            ]
            for column, value in zip(table.columns, line.values, strict=True):
                row.append(_plain(value.value))
                if column.interval:
                    row += [_plain(value.low), _plain(value.high), value.mark]
            writer.writerow(row)
    return out.getvalue()


def _plain(value: float | None) -> str:
    return "" if value is None else f"{round(value, 6):g}" if abs(value) < 1e5 else f"{value:.0f}"


FORMS: Mapping[str, Callable[[ResultTable], str]] = {"markdown": _markdown, "latex": _latex, "csv": _csv}
"""The forms in which a table can be written, by their names on the command line."""
