"""`eval` with trials, `score`, `summary` and `compare`: what is printed and what goes to files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from toy_team import TIGHT, town_task

from wideseek_env.scoring import OfflineJudge
from wideseek_env.scoring.judging import RecordingJudge
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.jsonl import load_tasks, save_tasks

Call = Callable[..., Result]


def lines(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.split("\n") if line.strip()]


def half(task: Task) -> str:
    assert task.gold is not None
    return Table(task.gold.header, task.gold.rows[:4]).to_markdown()


@pytest.fixture
def responses(world: Path, tmp_path: Path) -> Path:
    """Whole and half answers to the first two of the tasks, two trials each."""
    path = tmp_path / "responses.jsonl"
    with open(path, "w") as file:
        for task in list(load_tasks(world / "tasks.jsonl"))[:2]:
            assert task.gold is not None
            for text in (task.gold.to_markdown(), half(task)):
                file.write(json.dumps({"task_id": task.id, "response": text}) + "\n")
    return path


# --- eval ----------------------------------------------------------------------------------------------------------


def test_eval_shows_trials_and_parts(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = call("eval", *towns, "--width", 2, "--trials", 3, "--by", "source", "--out", out, *TIGHT)
    assert result.exit_code == 0
    shown = lines(result)
    assert ["avg@3", "95", "%", "max@3", "95", "%", "min@3", "95", "%"] in shown
    assert ["item-F1", "66.7", "66.7–66.7", "66.7", "66.7–66.7", "66.7", "66.7–66.7"] in shown
    assert ["pass@k", "1:", "0.0", "2:", "0.0", "3:", "0.0"] in shown
    assert ["toy", "4", "66.7"] in [line[:3] for line in shown]
    written = json.loads((out / "summary.json").read_text())
    assert list(written["by"]) == ["source"]
    assert written["metrics"]["f1_by_item"]["max"] == pytest.approx(2 / 3)


def test_more_trials_are_added_to_a_run(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    call("eval", *towns, "--limit", 2, "--out", out)
    more = call("eval", *towns, "--limit", 3, "--trials", 2, "--out", out)
    assert more.exit_code == 0
    assert json.loads((out / "summary.json").read_text())["episodes"] == 6
    fewer = call("eval", *towns, "--limit", 3, "--out", out)
    assert (fewer.exit_code, "trials: 2 → 1" in fewer.stderr) == (2, True)


def test_a_run_with_another_judge_is_another_run(call: Call, towns: list[str], tmp_path: Path) -> None:
    RecordingJudge(OfflineJudge(), tmp_path / "verdicts.jsonl")
    recorded = f"recorded:{tmp_path / 'verdicts.jsonl'}"
    assert call("eval", *towns, "--judge", "offline", "--out", tmp_path / "run").exit_code == 0
    assert call("eval", *towns, "--out", tmp_path / "run").exit_code == 0  # offline is the default
    refused = call("eval", *towns, "--judge", recorded, "--out", tmp_path / "run")
    assert (refused.exit_code, "judge: None → " in refused.stderr) == (2, True)


# --- summary -------------------------------------------------------------------------------------------------------


def test_summary_of_a_run(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    played = call("eval", *towns, "--trials", 2, "--seed", 3, "--out", out)
    again = call("summary", out)
    assert again.exit_code == 0
    assert again.stdout == played.stdout
    as_json = json.loads(call("summary", out, "--format", "json", "--by", "rows").stdout)
    assert list(as_json.pop("by")["rows"]) == ["8"]
    written = json.loads((out / "summary.json").read_text())
    written.pop("by")
    assert as_json == written
    assert call("summary", out / "trajectories.jsonl", "--seed", 3).stdout == played.stdout
    assert "no task has the label 'colour'" in call("summary", out, "--by", "colour").stderr


def test_the_benchmarks_summary_file(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    call("eval", *towns, "--trials", 2, "--out", out)
    plain = json.loads(call("summary", out, "--format", "benchmark").stdout)
    assert list(plain) == [
        "score", "precision_by_row", "recall_by_row", "f1_by_row", "precision_by_item", "recall_by_item", "f1_by_item",
    ]  # fmt: skip
    assert plain["score"] == {"avg_n": 1.0, "max_n": 1.0, "min_n": 1.0}


def test_a_run_under_way_says_what_is_missing(call: Call, towns: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    call("eval", *towns, "--trials", 2, "--out", out, "--policy-arg", "interrupt_after=5")
    result = call("summary", out)
    assert "3 of 4 tasks have fewer than 2 trials so far." in result.stdout
    refused = call("summary", out, "--format", "benchmark")
    assert (refused.exit_code, "3 of 4 tasks have fewer than 2 trials" in refused.stderr) == (2, True)


# --- score ---------------------------------------------------------------------------------------------------------


def test_score_answers_made_elsewhere(call: Call, world: Path, responses: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    result = call("score", "--tasks", world / "tasks.jsonl", "--responses", responses, "--out", out)
    assert result.exit_code == 0
    shown = lines(result)
    assert ["responses", "8", "4", "tasks"] in shown
    assert ["answered", "50.0", "4", "answered,", "4", "missing"] in shown
    assert ["item-F1", "41.7"] in [line[:2] for line in shown]
    assert "turns" not in result.stdout
    assert "4 tasks and trials have no response and count with score 0." in result.stderr
    assert len((out / "scores.jsonl").read_text().splitlines()) == 8
    assert call("summary", out).stdout == result.stdout
    refused = call("score", "--tasks", world / "tasks.jsonl", "--responses", responses, "--out", out)
    assert (refused.exit_code, "already contains scores" in refused.stderr) == (2, True)


def test_score_only_what_is_there(call: Call, world: Path, responses: Path) -> None:
    arguments = ["--tasks", world / "tasks.jsonl", "--responses", responses]
    result = call("score", *arguments, "--missing", "skip", "--trials", 1, "--format", "json")
    summary = json.loads(result.stdout)
    assert (summary["episodes"], summary["item_f1"], summary["success"]) == (2, 1.0, 1.0)
    assert "2 tasks and trials have no response and are left out." in result.stderr


def test_strict_scores(call: Call, world: Path, tmp_path: Path) -> None:
    task = town_task(0)
    assert task.gold is not None
    more = Table((*task.gold.header, "Note"), tuple((*row, "x") for row in task.gold.rows)).to_markdown()
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"task_id": task.id, "response": f"```markdown\n{more}\n```"}))
    arguments = [
        "--tasks",
        world / "tasks.jsonl",
        "--responses",
        path,
        "--missing",
        "skip",
        "--format",
        "benchmark",
    ]
    assert json.loads(call("score", *arguments).stdout)["f1_by_item"]["avg_n"] == 1.0
    assert json.loads(call("score", *arguments, "--strict").stdout)["f1_by_item"]["avg_n"] == 0.0


def test_the_benchmarks_own_files(call: Call, tmp_path: Path) -> None:
    tasks, output = tmp_path / "WideSearch", tmp_path / "output"
    (tasks / "widesearch_gold").mkdir(parents=True)
    output.mkdir()
    evaluation = {
        "unique_columns": ["town"], "required": ["town", "population"],
        "eval_pipeline": {
            "population": {"preprocess": ["extract_number"], "metric": ["number_near"], "criterion": 0.1},
        },
    }  # fmt: skip
    row = {
        "instance_id": "ws_en_001",
        "query": "Towns?",
        "evaluation": json.dumps(evaluation),
        "language": "en",
    }
    (tasks / "widesearch.jsonl").write_text(json.dumps(row) + "\n")
    (tasks / "widesearch_gold" / "ws_en_001.csv").write_text("Town,Population\nElm,1000\nFir,2000\n")
    for trial, cell in enumerate(("2100", "3000")):
        text = f"```markdown\n| Town | Population |\n|---|---|\n| Elm | 1,000 |\n| Fir | {cell} |\n```"
        line = {"instance_id": "ws_en_001", "response": text, "messages": [], "trial_idx": trial}
        (output / f"a_model_ws_en_001_{trial}_response.jsonl").write_text(json.dumps(line) + "\n")
    for source in (tasks, tasks / "widesearch.jsonl"):
        result = call("score", "--tasks", source, "--responses", output, "--strict", "--format", "benchmark")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["f1_by_item"] == {"avg_n": 0.875, "max_n": 1.0, "min_n": 0.75}
    elsewhere = tmp_path / "gold"
    (tasks / "widesearch_gold").rename(elsewhere)
    moved = call("score", "--tasks", tasks / "widesearch.jsonl", "--gold", elsewhere, "--responses", output)
    assert moved.exit_code == 0, moved.stderr


def test_a_recorded_run_is_scored_anew(call: Call, towns: list[str], world: Path, tmp_path: Path) -> None:
    call("eval", *towns, "--out", tmp_path / "run", "--width", 2, *TIGHT)
    again = call(
        "score", "--tasks", world / "tasks.jsonl", "--responses", tmp_path / "run", "--format", "json"
    )
    assert json.loads(again.stdout)["item_f1"] == pytest.approx(2 / 3)


# --- compare -------------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(call: Call, towns: list[str], tmp_path: Path) -> list[Path]:
    """The towns at widths 1, 2 and 4."""
    for width in (1, 2, 4):
        call("eval", *towns, "--width", width, "--out", tmp_path / f"w{width}", *TIGHT)
    return [tmp_path / f"w{width}" for width in (1, 2, 4)]


def test_compare_runs_with_the_first(call: Call, runs: list[Path]) -> None:
    result = call("compare", *runs, "--top", 2)
    assert result.exit_code == 0
    shown = lines(result)
    items = [line for line in shown if line[0] == "item-F1"]
    assert [line[1:4] for line in items] == [["40.0", "66.7", "+26.7"], ["40.0", "100.0", "+60.0"]]
    assert [line[-4:] for line in items] == [["0.125", "4", "0", "0"]] * 2
    assert "differ  rules.width: 1 → 4" in result.stdout
    assert [line[0] for line in shown if line[0].startswith("towns-")] == ["towns-0", "towns-1"] * 2


def test_compare_as_json(call: Call, runs: list[Path]) -> None:
    found = json.loads(call("compare", *runs[:2], "--format", "json", "--metric", "score").stdout)
    assert [each["tasks"] for each in found] == [4]
    assert found[0]["metrics"]["turns"]["difference"] > 0
    assert found[0]["changes"] == []


def test_runs_over_other_tasks_are_not_compared(
    call: Call, towns: list[str], runs: list[Path], tmp_path: Path
) -> None:
    tasks = Path(towns[1])
    changed = tmp_path / "tasks.jsonl"
    changed.write_text(tasks.read_text().replace('"1148"', '"1149"'))
    other = [changed if word == str(tasks) else word for word in towns]
    assert call("eval", *other, "--out", tmp_path / "other").exit_code == 0
    refused = call("compare", runs[0], tmp_path / "other")
    assert refused.exit_code == 2
    assert "did not run on the same tasks: 4 of 4 tasks" in refused.stderr
    unknown = call("compare", *runs, "--metric", "speed")
    assert (unknown.exit_code, "unknown metric 'speed'" in unknown.stderr) == (2, True)


def test_compare_a_run_with_answers_made_elsewhere(
    call: Call, world: Path, responses: Path, runs: list[Path], tmp_path: Path
) -> None:
    call(
        "score",
        "--tasks",
        world / "tasks.jsonl",
        "--responses",
        responses,
        "--missing",
        "skip",
        "--out",
        tmp_path / "s",
    )
    result = call("compare", runs[0], tmp_path / "s")
    assert result.exit_code == 0
    assert "tasks   2 in both, 2 only in the first" in result.stdout
    assert "Note: the runs have 1 and 2 trials per task" in result.stdout
    assert "critical path" not in result.stdout


@pytest.fixture
def judged(world: Path, tmp_path: Path) -> Path:
    """The tasks of the world, where a model should judge the populations."""
    path = tmp_path / "judged.jsonl"
    tasks = load_tasks(world / "tasks.jsonl")
    save_tasks([replace(t, specs={"Population": ColumnSpec(("llm_judge",))}) for t in tasks], path)
    return path


def test_every_command_that_scores_warns_once_without_a_model(
    call: Call, judged: Path, world: Path, tmp_path: Path
) -> None:
    played = ["--tasks", judged, "--corpus", world / "corpus", "--policy", "toy_team:ToyTeam", "--limit", 2]
    commands = {
        "eval": ["eval", *played, "--out", tmp_path / "run"],
        "run": ["run", *played, "--render", "none"],
        "width": ["bench", "width", *played, "--widths", "1,2", "--out", tmp_path / "wide"],
        "depth": ["bench", "depth", *played, "--turns", "2,3", "--out", tmp_path / "deep"],
        "score": ["score", "--tasks", judged, "--responses", tmp_path / "run"],
    }
    for name, words in commands.items():
        result = call(*words)
        assert result.exit_code == 0, result.output
        warned = [line for line in result.stderr.split("\n") if line.startswith("Warning:")]
        assert len(warned) == 1, name
        assert warned[0].startswith("Warning: 50.0 % of the cells are for a model to judge"), name
        assert "offline-2" in warned[0]
        assert "--judge openai:MODEL@URL" in warned[0]
        if name in ("eval", "score"):
            assert "judged by rules  50.0 %" in result.stdout
        if name in ("width", "depth"):
            said = " ".join(result.stdout.split())
            assert "50.0 % of the cells are for a model to judge, but rules decided them" in said
    record = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["judging"]
    assert record == {"judge": "offline-2(threshold=0.9)", "model": False, "by_rules": 0.5}
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["by_rules"] == 0.5
    again = call("summary", tmp_path / "run")
    assert "judged by rules  50.0 %" in again.stdout


def test_a_model_as_the_judge_warns_of_nothing(call: Call, judged: Path, tmp_path: Path, world: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    tasks = list(load_tasks(judged))
    lines = [{"task_id": t.id, "response": t.gold.to_markdown() if t.gold else ""} for t in tasks]
    answers.write_text("\n".join(map(json.dumps, lines)))
    judge = "openai:m@http://127.0.0.1:9/v1"  # it is not asked: all cells are equal
    result = call("score", "--tasks", judged, "--responses", answers, "--judge", judge)
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.stderr
    assert "judged by rules" not in result.stdout
    plain = call("score", "--tasks", world / "tasks.jsonl", "--responses", answers)
    assert "Warning" not in plain.stderr
