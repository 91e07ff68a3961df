"""`wideseek serve mcp` and `wideseek serve agents`: what is wrong is said in a line, before anything is served."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from wideseek_env.cli.app import app

WORLD = ["--tasks", "synthetic:seed=3,pages=400"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mcp", "--role", "single", "--subtask", "x"], "--subtask needs the seat or role subagent"),
        (["mcp", "--role", "lead", *WORLD, "--task", "nope"], "has no task 'nope'"),
        (["mcp", "--role", "lead", *WORLD, "--policy", "nope"], "no policy 'nope'"),
        (["mcp", "--role", "lead", "--tasks", "nope.jsonl"], "there is no file nope.jsonl"),
        (["agents", *WORLD, "--require-key"], "WIDESEEK_SERVE_KEY"),
        (["agents", *WORLD, "--host", "198.51.100.1", "--port", "0"], "cannot serve at 198.51.100.1"),
    ],
)
def test_wrong_settings(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("mcp_types")
    monkeypatch.delenv("WIDESEEK_SERVE_KEY", raising=False)
    done = CliRunner().invoke(app, ["serve", *arguments])
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "missing", "extra"), [("mcp", "mcp_types", "mcp"), ("agents", "fastapi", "serve")]
)
def test_a_missing_package_is_named(command: str, missing: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['wideseek', 'serve', {command!r}]; "
        "from wideseek_env.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f'pip install -e ".[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_corpus_needs_no_subcommand() -> None:
    done = CliRunner().invoke(app, ["serve", "no-such-corpus", "--port", "0"])
    assert done.exit_code != 0
    assert "no-such-corpus" in done.stderr
    listed = CliRunner().invoke(app, ["serve", "--help"]).output
    assert all(f"\n  {name} " in listed for name in ("corpus", "mcp", "agents"))
