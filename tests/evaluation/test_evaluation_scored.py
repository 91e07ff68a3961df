"""Answers made elsewhere: reading the benchmark's files and others, scoring them, reading the scores back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_team import TOWNS, ToyTeam, town_setup, town_task

from wideseek_env.errors import ConfigError, TaskError, TrajectoryError
from wideseek_env.evaluation import (
    Response,
    RunFolder,
    benchmark_summary,
    evaluate_game,
    read_responses,
    read_run,
    score_answers,
)
from wideseek_env.evaluation.responses import Response as Answer
from wideseek_env.scoring import score_response
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.taskset import TaskSet

TASKS = TaskSet([town_task(n, size=4) for n in range(3)], "towns")


def answer(task: Task, right: int) -> str:
    """A table with the first `right` rows of the gold, fenced as the benchmark asks for."""
    assert task.gold is not None
    return f"```markdown\n{Table(task.gold.header, task.gold.rows[:right]).to_markdown()}\n```"


def benchmark_file(folder: Path, model: str, task: str, trial: int, response: Any, **more: Any) -> Path:
    """A file as the benchmark writes it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{model}_{task}_{trial}_response.jsonl"
    row = {
        "instance_id": task,
        "response": response,
        "messages": [{"role": "user"}],
        "trial_idx": trial,
        **more,
    }
    path.write_text(json.dumps(row, ensure_ascii=False))
    return path


# --- reading -------------------------------------------------------------------------------------------------------


def test_the_benchmarks_folder(tmp_path: Path) -> None:
    for trial in (0, 1):
        benchmark_file(tmp_path, "my_model_2", "ws_en_001", trial, f"answer {trial}")
    benchmark_file(tmp_path, "my_model_2", "ws_zh_010", 0, None)
    (tmp_path / "my_model_2_ws_en_001_0_eval_result.json").write_text("{}")
    found = read_responses(tmp_path)
    assert [(r.task_id, r.trial, r.text) for r in found] == [
        ("ws_en_001", 0, "answer 0"), ("ws_en_001", 1, "answer 1"), ("ws_zh_010", 0, ""),
    ]  # fmt: skip
    assert found[0].where.endswith("my_model_2_ws_en_001_0_response.jsonl:1")


def test_the_first_line_of_a_file_and_the_trial_of_its_name_count(tmp_path: Path) -> None:
    file = benchmark_file(tmp_path, "m", "a", 3, "first", trial_idx=None)
    file.write_text(file.read_text() + "\n" + json.dumps({"instance_id": "a", "response": "second"}))
    assert [(r.trial, r.text) for r in read_responses(tmp_path)] == [(3, "first")]


def test_one_of_several_models_is_chosen(tmp_path: Path) -> None:
    benchmark_file(tmp_path, "one", "a", 0, "1")
    benchmark_file(tmp_path, "two", "a", 0, "2")
    (tmp_path / "two_a_0_multi_agent_response.jsonl").write_text(
        json.dumps({"instance_id": "a", "response": "team", "trial_idx": 0})
    )
    with pytest.raises(ConfigError, match="'one', 'two', 'two_multi_agent'; choose one with model="):
        read_responses(tmp_path)
    assert [r.text for r in read_responses(tmp_path, "two")] == ["2"]
    assert [r.text for r in read_responses(tmp_path, "two_multi_agent")] == ["team"]
    with pytest.raises(ConfigError, match="no responses of 'three'"):
        read_responses(tmp_path, "three")


