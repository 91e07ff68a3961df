"""Which source files belong to a part, and what versions a record has."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

from wideseek_env.provenance.code import code_of, modules_of, modules_of_name
from wideseek_env.provenance.inputs import hub_folder
from wideseek_env.provenance.versions import versions


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_files_of_a_package_that_a_part_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    write(
        tmp_path,
        provpack__sub__part="from ..near import a\nfrom . import other\nimport numpy, json, provalone\n"
        "def f():\n    import provpack.late\n    __import__('provpack.named')\n",
        provpack__sub__other="x = 1",
        provpack__near="from provpack.far import *",
        provpack__far="import provpack.near  # a circle",
        provpack__late="",
        provpack__named="",
        provpack__unused="",
        provalone="import wideseek_env\nimport yaml_is_not_there\n",
        provelsewhere="",
    )
    for package in ("provpack", "provpack/sub"):
        (tmp_path / package / "__init__.py").write_text("")
    assert sorted(code_of("provpack.sub.part")) == [
        "provalone.py", "provpack/__init__.py", "provpack/far.py", "provpack/late.py", "provpack/named.py",
        "provpack/near.py", "provpack/sub/__init__.py", "provpack/sub/other.py", "provpack/sub/part.py",
    ]  # fmt: skip
    assert "provpack" not in sys.modules  # nothing was imported


@pytest.mark.parametrize(
    "text",
    ["def broken(:", "\0", "import", "x = '\ud800'".encode("utf-8", "surrogatepass").decode("latin-1")],
)
def test_a_file_that_cannot_be_parsed_still_has_a_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "provbroken.py").write_text(text)
    assert list(code_of("provbroken")) == ["provbroken.py"]


def test_installed_packages_and_this_project_are_no_custom_code() -> None:
    assert (
        code_of("wideseek_env.rewards")
        == code_of("json")
        == code_of("no_such_module_at_all")
        == code_of()
        == {}
    )
    assert "numpy/__init__.py" not in code_of("toy_team")
    assert "toy_team.py" in code_of("toy_team")
    for name in (
        "item_f1",
        "synthetic:seed=1",
        "live:serper",
        "openai:m@http://x",
        "a folder/x",
        "wideseek_r1",
        "",
    ):
        assert code_of(*modules_of_name("reward", name)) == {}


def test_modules_of_live_objects() -> None:
    from toy_team import ToyTeam, town_task

    assert (
        modules_of(ToyTeam())[0]
        == modules_of(ToyTeam)[0]
        == modules_of(functools.partial(town_task, 1))[0]
        == "toy_team"
    )
    assert modules_of(ToyTeam().act)[0] == "toy_team"
    assert modules_of(None) == ()


def test_versions_are_found_without_imports() -> None:
    found = versions()
    assert {"wideseek-env", "python", "system", "numpy"} <= found.keys()
    assert all(isinstance(each, str) for each in found.values())


def test_a_model_of_the_hub_is_found_by_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert hub_folder("owner/name") is None
    place = tmp_path / "models--owner--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc\n")
    (place / "snapshots" / "abc").mkdir(parents=True)
    assert hub_folder("owner/name") == place / "snapshots" / "abc"
    assert hub_folder("../owner") is None
