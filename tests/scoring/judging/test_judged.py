"""Which cells are for a model, and the warning when no model judges them."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from toy_team import TownTools, ToyTeam

from wideseek_env import GameConfig, evaluate
from wideseek_env.errors import JudgeWarning
from wideseek_env.evaluation import EpisodeRecord, Summary, run_settings, summarise
from wideseek_env.evaluation.report import read_entries, report_page
from wideseek_env.evaluation.responses import Response
from wideseek_env.evaluation.scored import score_answers
from wideseek_env.provenance.comparing import differences
from wideseek_env.rewards import ItemF1, Sum, WideSeekR1, with_judge
from wideseek_env.scoring import Judge, OfflineJudge, TableScore, judging_of, score_response
from wideseek_env.scoring.judged import is_model, judged_cells, quiet, share_text, warn_by_rules
from wideseek_env.scoring.judging import OpenAIJudge, RecordedJudge, RecordingJudge
from wideseek_env.scoring.short_answer import answer_rule
from wideseek_env.scoring.wideseek_r1 import score_wideseek_r1
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tasks.taskset import TaskSet

JUDGED = ColumnSpec(("llm_judge",))


class Lenient:
    """A judge that accepts everything, and remembers its questions."""

    def __init__(self, name: str = "my-model") -> None:
        self.name = name
        self.asked: list[tuple[str, str]] = []

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        self.asked.append((column, criterion))
        return [True] * len(pairs)


def task(name: str = "t", rows: int = 3, **specs: ColumnSpec) -> Task:
    header = ("Town", "Note", "Year")
    cells = tuple((f"town {at}", f"note {at}", f"{1900 + at}") for at in range(rows))
    return Task(name, "Which notes have these towns: Aldorf?", header, ("Town",), Table(header, cells), specs)


DEPTH = Task("d", "Who?", answers=("Ann",))


@pytest.mark.parametrize(
    ("which", "lenient", "published"),
    [
        (task(), (0, 9), (6, 9)),
        (task(Note=JUDGED), (3, 9), (6, 9)),
        (task(Note=JUDGED, Year=JUDGED), (6, 9), (6, 9)),
        (task(Town=JUDGED), (3, 9), (6, 9)),  # the benchmark's model aligns these keys
        (task(Note=ColumnSpec(("number_near", "llm_judge"))), (3, 9), (6, 9)),
        (task(Note=ColumnSpec(("number_near",))), (0, 9), (6, 9)),
        (task(rows=0, Note=JUDGED), (0, 0), (0, 0)),
        (DEPTH, (0, 1), (1, 1)),
    ],
)
def test_cells_for_a_judge(which: Task, lenient: tuple[int, int], published: tuple[int, int]) -> None:
    assert judged_cells(which) == lenient
    assert judged_cells(which, published=True) == published


def test_the_share_counts_cells_and_not_columns() -> None:
    mixed = [task("a", rows=1, Note=JUDGED, Year=JUDGED), task("b", rows=9)]
    found = judging_of(mixed, None)
    assert (found.judged, found.cells, found.by_rules) == (2, 30, 2 / 30)
    assert found.to_dict() == {"judge": OfflineJudge().name, "model": False, "by_rules": 0.066667}
    assert "6.7 % of the cells" in found.warning
    assert f"{OfflineJudge().name} decides" in found.warning
    assert "--judge openai:MODEL@URL" in found.warning
    assert judging_of([], None).by_rules == judging_of([task(rows=0, Note=JUDGED)], None).by_rules == 0
    assert [share_text(share) for share in (1, 0.5, 0.001, 0.0001)] == [
        "100.0 %", "50.0 %", "0.1 %", "less than 0.1 %",
    ]  # fmt: skip


def recording(judge: Judge, path: Path) -> RecordedJudge:
    RecordingJudge(judge, path).judge("c", "", [("a", "b")])
    return RecordedJudge(path)


def test_what_is_a_model(tmp_path: Path) -> None:
    rules: list[Judge | None] = [
        None, OfflineJudge(), OfflineJudge(0.5), Lenient("offline"), Lenient("offline-1"),
        recording(OfflineJudge(), tmp_path / "offline.jsonl"), Lenient("recorded(recorded(offline-2(threshold=0.9)))"),
    ]  # fmt: skip
    models: list[Judge] = [
        OpenAIJudge("http://127.0.0.1:1/v1", "m"), Lenient(), Lenient("offliner"), Lenient("openai:offline@v2"),
        recording(Lenient(), tmp_path / "model.jsonl"),
    ]  # fmt: skip
    assert [is_model(judge) for judge in rules] == [False] * len(rules)
    assert [is_model(judge) for judge in models] == [True] * len(models)
    assert judging_of([task(Note=JUDGED)], models[1]).warning == ""


@pytest.mark.parametrize("strict", [False, True])
def test_the_score_counts_cells_that_rules_decided(strict: bool) -> None:
    some = task(Note=JUDGED)
    assert some.gold is not None
    for answer in (some.gold.to_markdown(), "no table"):
        score = score_response(answer, some, strict=strict)
        assert score.by_rules == 3
        assert TableScore.from_dict(score.to_dict()) == score
        assert score_response(answer, some, Lenient(), strict=strict).by_rules == 0
        assert score_response(answer, task(), strict=strict).by_rules == 0
    assert score_response("Ann", DEPTH, strict=strict).by_rules == 0
    old = {name: value for name, value in score_response("", some).to_dict().items() if name != "by_rules"}
    assert TableScore.from_dict(old).by_rules == 0


def game(*tasks: Task, **settings: object) -> GameConfig:
    return GameConfig(tasks=list(tasks), executor=TownTools(), **settings)  # type: ignore[arg-type]


def test_opening_a_game_warns_of_the_tasks_that_are_run() -> None:
    config = game(task("a", Note=JUDGED), task("b"))
    with pytest.warns(JudgeWarning, match=r"^16\.7 % of the cells") as found:
        opened = config.open()
    assert len(found) == 1
    with pytest.warns(JudgeWarning, match=r"^33\.3 % of the cells"):
        config.replace(limit=1).open()
    with pytest.warns(JudgeWarning, match="16"):
        config.open_tasks()
    assert opened.record()["judging"] == {
        "judge": OfflineJudge().name,
        "model": False,
        "by_rules": 0.166667,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        game(task()).open()
        config.replace(judge=Lenient()).open()
        config.replace(judge=Lenient()).open_tasks()
        copy.deepcopy(opened)
        with quiet():
            config.open()


def test_a_pickled_game_does_not_warn_again() -> None:
    config = GameConfig(tasks=[task(Note=JUDGED)], executor="toy_team:TownTools")
    with pytest.warns(JudgeWarning):
        data = pickle.dumps(config.open())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pickle.loads(data).judging().by_rules == 1 / 3


def test_python_shows_the_same_warning_once(recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("default")
    judging = judging_of([task("once", rows=7, Note=JUDGED), task("more", rows=4)], None)
    for _ in range(3):
        warn_by_rules(judging)
    assert len(recwarn) == 1


def test_a_reward_with_published_scoring_has_the_judge_of_the_game() -> None:
    judge, other, published = Lenient(), Lenient("other"), WideSeekR1(published_scoring=True)
    assert game(task(), reward=published, judge=judge).open().reward.judge is judge  # type: ignore[union-attr]
    assert with_judge(WideSeekR1(), judge) == WideSeekR1()
    assert with_judge(WideSeekR1(), judge).judge is None  # type: ignore[union-attr]
    assert with_judge(replace(published, judge=other), judge).judge is other  # type: ignore[union-attr]
    assert with_judge(ItemF1(), judge) == ItemF1()
    total = with_judge(Sum(((1.0, ItemF1()), (2.0, published))), judge)
    assert isinstance(total, Sum)
    assert total.terms[1][1].judge is judge  # type: ignore[attr-defined]
    with pytest.warns(JudgeWarning, match=r"^70\.0 % of the cells"):  # 6 cells and a short answer, of 10
        game(task(), DEPTH, reward=Sum(((1.0, published),))).open()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        game(DEPTH).open()  # short answers are compared by rules in this reward, as published elsewhere


def test_summaries_and_reports_tell_the_share(tmp_path: Path) -> None:
    both = [task("a", Note=JUDGED), task("b")]
    with pytest.warns(JudgeWarning):
        summary = evaluate(ToyTeam(), tasks=both, executor=TownTools(), out=tmp_path / "run")
    assert summary.by_rules == pytest.approx(3 / 18)
    text = report_page(read_entries([tmp_path / "run"], ["mine"]))
    assert "No model judged some cells" in text
    assert "mine: 16.7 % of the cells" in text
    evaluate(ToyTeam(), tasks=both, executor=TownTools(), out=tmp_path / "model", judge=Lenient())
    assert "No model judged" not in report_page(read_entries([tmp_path / "model"], ["mine"]))
    assert Summary().by_rules == 0


def test_scoring_answers_warns_and_records(tmp_path: Path) -> None:
    tasks = TaskSet([task("a", Note=JUDGED), task("b")], "mine")
    with pytest.warns(JudgeWarning, match="16.7 %"):
        scored = score_answers(tasks, [Response("a", 0, "none", "here")], folder=tmp_path / "out")
    assert scored.summary.by_rules == pytest.approx(3 / 18)  # also for tasks without a response
    assert '"by_rules": 0.166667' in (tmp_path / "out" / "run.json").read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score_answers(tasks, [Response("a", 0, "none", "here")], judge=Lenient()).summary.by_rules == 0


def test_records_of_earlier_versions_are_read() -> None:
    with quiet():
        opened = game(task(Note=JUDGED)).open()
    now = run_settings(opened, "toy")
    before = {name: value for name, value in now.items() if name != "judging"}
    assert differences(before, now) == []
    record = EpisodeRecord.of_response(task(Note=JUDGED), 0, score_response("", task(Note=JUDGED)))
    old = {name: value for name, value in record.to_dict().items() if name not in ("cells", "by_rules")}
    assert summarise([EpisodeRecord.from_dict(old)]).by_rules == 0
    assert summarise([record]).by_rules == pytest.approx(1 / 3)


def test_a_judge_of_short_answers_knows_the_question() -> None:
    judge = Lenient()
    score = score_wideseek_r1("\\boxed{Annie}", DEPTH, judge)
    assert (score.score, score.judge) == (1.0, "my-model")
    assert judge.asked == [("answer", answer_rule(DEPTH))]
    assert "Who?" in answer_rule(DEPTH)
    assert answer_rule(replace(DEPTH, question="谁？", language="zh")).startswith("两个单元格")
