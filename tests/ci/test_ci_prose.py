"""`.ci/prose` finds long sentences and banned phrases in pages, docstrings and help texts, and skips code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = " ".join(["word"] * 35)
FITS = " ".join(["Word"] * 34)


def check(folder: Path, **files: str) -> tuple[int, list[str]]:
    """The exit code and the lines of output, without the folder, for files named `name_md` or `name_py`."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    command = [sys.executable, ROOT / ".ci" / "prose", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout.replace(f"{folder}/", "").splitlines()


def test_short_sentences_pass(tmp_path: Path) -> None:
    code, lines = check(
        tmp_path, page_md=f"# Page\n\n{FITS}. {FITS}!\n\n* {FITS}\n* {FITS}\n\n1. {FITS}\n2. {FITS}\n"
    )
    assert (code, lines) == (0, ["prose: 1 files, nothing to change"])


def test_a_long_sentence_is_named_by_its_first_line(tmp_path: Path) -> None:
    code, lines = check(tmp_path, page_md=f"# Page\n\nShort. Then\n{LONG}\nto the end.\n")
    assert code == 1
    assert lines[0].startswith("page.md:3: 39 words in a sentence: Then word")
    assert lines[-1] == "prose: 1 files, 1 to change"


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{LONG}\n```\n",
        f"| {LONG} | one's own |\n",
        f"Short `{LONG} one's own`.\n",
        f"Short ``{LONG}\n{LONG}``.\n",
        f"<!-- {LONG} anew -->\n",
        f"[short](page.md#{'-'.join(['anew'] * 40)})\n",
        f"Ends with e.g. this.\n\n## {FITS}\n\n{FITS}\n",
        "Renewed, anewx, sun-anew and https://example.org/anew are other words.\n",
    ],
)
def test_code_tables_comments_and_targets_do_not_count(tmp_path: Path, text: str) -> None:
    code, lines = check(tmp_path, page_md=text)
    assert code == 0, lines


@pytest.mark.parametrize("text", ["a tool of one's own", "One's\nown tool", "tools of one\u2019s own"])
def test_banned_phrases_are_found_in_any_case_and_over_lines(tmp_path: Path, text: str) -> None:
    code, lines = check(tmp_path, page_md=f"Write\n{text}.\n")
    assert code == 1
    assert lines[0] == 'page.md:2: “one\'s own”: say custom, or "your"'


def test_docstrings_and_help_texts_are_read(tmp_path: Path) -> None:
    source = f'''"""Module, anew."""
import click
LIMIT = 3
"""An attribute, anew."""


class Policy:
    """Class.

    Args:
        width: {" ".join(["word"] * 20)}
            {" ".join(["word"] * 10)}
        depth: {" ".join(["word"] * 20)}

    Example::

        begin anew
    """

    def act(self):
        """Function, anew."""
        return "a string begins anew"  # and a comment anew


@click.option("--width", help="Start anew.")
@click.option("--depth", help="Say " f"it {{LIMIT}} times, " + "anew.")
def command():
    """Command.

    \\b
    {LONG}
    """
'''
    code, lines = check(tmp_path, part_py=source)
    assert code == 1
    assert [line.partition(": ")[0] for line in lines[:-1]] == [f"part.py:{n}" for n in (1, 4, 21, 25, 26)]


def test_only_the_named_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("anew")
    (tmp_path / "page.md").write_text("fine")
    done = subprocess.run([sys.executable, ROOT / ".ci/prose", tmp_path / "page.md"], capture_output=True)
    assert done.returncode == 0
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/prose", tmp_path / "none.md"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "there is no file" in done.stderr


def test_the_glossary_passes_its_own_check() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/prose", ROOT / "docs/glossary.md"], capture_output=True
    )
    assert done.returncode == 0
