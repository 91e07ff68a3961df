"""No command writes its results into a folder of another kind; the message says what the folder is."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from wideseek_env.cli.app import app
from wideseek_env.errors import ConfigError
from wideseek_env.provenance.kinds import NAMES, FolderKind, check_kind, kind_of

FILES: dict[FolderKind, str] = {
    "eval": "run.json", "score": "scores.jsonl", "width": "width.json", "depth": "depth.json", "suite": "suite.json",
    "train": "metrics.jsonl", "corpus": "manifest.json", "model": "config.json", "stages": "settings.json",
}  # fmt: skip


def make(folder: Path, kind: FolderKind) -> Path:
    folder.mkdir()
    (folder / FILES[kind]).write_text("{}")
    if kind == "score":
        (folder / "run.json").write_text("{}")
    if kind == "stages":
        (folder / "1-queries").mkdir()
    return folder


@pytest.mark.parametrize("kind", FILES)
def test_every_pair_of_kinds_is_refused(tmp_path: Path, kind: FolderKind) -> None:
    folder = make(tmp_path / "folder", kind)
    assert kind_of(folder) == kind
    for other in FILES:
        if other == kind:
            check_kind(folder, other)
            continue
        with pytest.raises(ConfigError) as refused:
            check_kind(folder, other)
        assert f"contains {NAMES[kind]}" in str(refused.value)
        assert NAMES[other] in str(refused.value)


def test_an_empty_folder_a_new_one_and_other_files_are_of_no_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert kind_of(tmp_path) is kind_of(tmp_path / "new") is kind_of(tmp_path / "notes.txt") is None
    check_kind(tmp_path, "eval")


WORLD = ("--tasks", "synthetic:pages=800,rows=6", "--limit", "1", "--policy", "random")


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("bench", "width", *WORLD), "eval"), (("bench", "depth", *WORLD), "eval"),
        (("bench", "width", *WORLD), "depth"),
        (("bench", "depth", *WORLD), "width"), (("bench", "width", *WORLD), "suite"), (("eval", *WORLD), "width"),
        (("eval", *WORLD), "score"), (("eval", *WORLD), "train"), (("bench", "suite"), "eval"),
        (("bench", "suite"), "depth"), (("bench", "depth", *WORLD), "score"), (("bench", "width", *WORLD), "model"),
        (("score", "--tasks", "synthetic:pages=800,rows=6", "--responses", "x.jsonl"), "eval"),
        (("score", "--tasks", "synthetic:pages=800,rows=6", "--responses", "x.jsonl"), "width"),
        (("bench", "width", *WORLD), "corpus"),
    ],
)  # fmt: skip
def test_commands_refuse_folders_of_other_kinds(
    tmp_path: Path, command: tuple[str, ...], kind: FolderKind
) -> None:
    folder = make(tmp_path / "folder", kind)
    before = sorted(path.name for path in folder.iterdir())
    result = CliRunner().invoke(app, [*command, "--out", str(folder)])
    assert result.exit_code == 2, result.output
    assert f"contains {NAMES[kind]}" in " ".join(result.output.split())
    assert sorted(path.name for path in folder.iterdir()) == before
