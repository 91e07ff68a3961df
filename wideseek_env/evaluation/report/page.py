"""The page of a report: one HTML file without scripts that needs no network. The same runs give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.report import sections
from wideseek_env.evaluation.report.entries import Entry
from wideseek_env.evaluation.report.html import Markup, text
from wideseek_env.evaluation.report.questions import questions
from wideseek_env.evaluation.report.rows import rows
from wideseek_env.evaluation.report.style import STYLE
from wideseek_env.files import write_whole
from wideseek_env.version import __version__

MARK = "<!-- made by wideseek bench report -->"
"""A comment at the beginning of each page, after the document type. A file without it is not replaced."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def report_page(entries: Sequence[Entry], *, seed: int = 0, title: str = "") -> str:
    """The page as HTML. `seed` is the seed of intervals and tests. `title` replaces the names of the runs as heading.

    Raises:
        ConfigError: There are no entries.
    """
    if not entries:
        raise ConfigError("give at least one run")
    parts = {
        "results": sections.results(entries),
        "rows": rows(entries),
        "questions": questions(entries),
        "figures": sections.figures(entries),
        "speed-up": sections.speedups(entries, seed),
        "comparisons": sections.comparisons(entries, seed),
        "settings": sections.settings(entries),
        "commands": sections.commands(entries),
    }
    called = {
        "rows": "Gold rows",
        "questions": "Question answering",
        "speed-up": "Speed-up",
        "comparisons": "Paired comparisons",
        "settings": "Settings and versions",
    }
    links = "".join(
        f'<li><a href="#{name}">{called.get(name, name.capitalize())}</a></li>'
        for name, part in parts.items()
        if part
    )
    called_page = text(title or " · ".join(entry.name for entry in entries), 200)
    count = "one run" if len(entries) == 1 else f"{len(entries)} runs"
    head = (
        f"<!doctype html>\n{MARK}\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{called_page}</title>\n<style>{STYLE}</style></head>\n<body>\n"
    )
    body = [
        Markup(f"<h1>{called_page}</h1>"),
        Markup(f'<p class="soft">A report on {count}, made by wideseek {text(__version__)}.</p>'),
        Markup(f'<nav aria-label="Contents"><ul>{links}</ul></nav>'),
        sections.runs(entries),
        sections.unfinished(entries),
        sections.judged_by_rules(entries),
        sections.conditions(entries),
        *parts.values(),
    ]
    return head + "\n".join(part for part in body if part) + "\n</body></html>\n"


def write_report(entries: Sequence[Entry], out: Path, *, seed: int = 0, title: str = "") -> None:
    """Write the page to `out`. A reader never sees half a page.

    Raises:
        ConfigError: `out` exists and was not made by `wideseek bench report`.
    """
    if out.exists() and not _ours(out):
        raise ConfigError(f"{out} exists and was not made by `wideseek bench report`; give another file")
    page = report_page(entries, seed=seed, title=title)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, page)


def _ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return MARK.encode() in file.read(200)
