"""The command as a whole: help, version, start-up, exit codes, one line for an error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import wideseek_env
from wideseek_env.cli.app import COMMANDS, app

Call = Callable[..., Result]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found += commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return found


def test_version(call: Call) -> None:
    assert wideseek_env.__version__ in call("--version").output


@pytest.mark.parametrize("path", [(), *commands(app)], ids=" ".join)
def test_every_help_has_examples(call: Call, path: tuple[str, ...]) -> None:
    result = call(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"wideseek {' '.join(path)}".rstrip() in result.output


def test_examples_use_options_that_exist() -> None:
    by_path = {path: _command(path) for path in commands(app)}
    checked = 0
    for command in (app, *by_path.values()):
        for line in (command.help or "").split("\n"):
            words = line.split("  ")
            example = next((w.strip() for w in words if w.strip().startswith("wideseek ")), None)
            if example is None:
                continue
            parts = example.split()[1:]
            path = tuple(parts[:2]) if tuple(parts[:2]) in by_path else tuple(parts[:1])
            known = {opt for param in by_path[path].params for opt in (*param.opts, *param.secondary_opts)}
            assert {part for part in parts if part.startswith("-")} <= known, example
            checked += 1
    assert checked > 20


def _command(path: tuple[str, ...]) -> click.Command:
    command: click.Command = app
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from wideseek_env.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tantivy', 'matplotlib', 'turbohtml', 'rich', 'lxml', 'bs4', 'requests'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nonsense"], 2, "No such command"),
        (["bench", "width", "--widths", "1,two", "--out", "x"], 2, "'1,two' is not a list of whole numbers above 0"),
        (["bench", "width", "--widths", "0,1", "--out", "x"], 2, "not a list of whole numbers"),
        (["bench", "width", "--widths", "", "--out", "x"], 2, "not a list of whole numbers"),
        (["bench", "width", "--widths", "2,2", "--out", "x"], 2, "contains a number twice"),
        (["bench", "width"], 2, "Missing option '--out'"),
        (["eval", "--width", "0"], 2, "'--width'"),
        (["eval", "--rule", "width"], 2, "not of the form name=value"),
        (["eval", "--rule", "width=many"], 2, "a limit is a whole number"),
        (["eval", "--policy", "toy_team:ToyTeam", "--rule", "wdith=3"], 2, "rules have no limit 'wdith'"),
        (["eval", "--policy", "toy_team:ToyTeam", "--rule", "width=0"], 2, "width must be a whole number"),
        (["eval", "--policy", "toy_team:ToyTeam", "--rules", "mild"], 2, "no rules preset 'mild'"),
        (["eval", "--policy", "nobody"], 2, "no policy 'nobody'"),
        (["eval", "--policy", "toy_team:Nobody"], 2, "cannot be loaded"),
        (["eval", "--policy", "toy_team:ToyTeam", "--policy-arg", "x=1"], 2, "has no option 'x'; there are:"),
        (["eval", "--policy", "toy_team:ToyTeam", "--model", "m"], 2, "has no option 'model'"),
        (["eval", "--policy", "toy_team:ToyTeam", "--model", "m", "--policy-arg", "model=x"], 2, "model is given"),
        (["run", "--policy", "toy_team:ToyTeam", "--base-url", "http://x"], 2, "has no option 'base_url'"),
        (["eval", "--policy", "toy_team:ToyTeam", "--policy-arg", "x=1", "--policy-arg", "x=2"], 2, "given twice"),
        (["eval", "--policy", "toy_team:ToyTeam", "--tasks", "no.jsonl"], 1, "there is no file no.jsonl"),
        (["eval", "--policy", "toy_team:ToyTeam", "--tasks", "elsewhere"], 2, "no tasks 'elsewhere'"),
        (["eval", "--policy", "toy_team:ToyTeam", "--split", "dev"], 2, "'dev' is not one of"),
        (["eval", "--policy", "toy_team:ToyTeam", "--tasks", "hybridqa:nowhere"], 1, "no folder nowhere"),
        (["eval", "--policy", "toy_team:ToyTeam", "--by", "colour"], 2, "no task has the label 'colour' to group by"),
        (["eval", "--policy", "toy_team:ToyTeam", "--judge", "solomon"], 2, "no judge is called 'solomon'"),
        (["score", "--tasks", "synthetic", "--responses", "nowhere"], 2, "no file or folder nowhere"),
        (["score", "--tasks", "no.jsonl", "--responses", "nowhere"], 1, "there is no file no.jsonl"),
        (["summary", "nowhere"], 2, "nowhere does not exist"),
        (["compare", "nowhere"], 2, "give at least two runs"),
        (["compare", "nowhere", "nowhere"], 2, "nowhere does not exist"),
        (["corpus", "build", "nowhere", "--out", "x"], 1, "there is no file or folder nowhere"),
        (["corpus", "search", "nowhere", "x"], 1, "there is no corpus folder nowhere"),
        (["tasks", "show", "nowhere.jsonl"], 1, "there is no file nowhere.jsonl"),
        (["tasks", "build", "elsewhere", "--out", "x.jsonl"], 2, "no world 'elsewhere'"),
        (["tasks", "build", "synthetic", "--out", "x.csv"], 2, "must end with .jsonl"),
    ],
)  # fmt: skip
def test_mistakes_give_one_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stdout == ""
    assert len([line for line in result.stderr.split("\n") if line.startswith("Error: ")]) == 1
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def announce(monkeypatch: pytest.MonkeyPatch, **commands: str) -> None:
    points = [EntryPoint(name, value, COMMANDS) for name, value in commands.items()]
    monkeypatch.setattr(
        "wideseek_env.cli.app.entry_points", lambda *, group: points if group == COMMANDS else []
    )


def test_commands_of_other_packages_are_listed_and_called(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(monkeypatch, greet="test_cli_main:greet", eval="test_cli_main:greet")
    assert ["greet", "Say", "hello."] in [line.split() for line in call("--help").output.split("\n")]
    assert call("greet").output == "hello\n"
    assert "Evaluate a policy on tasks" in call("eval", "--help").output, "a plug-in replaced a command"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such_module:x", "No module named"),
        ("test_cli_main:COMMANDS", "is not a click command"),
        ("test_cli_main:nobody", "cannot be loaded"),
    ],
)
def test_a_broken_command_of_another_package_says_so_and_harms_nothing(
    call: Call, monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    announce(monkeypatch, theirs=value)
    assert "(cannot be loaded)" in call("--help").output
    result = call("theirs", "--any", "thing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert value in result.stderr


@click.command(short_help="Say hello.")
def greet() -> None:
    click.echo("hello")


def test_tasks_without_a_corpus(call: Call, world: Path) -> None:
    result = call("eval", "--tasks", world / "tasks.jsonl", "--policy", "toy_team:ToyTeam")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: these tasks come without a corpus: name one with --corpus, such as --corpus synthetic or a folder\n",
    )


def test_a_traceback_on_request() -> None:
    result = CliRunner().invoke(app, ["--traceback", "corpus", "search", "nowhere", "x"])
    assert isinstance(result.exception, wideseek_env.errors.CorpusError)


def test_files_that_cannot_be_written_give_one_line(call: Call, towns: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = call("eval", *towns, "--limit", 1, "--out", tmp_path / "file" / "run")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output


def test_ctrl_c_ends_with_130(call: Call, towns: list[str]) -> None:
    result = call("run", *towns, "--policy-arg", "interrupt_after=0")
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("name", ["nano", "rollout", "train"])
def test_commands_of_the_baselines_say_how_to_install_them(
    call: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    announce(monkeypatch)
    result = call(name, "--any", "thing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is in the baselines; in the source folder, run: pip install -e baselines" in result.stderr


def test_a_file_without_json_lines_is_refused_with_what_to_give(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# Title\n")
    result = call("summary", str(file))
    assert result.exit_code == 1
    assert "README.md:1: this is not JSON Lines" in result.stderr
    assert "give a run folder or a file of records" in result.stderr