def test_files_with_names_of_their_own_need_a_trial(tmp_path: Path) -> None:
    path = tmp_path / "x_response.jsonl"
    path.write_text('{"instance_id": "a", "response": "r", "trial_idx": 2}')
    assert [(r.task_id, r.trial) for r in read_responses(tmp_path)] == [("a", 2)]
    path.write_text('{"instance_id": "a", "response": "r"}')
    with pytest.raises(TaskError, match=r"x_response\.jsonl:1: unknown trial; name the file MODEL_a_TRIAL"):
        read_responses(tmp_path)
    path.write_text("\n")
    with pytest.raises(TaskError, match="is empty"):
        read_responses(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_lines_with_and_without_trials(tmp_path: Path, compressed: bool) -> None:
    rows = [
        {"task_id": "a", "trial": 1, "response": "a1"},
        {"instance_id": "b", "response": "b0"},
        {"id": "b", "answer": "b1"},
        {"task_id": "a", "trial_idx": 0, "response": "a0", "more": [1]},
    ]
    data = "\ufeff\n".encode() + "\n\n".join(map(json.dumps, rows)).encode()
    path = tmp_path / ("r.jsonl.gz" if compressed else "r.jsonl")
    path.write_bytes(gzip.compress(data) if compressed else data)
    found = [(r.task_id, r.trial, r.text) for r in read_responses(path)]
    assert found == [("a", 1, "a1"), ("b", 0, "b0"), ("b", 1, "b1"), ("a", 0, "a0")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense", "r.jsonl:2: the line is not JSON"),
        ("[1]", "r.jsonl:2: the line is not a JSON object"),
        ('{"response": "x"}', r"r.jsonl:2: task_id \(or instance_id\) is missing"),
        ('{"task_id": 3, "response": "x"}', r"r.jsonl:2: task_id \(or instance_id\) is missing"),
        ('{"task_id": "b"}', "r.jsonl:2: there is no response"),
        ('{"task_id": "b", "response": ["x"]}', "r.jsonl:2: response must be text"),
        ('{"task_id": "b", "response": "x", "trial": -1}', "r.jsonl:2: trial must be a whole number"),
        ('{"task_id": "b", "response": "x", "trial": true}', "r.jsonl:2: trial must be a whole number"),
        (
            '{"task_id": "a", "response": "x", "trial": 0}',
            r"r.jsonl:2: trial 0 of task 'a' was already in .*:1",
        ),
        ('{"outcome": {}, "conversations": []}', "r.jsonl:2: not a trajectory"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"task_id": "a", "response": "x"}\n' + line + "\n")
    with pytest.raises(TaskError, match=told):
        read_responses(path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file or folder"):
        read_responses(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="has no files MODEL"):
        read_responses(tmp_path)
    (tmp_path / "r.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match="has no responses"):
        read_responses(tmp_path / "r.jsonl")
    with pytest.raises(ConfigError, match="is one file"):
        read_responses(tmp_path / "r.jsonl", "m")
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(b'{"task_id": "a", "response": "x"}')[:-9])
    with pytest.raises(TaskError, match="cannot be read"):
        read_responses(tmp_path / "r.jsonl.gz")


def test_recorded_episodes_are_responses(tmp_path: Path) -> None:
    game = town_setup(count=2, width=2)
    with RunFolder.open(tmp_path, {}) as folder:
        summary = evaluate_game(game, ToyTeam(), trials=2, folder=folder)
    for source in (tmp_path, tmp_path / "trajectories.jsonl"):
        found = read_responses(source)
        assert sorted((r.task_id, r.trial) for r in found) == [
            (f"towns-{n}", k) for n in (0, 1) for k in (0, 1)
        ]
        again = score_answers(game.tasks, found).summary
        assert again.metrics == summary.metrics


def test_an_episode_that_was_played_again_counts_once(tmp_path: Path) -> None:
    game = town_setup(count=2)
    for policy in (ToyTeam(fail_on="Birch"), ToyTeam()):
        with RunFolder.open(tmp_path, {}) as folder:
            evaluate_game(game, policy, folder=folder, keep_going=True)
    assert len((tmp_path / "trajectories.jsonl").read_text().splitlines()) == 3
    assert score_answers(game.tasks, read_responses(tmp_path)).summary.item_f1 == 1.0


# --- scoring -------------------------------------------------------------------------------------------------------


def answers(rights: Sequence[Sequence[int]]) -> list[Response]:
    return [
        Answer(task.id, trial, answer(task, right), f"r:{task.id}")
        for task, trials in zip(TASKS, rights, strict=True)
        for trial, right in enumerate(trials)
    ]


def test_figures_over_trials_are_those_of_the_benchmark() -> None:
    rights = ((4, 2), (0, 1), (4, 4))
    scored = score_answers(TASKS, answers(rights))
    assert (scored.missing, scored.unknown) == (0, 0)
    recall = [[r / 4 for r in each] for each in rights]
    metric = scored.summary.metrics["recall_by_item"]
    assert metric.avg == pytest.approx(sum(map(sum, recall)) / 6, abs=1e-9)
    assert metric.max == pytest.approx((1 + 0.25 + 1) / 3, abs=1e-9)
    assert metric.min == pytest.approx((0.5 + 0 + 1) / 3, abs=1e-9)
    assert metric.avg_low < metric.avg < metric.avg_high
    assert scored.summary.pass_at == {"1": 0.5, "2": pytest.approx(2 / 3)}
    plain = benchmark_summary(scored.accumulator.records)
    assert set(plain) == set(scored.summary.metrics)
    for name, figures in plain.items():
        ours = scored.summary.metrics[name]
        assert figures == pytest.approx({"avg_n": ours.avg, "max_n": ours.max, "min_n": ours.min}, abs=1e-9)


def test_a_missing_response_counts_as_zero_or_not_at_all() -> None:
    some = [
        r
        for r in answers(((4, 4), (4, 4), (4, 4)))
        if (r.task_id, r.trial) not in {("towns-0", 1), ("towns-1", 0), ("towns-1", 1)}
    ]
    zero = score_answers(TASKS, some)
    assert (zero.missing, zero.summary.episodes, zero.summary.item_f1) == (3, 6, 0.5)
    assert zero.summary.endings == {"answered": 3, "missing": 3}
    assert benchmark_summary(zero.accumulator.records)["score"] == {
        "avg_n": 0.5,
        "max_n": pytest.approx(2 / 3),
        "min_n": pytest.approx(1 / 3),
    }
    skip = score_answers(TASKS, some, missing="skip")
    assert (skip.missing, skip.summary.episodes, skip.summary.tasks, skip.summary.item_f1) == (3, 3, 2, 1.0)
    assert (skip.summary.incomplete, skip.summary.trials) == (1, 2)
    assert list(skip.summary.pass_at) == ["1"]
    with pytest.raises(
        ConfigError, match=r"1 of 2 tasks have fewer than 2 trials \(the first is 'towns-0'\)"
    ):
        benchmark_summary(skip.accumulator.records)


def test_an_episode_without_an_answer_is_not_counted_as_answered() -> None:
    some = [*answers(((4, 4), (4, 4), (4, 4)))]
    some[0], some[3] = replace(some[0], text=""), replace(some[3], text=" \n")
    scored = score_answers(TASKS, some)
    assert (scored.missing, scored.summary.episodes) == (0, 6)
    assert scored.summary.endings == {"answered": 4, "missing": 2}


def test_trials_and_tasks_that_were_not_asked_for() -> None:
    more = [*answers(((4, 0), (4, 0), (4, 0))), Answer("elsewhere", 0, "x", "r")]
    scored = score_answers(TASKS, more, trials=1)
    assert (scored.unknown, scored.summary.episodes, scored.summary.item_f1) == (1, 3, 1.0)
    assert score_answers(TASKS, more, trials=3).summary.endings == {"answered": 6, "missing": 3}
    with pytest.raises(ConfigError, match="no response belongs to one of the 3 tasks of towns"):
        score_answers(TASKS, more[-1:])


class Metered:
    """A judge that says yes and counts tokens."""

    name = "yes-1"

    def __init__(self) -> None:
        self.usage = {"requests": 10, "prompt_tokens": 100, "cost": 0.5}

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.usage = {
            "requests": self.usage["requests"] + 1,
            "prompt_tokens": self.usage["prompt_tokens"] + 7,
            "cost": self.usage["cost"] + 0.25,
        }
        return [True] * len(pairs)


def test_a_judge_is_asked_named_and_metered() -> None:
    gold = Table(("Town", "About"), (("Alder", "by the sea"),))
    task = Task("t", "?", gold.header, ("Town",), gold, {"About": ColumnSpec(("llm_judge",))})
    response = Answer("t", 0, Table(gold.header, (("Alder", "on the coast"),)).to_markdown(), "r")
    assert score_answers(TaskSet([task]), [response]).summary.item_f1 == 0.5
    summary = score_answers(TaskSet([task]), [response], judge=Metered()).summary
    assert (summary.item_f1, summary.judges) == (1.0, ("yes-1",))
    assert summary.judge_usage_total == {"cost": 0.25, "prompt_tokens": 7, "requests": 1}


def test_strict_scores_are_the_benchmarks_own() -> None:
    name = next(iter(TOWNS))
    task = town_task(0, size=1)
    # A surplus column costs nothing here and everything in the benchmark.
    text = (
        f"```markdown\n| Town | Population | Note |\n| --- | --- | --- |\n| {name} | {TOWNS[name]} | x |\n```"
    )
    found = [Answer(task.id, 0, text, "r")]
    lenient, strict = (score_answers(TaskSet([task]), found, strict=each).summary for each in (False, True))
    assert (lenient.item_f1, strict.item_f1) == (1.0, 0.0)
    assert strict.item_f1 == score_response(text, task, strict=True).f1_by_item


# --- the folder ----------------------------------------------------------------------------------------------------


def test_scores_are_written_and_read_back(tmp_path: Path) -> None:
    out = tmp_path / "sub" / "scores"
    scored = score_answers(TASKS, answers(((4,), (2,), (0,))), folder=out, source="mine", by=("source",))
    found = read_run(out)
    assert found.records == scored.accumulator.records
    assert not found.played
    assert (found.settings["responses"], found.settings["strict"]) == ("mine", False)
    lines = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    assert [
        len([c for row in line["score"]["cells"] for c in row["cells"] if c[0] == "right"]) for line in lines
    ] == [8, 4, 0]
    summary = json.loads((out / "summary.json").read_text())
    assert summary.pop("scoring") == "lenient"
    assert list(summary.pop("by")) == ["source"]
    assert summary == scored.summary.to_dict()
    assert sorted(p.name for p in out.iterdir()) == ["run.json", "run.lock", "scores.jsonl", "summary.json"]


def test_scores_are_replaced_only_when_told(tmp_path: Path) -> None:
    score_answers(TASKS, answers(((4,), (4,), (4,))), folder=tmp_path)
    with pytest.raises(ConfigError, match="already contains scores"):
        score_answers(TASKS, answers(((0,), (0,), (0,))), folder=tmp_path)
    score_answers(TASKS, answers(((0,), (0,), (0,))), folder=tmp_path, overwrite=True)
    assert read_run(tmp_path).accumulator.item_f1 == 0


def test_folders_of_something_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for folder in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(ConfigError, match=r"contains no scores|is a file"):
            score_answers(TASKS, answers(((4,), (4,), (4,))), folder=folder, overwrite=True)
    run, scores = tmp_path / "run", tmp_path / "scores"
    RunFolder.open(run, {}).close()
    with pytest.raises(ConfigError, match="contains a run of `wideseek eval`"):
        score_answers(TASKS, answers(((4,), (4,), (4,))), folder=run, overwrite=True)
    score_answers(TASKS, answers(((4,), (4,), (4,))), folder=scores)
    with pytest.raises(ConfigError, match="contains scores"):
        RunFolder.open(scores, {}, overwrite=True)


class Down(Metered):
    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        raise ConnectionError("the judge is down")


def test_nothing_is_written_when_scoring_breaks_off(tmp_path: Path) -> None:
    gold = Table(("Town", "About"), (("Alder", "by the sea"),))
    tasks = TaskSet(
        Task(f"t{n}", "?", gold.header, ("Town",), gold, {"About": ColumnSpec(("llm_judge",))})
        for n in (0, 1)
    )
    found = [
        Answer("t0", 0, gold.to_markdown(), "r"),
        Answer("t1", 0, Table(gold.header, (("Alder", "on the coast"),)).to_markdown(), "r"),
    ]
    with pytest.raises(ConnectionError):
        score_answers(tasks, found, judge=Down(), folder=tmp_path / "s")
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["run.lock"]
    (tmp_path / "s" / ".scores.jsonl.1.tmp").write_text("of a process that was killed")
    score_answers(tasks, found, folder=tmp_path / "s")
    assert len(list((tmp_path / "s").iterdir())) == 4


def test_damaged_scores_are_said_to_be(tmp_path: Path) -> None:
    score_answers(TASKS, answers(((4,), (4,), (4,))), folder=tmp_path)
    with open(tmp_path / "scores.jsonl", "a") as file:
        file.write('{"figures": {}}\n')
    with pytest.raises(TrajectoryError, match=r"scores\.jsonl:4"):
        read_run(tmp_path)
    (tmp_path / "scores.jsonl").unlink()
    with pytest.raises(TrajectoryError, match="cannot be read"):
        read_run(tmp_path)
