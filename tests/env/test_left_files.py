"""What killed processes leave is removed by the next run, and the same command ends well after a kill anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wideseek_env.cli.app import app
from wideseek_env.corpus.folders import LOCK, MANIFEST, building
from wideseek_env.errors import ConfigError, CorpusError
from wideseek_env.files import unfinished, write_whole
from wideseek_env.tasks.hybridqa.stages import STAGES, StageFolder, StageSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


@pytest.mark.parametrize("name", ["a.json", "card.json", "0001.jsonl", "ü.csv", "x y.txt", ".hidden"])
def test_temporary_files_of_dead_processes_are_removed(tmp_path: Path, name: str) -> None:
    left = tmp_path / f".{name}.{dead_process()}.tmp"
    others = [
        tmp_path / f".{name}.{os.getppid()}.tmp",  # of a running process
        tmp_path / f".other-{name}.{dead_process()}.tmp",  # for another file
        tmp_path / f"{name}.tmp",
    ]
    for file in (left, *others):
        file.write_text("half")
    write_whole(tmp_path / name, "whole")
    assert not left.exists()
    assert all(file.exists() for file in others)
    assert (tmp_path / name).read_text() == "whole"


def test_the_mark_of_an_unfinished_command(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with unfinished(out, ["a", 1]) as again:
        assert not again
        mark = (tmp_path / ".out.jsonl.unfinished").read_bytes()
        out.write_text("made")
    assert list(tmp_path.iterdir()) == [out]
    with unfinished(out, ["a", 1]) as again:  # ended: not again
        assert not again
        assert list(tmp_path.iterdir()) == [out]
    (tmp_path / ".out.jsonl.unfinished").write_bytes(mark)  # as a kill leaves it
    with unfinished(out, ["a", 2]) as again:
        assert not again
    assert (tmp_path / ".out.jsonl.unfinished").exists()
    with unfinished(out, ["a", 1]) as again:
        assert again
    assert list(tmp_path.iterdir()) == [out]


KILLED = """
import os, signal, sys
import wideseek_env.files
from wideseek_env.cli.app import app
replace = os.replace

def killed(source, target):
    replace(source, target)
    if os.path.basename(target) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = killed
app.main(sys.argv[2:], standalone_mode=False)
"""


@pytest.mark.parametrize("kind", ["tasks", "corpus"])
def test_the_same_command_after_a_kill_right_after_the_last_renaming(tmp_path: Path, kind: str) -> None:
    pages = tmp_path / "pages.jsonl"
    pages.write_text('{"url": "https://a.example/", "title": "A", "text": "about a"}\n')
    out = tmp_path / ("t.jsonl" if kind == "tasks" else "c")
    command = {
        "tasks": ["tasks", "build", "synthetic:seed=3,pages=400", "--count", "3", "--out", str(out)],
        "corpus": ["corpus", "build", str(pages), "--out", str(out)],
    }[kind]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, out.name, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr
    assert out.exists()
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0, again.output
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"pages.jsonl", out.name})
    assert not (out / LOCK).exists()
    assert CliRunner().invoke(app, command).exit_code != 0  # a finished result is not replaced


def test_a_build_that_was_killed_after_its_renaming_is_built_again(tmp_path: Path) -> None:
    path = tmp_path / "c"

    def build(text: str) -> None:
        with building(path, overwrite=False) as folder:
            (folder / MANIFEST).write_text(text)

    build("1")
    with pytest.raises(CorpusError, match="exists already"):
        build("2")
    (path / LOCK).touch()
    build("3")
    assert (path / MANIFEST).read_text() == "3"
    assert [each.name for each in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("left", [[], STAGES[:1], STAGES, [".settings.json.99999.tmp"]])
def test_stages_that_were_killed_before_their_settings(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        path = tmp_path / "s" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("") if name.startswith(".") else path.mkdir()
    StageFolder(tmp_path / "s").begin(StageSettings("c", 0, 5, 0.25, 1))
    (tmp_path / "other" / "1-queries").mkdir(parents=True)
    (tmp_path / "other" / "1-queries" / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="not a folder of stages"):
        StageFolder(tmp_path / "other").begin(StageSettings("c", 0, 5, 0.25, 1))
