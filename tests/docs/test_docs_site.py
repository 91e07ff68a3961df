"""The documentation's site: every page is in the navigation, and the built site needs nothing from the network."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAVIGATION = re.compile(r"^```\{toctree\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXTERNAL = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc\s*=\s*["']?(?:https?:)?//|<link[^>]*\shref\s*=\s*["']?(?:https?:)?//"""
    r"|@import|url\(\s*[\"']?(?:https?:)?//",
    re.IGNORECASE,
)
"""What a browser would fetch by itself; links that a reader follows are no such thing."""
RESERVED = {"search", "genindex", "py-modindex"}
"""Pages that the site makes itself; one of ours by that name would be overwritten."""


def entries() -> list[str]:
    """What the navigation names, in order."""
    blocks = NAVIGATION.findall((DOCS / "index.md").read_text())
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def test_every_page_is_in_the_navigation_once() -> None:
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert not pages & RESERVED
    named = entries()
    assert sorted(named) == sorted(set(named))
    assert pages - set(named) == set(), "add these pages to docs/index.md"
    assert set(named) - pages == {"reference/index"}, "docs/index.md names pages that do not exist"


def test_every_reference_page_is_listed() -> None:
    listed = (DOCS / "reference" / "index.rst").read_text()
    for page in DOCS.glob("reference/*.rst"):
        assert page.stem == "index" or f"\n   {page.stem}\n" in listed


def test_what_counts_as_external() -> None:
    assert EXTERNAL.search('<script src="https://cdn.example/x.js">')
    assert EXTERNAL.search('<link rel="stylesheet" href="//fonts.example/x.css">')
    assert EXTERNAL.search("a { background: url(https://x.example/y.png) }")
    assert not EXTERNAL.search('<a href="https://github.com/x">x</a><script src="_static/x.js">')


@pytest.mark.skipif(find_spec("sphinx") is None, reason='needs the extra: pip install -e ".[docs]"')
def test_the_prose_builds_without_warnings_and_stands_alone(tmp_path: Path) -> None:
    """Without the reference, whose build belongs to `make docs`: it reads every module."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    settings = [
        "-D",
        "exclude_patterns=reference/*",
        "-D",
        "suppress_warnings=toc.excluded,misc.highlighting_failure,myst.xref_missing",
    ]
    done = subprocess.run(
        [*command, *settings, str(DOCS), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    for file in [*pages, *tmp_path.rglob("*.css")]:
        found = EXTERNAL.search(file.read_text(encoding="utf-8", errors="replace"))
        assert found is None, f"{file.name}: {found.group()}"  # type: ignore[union-attr]
    assert "rules-without-io" in (tmp_path / "concepts.html").read_text()
