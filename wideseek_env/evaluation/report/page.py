"""The page: one HTML file without scripts that asks the network for nothing, the same bytes for the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.report import sections
from wideseek_env.evaluation.report.entries import Entry
from wideseek_env.evaluation.report.html import Markup, text
from wideseek_env.evaluation.report.style import STYLE
from wideseek_env.files import write_whole
from wideseek_env.version import __version__

MARK = "<!-- made by wideseek bench report -->"
"""How a page of ours begins, after the document type; a file without it is not replaced."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def report_page(entries: Sequence[Entry], *, seed: int = 0) -> str:
    """The whole page. `seed` is that of intervals and tests. `ConfigError` without an entry."""
    if not entries:
        raise ConfigError("give at least one run")
    parts = {
        "results": sections.results(entries),
        "figures": sections.figures(entries),
        "speed-up": sections.speedups(entries, seed),
        "comparisons": sections.comparisons(entries, seed),
        "settings": sections.settings(entries),
        "commands": sections.commands(entries),
    }
    called = {
        "speed-up": "Speed-up",
        "comparisons": "Paired comparisons",
        "settings": "Settings and versions",
    }
    links = "".join(
        f'<li><a href="#{name}">{called.get(name, name.capitalize())}</a></li>'
        for name, part in parts.items()
        if part
    )
    title = text(" · ".join(entry.name for entry in entries), 200)
    count = "one run" if len(entries) == 1 else f"{len(entries)} runs"
    head = (
        f"<!doctype html>\n{MARK}\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style></head>\n<body>\n"
    )
    body = [
        Markup(f"<h1>{title}</h1>"),
        Markup(f'<p class="soft">A report on {count}, made by wideseek {text(__version__)}.</p>'),
        Markup(f'<nav aria-label="Contents"><ul>{links}</ul></nav>'),
        sections.unfinished(entries),
        *parts.values(),
    ]
    return head + "\n".join(part for part in body if part) + "\n</body></html>\n"


def write_report(entries: Sequence[Entry], out: Path, *, seed: int = 0) -> None:
    """Write the page to `out`, whole or not at all. `ConfigError` when `out` is there and no page of ours."""
    if out.exists() and not _ours(out):
        raise ConfigError(
            f"{out} is there already and was not made by `wideseek bench report`; give another --out"
        )
    page = report_page(entries, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, page)


def _ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return MARK.encode() in file.read(200)
