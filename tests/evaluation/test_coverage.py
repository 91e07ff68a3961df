"""Where gold rows were lost, in episodes made by hand and by the scripted team."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_team import ToyTeam, town_setup

from wideseek_env import GameConfig, make_policy
from wideseek_env.episode import Episode
from wideseek_env.evaluation import RunFolder, coverage_of, evaluate_game, read_run, read_sweep, width_sweep
from wideseek_env.evaluation.coverage import FATES, METRICS, Coverage, covered
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.summary import SummaryAccumulator
from wideseek_env.messages import ToolResult
from wideseek_env.profiles import profile_named
from wideseek_env.rules import Rules
from wideseek_env.scoring import OfflineJudge, TableScore, score_response
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.testing import example_task
from wideseek_env.trajectory import Trajectory

HEADER = ("Town", "Mayor", "Founded")
GOLD = (
    ("Ada Town", "Karl Moor", "1801"),
    ("Bel Bridge", "Ida Lund", "12 May 1802"),
    ("Çid", "Per Falk", "1803"),
    ("Dun (North)", "Eva Holm", "1804"),
)
TASK = Task(
    id="towns",
    question="Which towns are there?",
    columns=HEADER,
    key_columns=("Town",),
    gold=Table(HEADER, GOLD),
    specs={"Founded": ColumnSpec(("date_near",), ("norm_date",))},
    aliases={"Town": {"Çid": ("Tsid",)}},
)
LIST = "1. [Towns](https://web.example/towns)\n   Ada Town, Bel Bridge, Çid and Dun (North)."


def table(*rows: Sequence[str], header: Sequence[str] = HEADER) -> str:
    return Table(tuple(header), tuple(map(tuple, rows))).to_markdown()


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}</tool_call>"


def play(
    answer: str | None,
    reports: Sequence[str | None] = (),
    seen: Mapping[int, Sequence[tuple[str, str | ToolResult]]] | None = None,
    task: Task = TASK,
    **settings: Any,
) -> Trajectory:
    """An episode. Subagent n makes the calls in ``seen[n]``, given with their results, and writes ``reports[n]``.

    Without reports, a single agent makes the calls in ``seen[0]``. None instead of a text is a failure.
    """
    rules = Rules(width=8, subagent_turns=20)
    episode = Episode(task, team=bool(reports), rules=rules, **settings)
    pages = dict(seen or {})

    def say(agent: str, text: str | None) -> None:
        if text is None:
            episode.fail(agent)
        else:
            assert episode.act(agent, text) == []

    def look(agent: str, calls: Sequence[tuple[str, str | ToolResult]]) -> None:
        for text, result in calls:
            for request in episode.act(agent, text):
                episode.deliver(request, result)

    if reports:
        episode.act("lead", call("delegate", subtasks=[f"part {n}" for n in range(len(reports))]))
        for number, report in enumerate(reports):
            look(f"subagent_{number}", pages.get(number, ()))
            say(f"subagent_{number}", report)
        say("lead", answer)
    else:
        look("agent", pages.get(0, ()))
        say("agent", answer)
    assert episode.outcome is not None
    score = score_response(episode.outcome.answer or "", task)
    return Trajectory.of_episode(
        episode,
        score=score,
        parts={"item_f1": score.f1_by_item},
        reward_name="item_f1",
        corpus="by hand",
        seed=1,
    )


def search(query: str, result: str | ToolResult) -> tuple[str, str | ToolResult]:
    return call("search", query=query), result


def browse(url: str, result: str | ToolResult = "a page", chunk: int = 1) -> tuple[str, str | ToolResult]:
    return call("browse", url=url, chunk=chunk), result


def of(trajectory: Trajectory) -> Coverage:
    found = coverage_of(trajectory)
    assert found is not None
    return found


def fates(trajectory: Trajectory) -> list[str]:
    return [row.fate for row in of(trajectory).rows]


def test_every_fate() -> None:
    gold = (*GOLD, ("Elm", "Ole Berg", "1805"))
    task = dataclasses.replace(TASK, gold=Table(HEADER, gold))
    trajectory = play(
        table(GOLD[0], ("Bel Bridge", "Ida Lund", "1700")),
        [table(GOLD[0], GOLD[1], GOLD[2]), "I found nothing."],
        {0: [search("towns", "Ada Town, Bel Bridge and Çid")], 1: [search("more", "Dun (North) is a town.")]},
        task,
    )
    found = of(trajectory)
    assert [row.fate for row in found.rows] == list(FATES)
    assert [row.seen for row in found.rows] == [(1,), (1,), (1,), (2,), ()]
    assert [row.reported for row in found.rows] == [(1,), (1,), (1,), (), ()]
    metrics = found.metrics()
    assert set(metrics) == set(METRICS)
    assert all(metrics[fate] == 0.2 for fate in FATES)
    assert metrics["coverage"] == 0.4
    assert metrics["value_precision"] == 0.75
    assert metrics["blank_values"] == 0


def test_blank_values_are_not_right() -> None:
    metrics = of(play(table(("Ada Town", "", ""), ("Bel Bridge", "Ida Lund", "1700")), ["none"])).metrics()
    assert (metrics["coverage"], metrics["value_precision"], metrics["blank_values"]) == (0.5, 0.25, 0.5)
    assert "value_precision" not in of(play("no table", ["none"])).metrics()


def test_an_agent_that_failed_has_no_report() -> None:
    seen = {0: [search("towns", LIST)]}
    assert fates(play(table(GOLD[0]), [None, table(GOLD[1])], seen)) == [
        "right", "lost_in_merge", "not_reported", "not_reported",
    ]  # fmt: skip
    assert fates(play(None, [table(GOLD[0])], seen)) == ["lost_in_merge", *["not_reported"] * 3]


def test_a_failed_tool_shows_nothing() -> None:
    seen = {0: [search("towns", ToolResult("Error: Ada Town cannot be searched", ok=False))]}
    assert fates(play("", ["nothing"], seen)) == ["not_found"] * 4


def test_the_question_shows_nothing() -> None:
    task = dataclasses.replace(
        TASK, question="Who is the mayor of Ada Town, Bel Bridge, Çid and Dun (North)?"
    )
    assert fates(play("", ["nothing"], task=task)) == ["not_found"] * 4


def test_a_row_that_nobody_found_can_be_right() -> None:
    assert fates(play(table(GOLD[0]), ["nothing"]))[0] == "right"


def test_a_single_agent_has_no_merge() -> None:
    seen = {0: [search("towns", LIST), browse("https://a.example"), browse("https://a.example")]}
    found = of(play(table(GOLD[0]), seen=seen))
    assert [row.fate for row in found.rows] == ["right", *["not_reported"] * 3]
    assert [row.seen for row in found.rows] == [(0,)] * 4
    metrics = found.metrics()
    assert [metrics[name] for name in METRICS if name.startswith("repeated")] == [0, 0, 0]


REPORTS = {
    "a table": table(GOLD[0], GOLD[1]),
    "a table in a fence": f"Here it is:\n\n```markdown\n{table(GOLD[0], GOLD[1])}\n```\nThat is all.",
    "other columns and another order": table(
        ("x", "1801", "Ada Town"), ("y", "", "Bel Bridge"), ("z", "1802", "Bel Bridge"),
        header=("Page", "Founded", "Town"),
    ),
    "two tables": f"{table(GOLD[0])}\n\nAnd:\n\n{table(('Bel Bridge', 'Ida Lund'), header=('Town', 'Chief'))}",
    "a table without outer pipes": "Town | Mayor\n--- | ---\nAda Town | Karl Moor\nBel Bridge | Ida Lund",
    "markup and links": table(
        ("**[Ada Town](https://x.example)**", "_Karl Moor_", ""), ("`Bel bridge`", "–", "5/12/1802")
    ),
    "a list": "- Ada Town: Karl Moor, 1801\n- Bel Bridge — founded in May 1802 under Ida Lund",
    "a numbered list": "1. **Ada Town** (1801)\n2. **Bel Bridge** (mayor: Ida Lund)\n3. **Çid**",
    "headings": "### Ada Town\n- Mayor: Karl Moor\n\n### Bel Bridge\n- Mayor: Ida Lund\n\n### Dun (North)\n- Mayor: ?",
    "prose": "Karl Moor is the mayor of Ada Town. In Bel Bridge, Ida Lund was elected. Nothing is known about Çid.",
    "JSON": json.dumps([{"Town": "Ada Town", "Mayor": "Karl Moor"}, {"Town": "Bel Bridge", "Mayor": "Ida Lund"}]),
    "CSV": "Town,Mayor,Founded\nAda Town,Karl Moor,1801\nBel Bridge,Ida Lund,\nDun (North),,",
    "another language": "| 城镇 | 市长 |\n| --- | --- |\n| Ada Town | Karl Moor |\n| Bel Bridge | Ida Lund |",
    "Chinese prose": "Ada Town的市长是Karl Moor。Bel Bridge成立于1802年5月12日。",
    "wrong values": table(("Ada Town", "somebody", ""), ("Bel Bridge", "", "1999")),
    "a row twice": table(GOLD[0], GOLD[0], GOLD[1], ("Bel Bridge", "", "")),
    "rows that are not gold": table(
        ("Ada", "Karl Moor", "1801"), ("Bel Bridges", "Ida Lund", "1802"), GOLD[0], GOLD[1]
    ),
}  # fmt: skip


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_reports_of_many_forms(report: str) -> None:
    found = of(play("", [report]))
    assert [row.reported for row in found.rows] == [(1,), (1,), (), ()]
    assert [row.fate for row in found.rows][:2] == ["lost_in_merge"] * 2


@pytest.mark.parametrize(
    "report",
    [
        "Ada Town, Bel Bridge and Çid.",
        "- Ada Town\n- Bel Bridge\n- Tsid",
        table(("Ada Town",), ("Bel Bridge",), ("Çid",), header=("Town",)),
        table(("Ada Town", "", ""), ("Bel Bridge", "–", "unknown"), ("Cid", "", "N/A")),
        table(
            ("Ada Town", "https://web.example/1801x"),
            ("Bel Bridge", "u"),
            ("Çid", "u"),
            header=("Town", "Page"),
        ),
        '["Ada Town", "Bel Bridge", "Çid"]',
        "Three towns (in 3 pages): ada town; BEL BRIDGE; cid. I had no time to look them up.",
        "## Ada Town\n\n## Bel Bridge\n\n## Çid\n",
        "1801. Ada Town\n1802. Bel Bridge\n1803. Çid",
        "Town,Mayor\nAda Town,\nBel Bridge,\nÇid,",
    ],
)
def test_a_list_of_names_reports_no_rows(report: str) -> None:
    found = of(play("", [report]))
    assert [row.fate for row in found.rows] == [*["not_reported"] * 3, "not_found"]
    assert [row.reported for row in found.rows] == [()] * 4
    assert [row.seen for row in found.rows] == [(1,), (1,), (1,), ()]


@pytest.mark.parametrize(
    "report",
    [
        "",
        "Nothing.",
        table(("Adatown2", "Karl Moor", "1801")),
        table(("Ada Towns", "Karl Moor", "1801"), ("Bel", "Ida Lund", "1802"), ("Dun", "Eva Holm", "1804")),
        "Karl Moor, Ida Lund, Per Falk and Eva Holm are mayors since 1801, 1802, 1803 and 1804.",
        table(GOLD[0], header=("Mayor", "Town", "Founded")).replace("Ada Town", "Somewhere"),
    ],
)
def test_reports_with_other_keys(report: str) -> None:
    assert fates(play("", [report or " ", "nothing"])) == ["not_found"] * 4


def test_an_alias_is_the_row() -> None:
    for report in (table(("Tsid", "Per Falk", "")), "Tsid: Per Falk", "tsid was founded in 1803"):
        assert of(play("", [report])).rows[2].reported == (1,)
    assert of(play("", ["x"], {0: [search("q", "Tsid is a town")]})).rows[2].seen == (1,)


def test_a_task_with_only_keys() -> None:
    task = Task("names", "Which?", ("Town",), ("Town",), Table(("Town",), (("Ada Town",), ("Bel Bridge",))))
    found = of(play("", ["I found Ada Town."], {0: [search("q", "Bel Bridge")]}, task))
    assert [row.fate for row in found.rows] == ["lost_in_merge", "not_reported"]
    assert "value_precision" not in of(play("| Town |\n|---|\n| Ada Town |", ["x"], task=task)).metrics()


def test_repeated_work_of_subagents() -> None:
    seen = {
        0: [search("towns", LIST), browse("https://a.example"), browse("https://a.example"), browse("https://b.example")],
        1: [search(" Towns", LIST), browse("https://a.example"), browse("https://a.example", chunk=2)],
        2: [search("mayors", "none"), browse("https://c.example")],
    }  # fmt: skip
    reports = [table(GOLD[0], GOLD[1]), table(GOLD[1], GOLD[1]), f"{GOLD[1][0]}: {GOLD[1][1]}"]
    metrics = of(play(table(*GOLD), reports, seen)).metrics()
    assert metrics["repeated_rows"] == 0.5  # 4 reports of rows, 2 rows
    assert metrics["repeated_pages"] == pytest.approx(1 - 4 / 5)
    assert metrics["repeated_queries"] == pytest.approx(1 - 2 / 3)


def test_lists_of_queries_and_pages_of_the_published_profile() -> None:
    def both(name: str, argument: str, *values: str) -> str:
        key = {"queries": "query", "urls": "url"}[argument]
        items = [
            {key: value, **({"info_to_extract": "x"} if key == "url" else {"count": 3})} for value in values
        ]
        return call(name, **{argument: items})

    tools = profile_named("wideseek-r1").tools["subagent"]
    names = {tool.kind: tool.name for tool in tools}
    arguments = {tool.kind: next(iter(tool.example)) for tool in tools}
    seen = {
        n: [
            (both(names["search"], arguments["search"], "towns", f"mayors {n}"), LIST),
            (both(names["browse"], arguments["browse"], "https://a.example"), "x"),
        ]
        for n in range(2)
    }
    episode = Episode(TASK, rules=Rules(width=2), profile=profile_named("wideseek-r1"))
    lead = profile_named("wideseek-r1").tools["lead"][0]
    episode.act("lead", call(lead.name, **{name: list(items) * 2 for name, items in lead.example.items()}))
    team = [agent for agent in episode.ready() if agent != "lead"]
    for number, agent in enumerate(team):
        for text, result in seen[number % 2]:
            for request in episode.act(agent, text):
                episode.deliver(request, result)
        episode.act(agent, "none")
    episode.act("lead", table(*GOLD))
    score = score_response(table(*GOLD), TASK)
    trajectory = Trajectory.of_episode(
        episode, score=score, parts={"f": 1.0}, reward_name="item_f1", corpus="none", seed=1
    )
    metrics = of(trajectory).metrics()
    assert len(team) == 2
    assert metrics["repeated_pages"] == 0.5
    assert metrics["repeated_queries"] == 0.25


def test_a_profile_that_is_not_known_here() -> None:
    seen = {0: [browse("https://a.example")], 1: [browse("https://a.example")]}
    trajectory = play(table(*GOLD), ["x", "y"], seen)
    for name in ("default+weather", "somebody's"):
        found = of(dataclasses.replace(trajectory, profile=name)).metrics()
        assert found["repeated_pages"] == 0.5
    other = play(table(*GOLD), ["x", "y"])
    assert "repeated_pages" not in of(dataclasses.replace(other, profile="somebody's")).metrics()


def test_a_slot_that_was_used_twice_is_two_subagents() -> None:
    episode = Episode(TASK, roster="fixed", rules=Rules(width=1))
    for report in (table(GOLD[0]), table(GOLD[0], GOLD[1])):
        episode.act("lead", call("delegate", subtasks=["part"]))
        for request in episode.act("subagent_0", call("search", query="towns")):
            episode.deliver(request, LIST)
        episode.act("subagent_0", report)
    episode.act("lead", table(GOLD[1]))
    score = score_response(table(GOLD[1]), TASK)
    found = of(
        Trajectory.of_episode(episode, score=score, parts={"f": 1.0}, reward_name="f", corpus="none", seed=1)
    )
    assert found.rows[0].reported == found.rows[0].seen == (1, 2)
    assert found.metrics()["repeated_rows"] == pytest.approx(1 / 3)
    assert found.metrics()["repeated_queries"] == 0.5


def test_short_answers_have_no_rows() -> None:
    task = Task("depth", "Who?", answers=("Karl Moor",))
    trajectory = play("Karl Moor", ["Karl Moor"], task=task)
    assert coverage_of(trajectory) is None
    assert EpisodeRecord.of(trajectory).rows == {}


def test_a_record_without_verdicts_is_scored_without_a_model() -> None:
    trajectory = play(table(GOLD[0]), ["x"])
    bare = dataclasses.replace(trajectory, score=TableScore())
    assert of(bare) == of(trajectory)


@pytest.mark.parametrize("strict", [False, True])
def test_the_score_decides_which_rows_the_answer_has(strict: bool) -> None:
    answer = table(GOLD[0], ("Bel Bridge", "Ida Lund", "1700"))
    score = score_response(answer, TASK, OfflineJudge(), strict=strict)
    found = of(dataclasses.replace(play(answer, ["x"]), score=score))
    assert sorted(row.fate for row in found.rows) == ["not_found", "not_found", "right", "wrong_values"]
    assert covered(score, TASK) == {"coverage": 0.5, "value_precision": 0.75, "blank_values": 0}


pieces = st.sampled_from(
    [*REPORTS.values(), LIST, "", "nothing", table(*GOLD), "Çid", "- Dun (North): Eva Holm\n"]
)
texts = st.lists(pieces, max_size=3).map("\n\n".join)


@given(
    answer=st.one_of(st.none(), texts, st.text(max_size=30)),
    reports=st.lists(st.one_of(st.none(), texts), max_size=3),
    pages=st.lists(texts, max_size=3),
)
def test_the_shares_sum_to_one(answer: str | None, reports: list[str | None], pages: list[str]) -> None:
    seen = {n % max(1, len(reports)): [search(f"q{n}", page)] for n, page in enumerate(pages)}
    found = of(play(answer, reports, seen))
    metrics = found.metrics()
    assert sum(metrics[fate] for fate in FATES) == pytest.approx(1)
    assert metrics["coverage"] == pytest.approx(metrics["right"] + metrics["wrong_values"])
    assert all(0 <= share <= 1 for share in metrics.values())
    assert len(found.rows) == len(GOLD)
    for row in found.rows:
        assert row.fate in ("right", "wrong_values") or (row.fate == "lost_in_merge") == bool(row.reported)
        assert set(row.reported) <= set(row.seen)
    if not reports:
        assert metrics["lost_in_merge"] == metrics["repeated_rows"] == 0
    assert EpisodeRecord.of(play(answer, reports, seen)).rows == metrics


def test_the_scripted_team_on_the_synthetic_world() -> None:
    game = GameConfig(
        tasks="synthetic:seed=3,pages=800,rows=8-16", split="test", rules="width-benchmark"
    ).open()
    tasks = game.tasks[:6]
    sweep = width_sweep(game, lambda: make_policy("scripted"), (1, 2, 4, 8), tasks, single=True)
    rows = {point.size: point.summary.rows for point in sweep.points}
    for size, metrics in rows.items():
        assert set(metrics) == set(METRICS)
        assert sum(metrics[fate] for fate in FATES) == pytest.approx(1, abs=1e-6), size
    assert rows[None]["lost_in_merge"] == rows[None]["repeated_pages"] == 0
    assert rows[1]["right"] < rows[2]["right"] < rows[4]["right"] <= rows[8]["right"]
    assert rows[8]["coverage"] > max(rows[1]["coverage"], 0.95)
    assert rows[1]["not_reported"] > 0.1 > rows[8]["not_reported"]
    assert all(metrics["lost_in_merge"] == metrics["not_found"] == 0 for metrics in rows.values())


def test_rows_are_in_summary_and_files(tmp_path: Path) -> None:
    sweep = width_sweep(town_setup(count=3), ToyTeam, (1, 2, 4), policy_name="toy", folder=tmp_path)
    assert [point.summary.rows["coverage"] for point in sweep.points] == [0.25, 0.5, 1.0]
    assert [point.summary.rows["not_found"] for point in sweep.points] == [0.75, 0.5, 0]
    assert read_sweep(tmp_path) == sweep
    with open(tmp_path / "width.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    for line, point in zip(lines, sweep.points, strict=True):
        assert {name: float(line[name]) for name in METRICS} == point.summary.rows
    stored = json.loads((tmp_path / "width-2" / "summary.json").read_text())
    assert stored["rows"] == sweep.points[1].summary.rows


def test_metrics_of_an_earlier_version_are_computed_again(tmp_path: Path) -> None:
    game = town_setup(count=2)
    with RunFolder.open(tmp_path, {"policy": "toy"}) as folder:
        summary = evaluate_game(game, ToyTeam(), game.tasks, folder=folder)
    file = tmp_path / "episodes.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert all(line.pop("rows") for line in lines)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert read_run(tmp_path).accumulator.summary().rows == summary.rows != {}


def test_records_without_rows_are_left_out_of_the_means() -> None:
    record = EpisodeRecord.of(play(table(GOLD[0]), ["x"]))
    old = dataclasses.replace(record, task_id="old", rows={})
    accumulator = SummaryAccumulator()
    accumulator.add(old)
    assert accumulator.summary().rows == {}
    accumulator.add(record)
    assert accumulator.summary().rows["coverage"] == 0.25
    data = record.to_dict()
    del data["rows"]
    assert EpisodeRecord.from_dict(data).rows == {}


def test_an_answer_of_another_program_has_only_what_the_score_says() -> None:
    task = example_task(2)
    score = score_response("| Name | Year |\n|---|---|\n| Entity 1 | 1901 |", task)
    record = EpisodeRecord.of_response(task, 0, score)
    assert record.rows == {"coverage": 0.5, "value_precision": 1.0, "blank_values": 0.0}
