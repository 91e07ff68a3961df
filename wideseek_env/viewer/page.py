"""The page: one HTML file with its style, its script and all episodes. It needs no network.

Texts of agents and web pages are in compressed data blocks (deflate, base64). The script unpacks a block when the
user opens its episode, and shows the texts as text. A Content Security Policy with hashes allows only the page's style
and script. It also forbids the script to turn text into markup (Trusted Types).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.files import writing
from wideseek_env.version import __version__
from wideseek_env.viewer.runs import RunReader, to_json

MARK = "<!-- made by wideseek view -->"
"""A comment at the beginning of each page, after the document type. A file without it is not replaced."""

STYLES = ("base.css", "list.css", "episode.css")
SCRIPTS = (
    "dom.js",
    "data.js",
    "list.js",
    "timeline.js",
    "answer.js",
    "conversation.js",
    "episode.js",
    "main.js",
)
"""The script files in ``static/``, in the order in which they are joined."""


@cache
def style() -> str:
    """The page's style sheet."""
    return "\n".join(_static(name) for name in STYLES)


@cache
def script() -> str:
    """The page's script. All its files are in one function, so the files share their names without global variables."""
    return '(() => {\n"use strict";\n' + "\n".join(_static(name) for name in SCRIPTS) + "})();\n"


def policy(*, live: bool) -> str:
    """The Content Security Policy. With `live`, the page may ask its server whether the run has grown."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script())}'",
            f"style-src '{_hash(style())}'",
            "img-src data:",
            "connect-src 'self'" if live else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def page(runs: Sequence[RunReader], *, live: str = "") -> Iterator[str]:
    """The page in pieces.

    `live` is the server's text for the current state of the runs. `live` is "" for a page in a file.
    """
    index = {
        "version": __version__,
        "live": live,
        "runs": [
            {"name": name, "path": str(run.path), "settings": run.settings}
            for run, name in zip(runs, names(runs), strict=True)
        ],
        "episodes": [
            {"run": number, **shown.line} for number, run in enumerate(runs) for shown in run.episodes
        ],
    }
    head, rest = _static("page.html").split("<!-- data -->")
    title = " · ".join(names(runs))
    for slot, text in (
        ("<!-- policy -->", escape(policy(live=bool(live)))),
        ("<!-- title -->", escape(title.encode("utf-8", "replace").decode())),
        ("/* style */", style()),
    ):
        head = head.replace(slot, text)
    yield head
    yield f'<script type="application/json" id="index">{to_json(index)}</script>\n'
    for number, shown in enumerate(shown for run in runs for shown in run.episodes):
        yield f'<script type="text/plain" id="episode-{number}">{shown.packed}</script>\n'
    yield rest.replace("/* script */", script())


def names(runs: Sequence[RunReader]) -> list[str]:
    """The names of the runs on the page, as short as possible, but all different."""
    short = [run.name for run in runs]
    return short if len(set(short)) == len(short) else [str(run.path) for run in runs]


def write_page(runs: Sequence[RunReader], out: Path) -> None:
    """Write the page to `out`. Its folder is created if needed. A reader never sees half a page.

    Raises:
        ConfigError: `out` exists and was not made by `wideseek view`.
    """
    if out.exists() and not _ours(out):
        raise ConfigError(f"{out} exists and was not made by `wideseek view`; give another file")
    out.parent.mkdir(parents=True, exist_ok=True)
    with writing(out) as file:
        file.writelines(piece.encode() for piece in page(runs))


def _ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return MARK.encode() in file.read(200)


@cache
def _static(name: str) -> str:
    return files("wideseek_env.viewer").joinpath("static", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"sha256-{digest}"
