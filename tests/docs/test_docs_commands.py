"""The shell blocks of the README and the guides: every `wideseek` command in them exists, and the blocks run.

A block below a comment such as ``<!-- not run: needs a model -->`` is shown, not run. `.ci/long` runs the others, page
by page from top to bottom, in a folder with the examples. Lines that set up a machine are left out.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from wideseek_env.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "baselines/README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?:sh|bash)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
SETS_UP = re.compile(r"^(pip install|git clone|python -m venv|make install|cd wideseek$|\. \S+/activate)")
SECONDS = 900


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[str, str | None]]:
    """The shell blocks of a page, each with the reason why it is not run, or None."""
    return [(found["text"], found["why"]) for found in BLOCK.finditer(page.read_text())]


def commands(text: str) -> Iterator[list[str]]:
    """The `wideseek` commands of a block as lists of arguments."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if "wideseek" not in line or "…" in line:
            continue  # … stands for a part that is left out
        parts: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        for part in [*lexer, ";"]:
            if set(part) <= set(";&|"):
                if parts[:1] == ["wideseek"]:
                    yield parts[1:]
                parts = []
            else:
                parts.append(part)


def check(arguments: list[str]) -> None:
    """Fails with `click.UsageError` if there is no such command or option. Values of options are not checked."""
    command: click.Command = app
    context = click.Context(app, info_name="wideseek")
    while isinstance(command, click.Group):
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
        context = click.Context(command, info_name=command.name, parent=context)
    command.make_parser(context).parse_args(list(arguments))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_documented_commands_exist(page: Path) -> None:
    for text, _ in blocks(page):
        for arguments in commands(text):
            check(arguments)


@pytest.mark.parametrize(
    "line", ["wideseek evaluate", "wideseek eval --widht 3", "sleep 1; wideseek bench plots a"]
)
def test_other_commands_fail(line: str) -> None:
    (arguments,) = commands(line)
    with pytest.raises(click.UsageError):
        check(arguments)


def test_comments_and_continued_lines() -> None:
    text = "wideseek eval \\\n  --out a  # a comment\nfor n in 1 2; do\n    wideseek run --width $n; done &\nls x\n"
    assert list(commands(text)) == [["eval", "--out", "a"], ["run", "--width", "$n"]]


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(why is None for _, why in blocks(page))], ids=name
)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    for folder in ROOT.iterdir():
        if folder.name == "examples":
            shutil.copytree(folder, tmp_path / folder.name)
        elif not folder.name.startswith(".") and folder.name not in {"runs", "build"}:
            (tmp_path / folder.name).symlink_to(folder)
    where = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "BROWSER": "true"}
    for text, why in blocks(page):
        lines = [line for line in text.splitlines() if not SETS_UP.match(line)]
        if why is None and any(lines):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
                cwd=tmp_path,
                env=os.environ | where,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            assert done.returncode == 0, (
                f"{name(page)}:\n{text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )
