"""`wideseek tasks build hybridqa` and `wideseek tasks stats`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hybridqa_data import write_jsonl
from tasks.hybridqa.wide.wide_data import everything, passages

from wideseek_env.cli.app import app
from wideseek_env.cli.hybridqa import broad_share
from wideseek_env.corpus.hybridqa import build_hybridqa
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import ConfigError
from wideseek_env.tasks.jsonl import load_tasks
from wideseek_env.tasks.statistics import count_tasks


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def built(small: Path, small_corpus: StoredCorpus, tmp_path: Path) -> Path:
    out = tmp_path / "sub" / "t.jsonl.gz"
    result = call(
        "tasks", "build", "hybridqa", "--data", small, "--corpus", small_corpus.path, "--out", out,
        "--mix", "hybrid", "--seed", 3, "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "from 3 tables" in result.stdout
    return out


def test_both_spellings_give_the_same_file(
    built: Path, small: Path, small_corpus: StoredCorpus, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl.gz"
    result = call(
        "tasks", "build", f"hybridqa:{small}", "--corpus", small_corpus.path, "--out", other, "--mix",
        "broad=1,depth=1", "--seed", 3, "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert other.read_bytes() == built.read_bytes()
    assert len(load_tasks(built)) > 4


def test_statistics_and_a_picture(built: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "t.png"
    result = call("tasks", "stats", built, "--plot", picture)
    assert result.exit_code == 0, result.output
    report = json.loads((built.parent / "t.report.json").read_text())
    assert "broad proposed" in result.stdout
    assert str(report["proposed"]["broad"]) in result.stdout
    assert "list found" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_counting(built: Path) -> None:
    tasks = load_tasks(built)
    counts = count_tasks(tasks)
    assert counts.tasks == len(tasks)
    assert counts.broad == sum(counts.rows.values()) == sum(counts.selection.values())
    assert counts.said["kind"]["depth"] == counts.tasks - counts.broad
    assert sum(counts.rank.values()) == counts.tasks
    assert counts.tables == len({task.meta["table"] for task in tasks})


def test_one_task_a_table_as_before(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"

    def tasks_of(split: str) -> str:
        return call("tasks", "stats", f"hybridqa:{small}", "--split", split).stdout

    split = next(name for name in ("train", "test", "validation") if "0 of" not in tasks_of(name))
    result = call("tasks", "build", f"hybridqa:{small}", "--one-a-table", "--split", split, "--out", out)
    assert result.exit_code == 0, result.output
    assert all(task.id == f"hybridqa/{task.meta['table']}" for task in load_tasks(out))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mix", "wide"], "unknown mix 'wide'"),
        (["--llm", "http://127.0.0.1:1/v1"], "--llm needs --llm-model"),
        (["--llm-model", "m"], "need --llm URL"),
    ],
)
def test_wrong_options(
    small: Path, small_corpus: StoredCorpus, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = call(
        "tasks", "build", "hybridqa", "--data", small, "--corpus", small_corpus.path, "--out", tmp_path / "t.jsonl",
        *arguments,
    )  # fmt: skip
    assert result.exit_code == 2
    assert message in result.stderr


def test_options_of_hybridqa_are_for_hybridqa(tmp_path: Path) -> None:
    result = call("tasks", "build", "synthetic", "--mix", "depth", "--out", tmp_path / "t.jsonl")
    assert result.exit_code == 2
    assert "--mix works only for hybridqa" in result.stderr


def test_mixes() -> None:
    assert [broad_share(name) for name in ("width", "depth", "hybrid")] == [1.0, 0.0, 0.5]
    assert broad_share("broad=0.8,depth=0.2") == pytest.approx(0.8)
    assert broad_share("broad=3, depth=1") == 0.75
    for wrong in ("broad=0", "broad", "broad=1,broad=1", "x=1"):
        with pytest.raises(ConfigError, match="unknown mix"):
            broad_share(wrong)


def test_wide_tasks_and_mixtures(tmp_path: Path) -> None:
    tables = everything()
    data = write_jsonl(tmp_path / "data", tables, passages(tables))
    build_hybridqa(data, tmp_path / "corpus").close()
    common = ("--corpus", tmp_path / "corpus", "--workers", 1)
    out = tmp_path / "wide.jsonl"
    result = call("tasks", "build", f"hybridqa:{data}", "--mode", "wide", "--out", out, *common)
    assert result.exit_code == 0, result.output
    tasks = list(load_tasks(out))
    assert f"{len(tasks)} wide tasks" in result.stdout
    assert {task.meta["mode"] for task in tasks} == {"wide"}
    shown = call("tasks", "stats", out)
    assert "pages of lists" in shown.stdout
    assert "lists that belong together" in shown.stdout
    assert "wide proposed" in shown.stdout
    mixed = tmp_path / "mixed.jsonl"
    arguments = (
        "tasks",
        "build",
        f"hybridqa:{data}",
        "--mode",
        "wide",
        "--mix",
        "wide=1,table=1",
        "--out",
        mixed,
    )
    result = call(*arguments, *common)
    assert result.exit_code == 0, result.output
    modes = [task.meta["mode"] for task in load_tasks(mixed)]
    assert modes.count("wide") == modes.count("table") == len(modes) / 2
    for wrong, message in (
        (("--least-rows", 30), "wide tasks have 21 to 200 rows"),
        (("--llm", "http://127.0.0.1:9", "--llm-model", "m"), "--llm does not work with --mode wide"),
        (("--mix", "broad=1"), "with --mode wide use wide, hybrid"),
    ):
        result = call(
            "tasks", "build", f"hybridqa:{data}", "--mode", "wide", "--out", tmp_path / "x.jsonl", *wrong
        )
        assert result.exit_code
        assert message in " ".join(result.output.split())


def test_one_mode_alone(small: Path, small_corpus: StoredCorpus, tmp_path: Path) -> None:
    for mode in ("pages", "table"):
        out = tmp_path / f"{mode}.jsonl"
        result = call(
            "tasks", "build", f"hybridqa:{small}", "--corpus", small_corpus.path, "--mode", mode, "--out", out,
            "--workers", 1,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert {task.meta["mode"] for task in load_tasks(out)} == {mode}
