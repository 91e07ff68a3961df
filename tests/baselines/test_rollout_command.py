"""`wideseek rollout`: groups of episodes into a file, and on from there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wideseek_baselines.rollout.store import load_rollouts
from wideseek_baselines.rollout_cli import rollout
from wideseek_env import GameConfig
from wideseek_env.cli.app import app
from wideseek_env.errors import WideSeekError
from wideseek_env.task import ColumnSpec
from wideseek_env.tasks.jsonl import save_tasks
from wideseek_env.trajectory import load_trajectories

COMMON = [
    "--policy",
    "ray_team:Team",
    "--rules",
    "width-benchmark",
    "--width",
    "2",
    "--policy-arg",
    "seconds=0.001",
]


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(rollout, [*COMMON, *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_task_is_played_as_often_as_the_group_is_large(tmp_path: Path) -> None:
    out, messages = tmp_path / "rollouts.jsonl.gz", tmp_path / "messages.jsonl"
    result = call(
        "--limit", 2, "--group", 3, "--out", out, "--trajectories", messages, "--policy-arg", "takes=tokens"
    )
    assert "6 episodes (0 failed)" in result.output
    rollouts = load_rollouts(out)
    assert Counter(each.group for each in rollouts) == dict.fromkeys({each.task_id for each in rollouts}, 3)
    assert len({each.task_id for each in rollouts}) == 2
    assert all(each.trainable and each.tokens > 100 for each in rollouts)
    assert len({each.seed for each in rollouts}) == 6
    assert {t.task.id: t.score.f1_by_item for t in load_trajectories(messages)} == {
        each.task_id: each.score["item_f1"] for each in rollouts
    }


def test_a_file_that_is_there_is_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "rollouts.jsonl"
    call("--limit", 1, "--group", 2, "--out", out)
    result = call("--limit", 2, "--group", 3, "--out", out)
    assert "4 episodes" in result.output
    pairs = [(each.task_id, each.trial) for each in load_rollouts(out)]
    assert len(pairs) == len(set(pairs)) == 6
    assert "0 episodes" in call("--limit", 2, "--group", 3, "--out", out).output


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow: pip install -e 'baselines[parquet]'")
    call("--limit", 1, "--group", 2, "--out", tmp_path / "a.parquet", "--policy-arg", "takes=tokens")
    assert [each.trial for each in sorted(load_rollouts(tmp_path / "a.parquet"), key=lambda r: r.trial)] == [
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "a.csv"], "name the file of rollouts"),
        (
            ["--out", "a.jsonl", "--policy", "scripted"],
            "has no language model, so its episodes have no tokens",
        ),
        (["--out", "a.jsonl", "--tasks", "elsewhere"], "no tasks 'elsewhere'"),
        (["--out", "a.jsonl", "--where", "rows>=1000"], "no task"),
    ],
)
def test_mistakes_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WideSeekError, match=told):
        call(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_policy_without_an_engine_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(rollout, ["--policy", "scripted", "--out", str(tmp_path / "a.jsonl")])
    assert "has no language model, so its episodes have no tokens" in str(result.exception)
    assert "use --policy vllm, transformers or openai" in str(result.exception)


def test_it_is_a_command_of_wideseek() -> None:
    assert "Record episodes of a language model" in CliRunner().invoke(app, ["--help"]).output


def test_rollouts_without_a_model_as_the_judge_warn_once(tmp_path: Path) -> None:
    world = GameConfig(limit=1).open_tasks()
    judged = [replace(t, specs=dict.fromkeys(t.columns[-1:], ColumnSpec(("llm_judge",)))) for t in world]
    save_tasks(judged, tmp_path / "tasks.jsonl")
    words = ["rollout", *COMMON, "--tasks", tmp_path / "tasks.jsonl", "--corpus", "synthetic", "--group", 2]
    for judge, count in (("offline", 1), ("openai:m@http://127.0.0.1:9/v1", 0)):
        out = tmp_path / f"{count}.jsonl"
        result = CliRunner().invoke(app, [*map(str, words), "--out", str(out), "--judge", judge])
        assert result.exit_code == 0, result.output
        assert result.stderr.count("of the cells are for a model to judge") == count
