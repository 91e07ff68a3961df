"""What the tests of the command line share: a small world in files, and a way to call commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toy_team import town_task, write_pages

from wideseek_env.cli.app import app
from wideseek_env.tasks.jsonl import save_tasks


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tasks.jsonl, pages/ and a corpus of them in corpus/."""
    folder = tmp_path_factory.mktemp("world")
    save_tasks([town_task(number) for number in range(4)], folder / "tasks.jsonl")
    write_pages(folder / "pages")
    result = CliRunner().invoke(
        app, ["corpus", "build", str(folder / "pages"), "--out", str(folder / "corpus")]
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def towns(world: Path) -> list[str]:
    """The options that play the toy team on the small world."""
    return [
        "--tasks",
        str(world / "tasks.jsonl"),
        "--corpus",
        str(world / "corpus"),
        "--policy",
        "toy_team:ToyTeam",
    ]


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed is laid out for a terminal of a known width, whatever the tests run in."""
    monkeypatch.setenv("COLUMNS", "220")


@pytest.fixture(scope="session")
def call() -> Callable[..., Result]:
    """Runs a command; an exception that is no exit is raised."""

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
