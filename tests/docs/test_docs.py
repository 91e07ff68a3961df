"""The Python snippets of the README and the guides run as they stand, file by file from top to bottom. They print what
the text block below them promises.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wideseek_env.errors import MissingDependencyError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPET = re.compile(r"(?<!-->\n)^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
"""A block below a comment such as ``<!-- not run: needs the data -->`` is shown, not run."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?://|#)([^)#\s]+)|!\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", [p for p in PAGES if SNIPPET.search(p.read_text())], ids=lambda p: p.name)
def test_snippets_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "snippet"}
    text = page.read_text()
    for number, match in enumerate(SNIPPET.finditer(text)):
        capsys.readouterr()
        try:
            exec(compile(match.group(1), f"{page.name}[{number}]", "exec"), namespace)
        except MissingDependencyError as error:
            pytest.skip(str(error))
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("wideseek"):
                raise
            pytest.skip(str(error))
        if (promised := promise(text[match.end() :])) is not None:
            said = capsys.readouterr().out
            assert re.fullmatch(".*".join(map(re.escape, promised.split("…"))), said, re.DOTALL), said


def promise(below: str) -> str | None:
    """The output that the text below a snippet promises: a text block below a paragraph that ends with a colon. An
    ellipsis in it stands for any text."""
    found = re.match(
        r"\n*((?:[^`\n][^\n]*\n)*[^`\n][^\n]*:)\n\n```text\n(.*?)^```", below, re.DOTALL | re.MULTILINE
    )
    return found[2] if found else None


def test_promises_are_found() -> None:
    assert promise("\n\nIt prints\nthis:\n\n```text\na\nb\n```\n") == "a\nb\n"
    assert promise("\n\nIt runs.\n\n```text\na\n```\n") is None
    assert promise("\n\nOther. Then:\n\n```sh\na\n```\n\nIt prints:\n\n```text\na\n```\n") is None
    first = (ROOT / "README.md").read_text().partition("```python")[2].partition("```")[2]
    assert promise(first) is not None, "the README's first program has a promise"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for match in LINK.finditer(prose):
        target = match.group(1) or match.group(2)
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"
