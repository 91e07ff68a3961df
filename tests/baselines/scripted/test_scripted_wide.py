"""The scripted team on questions about several lists: every way to name them, parts, second keys, several rounds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import mean

import pytest
from hybridqa_data import Record, cell, write_jsonl
from tasks.hybridqa.wide.wide_data import a_list, everything, names, passages

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_baselines.scripted.collecting import Collect, read_collect, read_collect_report
from wideseek_baselines.scripted.history import History
from wideseek_baselines.scripted.subtasks import LookUp, read_subtask
from wideseek_baselines.scripted.toolbox import Toolbox
from wideseek_env.corpus.hybridqa import build_hybridqa
from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.episode_run import EpisodeRun, run_episode
from wideseek_env.game import GameConfig
from wideseek_env.rules import Rules
from wideseek_env.task import Language, Table, Task
from wideseek_env.tasks.hybridqa.wide import WideConfig, build_wide_tasks
from wideseek_env.tasks.hybridqa.wide.scope import Scope
from wideseek_env.tasks.jsonl import load_tasks
from wideseek_env.tasks.phrasing import column_sentence

HULLS = ("oak", "pine", "ash", "elm")
TOWNS = ("Alder", "Birch", "Cedar")


def crews(title: str, first: int, count: int, *, section: str = "", number: int = 0) -> Record:
    """A list of crews with a town. Only the pages of the crews give the hull."""
    keys = names("Crew", count, first)
    return a_list(title, keys, {"Town": [TOWNS[n % 3] for n in range(count)]}, section=section, number=number)


LISTS = [
    *(crews(f"{year} Bay Race", 40 * n, 12, section="Crews") for n, year in enumerate((2001, 2002, 2004))),
    *(crews("Bay Cup", 200 + 40 * n, 11, section=name, number=n)
      for n, name in enumerate(("Men", "Men – Final", "Women – Final"))),
    crews("Bay of Chile", 400, 37),
    crews("Bay of Norway", 440, 9),
    crews("Bay of Japan", 480, 13),
]  # fmt: skip
LISTS[-1]["data"].append([cell("Crew without a page"), cell("Alder")])
LACKING = ("Crew Smton", "Crew Srton", "Crew without a page")
"""Crews of Japan whose pages do not give the hull, or that have no page."""


def hull(name: str) -> str:
    return "" if name in LACKING else HULLS[sum(map(ord, name)) % 4]


def pages(lists: Sequence[Record]) -> dict[str, str]:
    texts = {}
    for link in sorted(
        {link for record in lists for row in record["data"] for _, found in row for link in found}
    ):
        name = link.removeprefix("/wiki/").replace("_", " ")
        told = f"Its hull is {hull(name)} ." if hull(name) else "It is fast ."
        texts[link] = f"{name} is a crew . {told}"
    return texts


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> StoredCorpus:
    folder = tmp_path_factory.mktemp("crews")
    return build_hybridqa(write_jsonl(folder / "data", LISTS, pages(LISTS)), folder / "corpus")


def rows_of(*lists: tuple[str, str]) -> list[tuple[str, str, str]]:
    """Name, town and hull of each crew in these lists (title and section)."""
    found = []
    for record in LISTS:
        if (record["title"], record["section_title"]) in lists:
            for (name, _), (town, _) in record["data"]:
                found.append((name, town, hull(name)))
    return found


def task_of(
    place: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]], *, who: str = "", more: str = "",
    keys: int = 1, language: Language = "en",
) -> Task:  # fmt: skip
    if language == "zh":
        text = f"请根据{place}，列出每一项（Crew）{who}，并给出：Hull。{more}"
    else:
        text = f"Go through {place}. List every crew{who}, and give for each: Hull. {more}"
    header = tuple(columns)
    return Task(
        "crews/task",
        text + column_sentence(columns, language),
        header,
        header[:keys],
        Table(header, tuple(rows)),
        language=language,
    )


def play(
    corpus: StoredCorpus, task: Task, rules: str | Rules = "default", width: int = 8, team: bool = True
) -> EpisodeRun:
    game = GameConfig(tasks=[task], corpus=corpus, rules=rules, width=width, team=team).open()
    return run_episode(game, ScriptedPolicy(), game.tasks[0])


def f1(run: EpisodeRun) -> float:
    assert run.score is not None
    return run.score.f1_by_item


def subtasks(run: EpisodeRun) -> list[list[Collect | LookUp]]:
    """The subtasks of each delegation."""
    lead = run.episode.conversations[0]
    toolbox = Toolbox.of(run.episode.tools("lead"), str(lead.messages[0]["content"]))
    turns = History.of(lead.messages, toolbox).turns
    found = []
    for exchanges in turns:
        tasks = [read_collect(e.request.text) or read_subtask(e.request.text) for e in exchanges]
        found.append([task for task in tasks if isinstance(task, Collect | LookUp)])
    return [delegation for delegation in found if delegation]


def reports(run: EpisodeRun) -> list[str]:
    return [str(c.messages[-1]["content"]) for c in run.episode.conversations[1:]]


RACES = [("2001 Bay Race", "Crews"), ("2002 Bay Race", "Crews"), ("2004 Bay Race", "Crews")]
CUPS = [("Bay Cup", "Men"), ("Bay Cup", "Men – Final"), ("Bay Cup", "Women – Final")]
SCOPES = {
    "article": (Scope("article", ("Bay Cup",), several=True), CUPS),
    "heading": (Scope("article", ("Bay Cup",), "heading", "Men"), CUPS[:2]),
    "sections": (Scope("sections", ("Bay Cup",), sections=("Men", "Women – Final")), [CUPS[0], CUPS[2]]),
    "titles": (Scope("titles", ("2001 Bay Race", "2004 Bay Race"), "section", "Crews"), [RACES[0], RACES[2]]),
    "places": (
        Scope("titles", ("Bay of Chile", "Bay of Norway")),
        [("Bay of Chile", ""), ("Bay of Norway", "")],
    ),
    "counterparts": (
        Scope("counterparts", ("2001 Bay Race",), "section", "Crews", values=("2002", "2004"), slot="year"),
        RACES,
    ),
    "range": (
        Scope("range", ("2001 Bay Race", "2004 Bay Race"), "section", "Crews", slot="year"),
        RACES,
    ),
}


ALL = ("Crew", "Town", "Hull")


@pytest.mark.parametrize("form", SCOPES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_way_to_name_lists_is_solved(corpus: StoredCorpus, form: str, language: Language) -> None:
    scope, lists = SCOPES[form]
    task = task_of(scope.phrase(language), ALL, rows_of(*lists), language=language)
    run = play(corpus, task)
    assert f1(run) == f1(play(corpus, task, team=False)) == 1.0
    assert run.episode.outcome is not None
    assert run.episode.outcome.errors == 0


GIVEN = {
    "en": "Take Hull from each entry's own page, to which the list links. Leave out every entry that has no such page, "
    "or whose page does not name the hull. ",
    "zh": "Hull 请从每一项自己的页面（列表中的链接）上查找。没有这样的页面，或页面没有写明船型的项，不要列入。",
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "team"), [(1, True), (8, True), (1, False)])
def test_entries_whose_page_lacks_the_value_are_left_out(
    corpus: StoredCorpus, language: Language, width: int, team: bool
) -> None:
    scope = Scope("titles", ("Bay of Chile", "Bay of Japan"))
    rows = [row for row in rows_of(("Bay of Chile", ""), ("Bay of Japan", "")) if row[2]]
    assert len(rows) == 37 + 14 - len(LACKING)
    task = task_of(scope.phrase(language), ALL, rows, more=GIVEN[language], language=language)
    assert f1(play(corpus, task, width=width, team=team)) == 1.0


@pytest.mark.parametrize("width", [1, 8])
def test_conditions_on_shown_and_hidden_columns(corpus: StoredCorpus, width: int) -> None:
    scope, lists = SCOPES["counterparts"]
    who = " whose town is not Birch and whose hull is oak"
    rows = [row for row in rows_of(*lists) if row[1] != "Birch" and row[2] == "oak"]
    assert len(rows) > 3
    for columns in (ALL, ("Crew", "Hull"), ("Crew", "Town")):
        at = [ALL.index(column) for column in columns]
        task = task_of(scope.phrase(), columns, [tuple(row[n] for n in at) for row in rows], who=who)
        assert f1(play(corpus, task, width=width)) == 1.0


@pytest.mark.parametrize(
    ("form", "more", "labels"),
    [
        ("range", "In the column List, write the year that the title of the page gives, such as 2001. ",
         ["2001", "2002", "2004"]),
        ("article", "In the column List, write the heading of the list, such as Men. ",
         ["Men", "Men – Final", "Women – Final"]),
    ],
)  # fmt: skip
def test_the_list_of_each_row(corpus: StoredCorpus, form: str, more: str, labels: list[str]) -> None:
    scope, lists = SCOPES[form]
    rows = [
        (name, label, town)
        for found, label in zip(lists, labels, strict=True)
        for name, town, _ in rows_of(found)
    ]
    task = task_of(scope.phrase(), ("Crew", "List", "Town"), rows, more=more, keys=2)
    assert [f1(play(corpus, task, width=width)) for width in (1, 2, 16)] == [1.0] * 3


def test_subagents_divide_long_lists(corpus: StoredCorpus) -> None:
    scope, lists = SCOPES["places"]
    run = play(corpus, task_of(scope.phrase(), ALL, rows_of(*lists)), width=8)
    reported = [read_collect_report(text).entries for text in reports(run)]
    found = [entry.entity.name for entries in reported for entry in entries]
    assert sorted(found) == sorted(row[0] for row in rows_of(*lists))
    assert [len(entries) for entries in reported] == [9, 9, 9, 10, 2, 2, 2, 3]
    (delegation,) = subtasks(run)
    assert all(isinstance(task, Collect) for task in delegation)


def test_a_narrow_team_needs_several_rounds(corpus: StoredCorpus) -> None:
    scope, lists = SCOPES["places"]
    task = task_of(scope.phrase(), ALL, rows_of(*lists))
    run = play(corpus, task, Rules(subagent_turns=6, calls_per_turn=2), width=2)
    rounds = subtasks(run)
    assert len(rounds) > 2
    assert isinstance(rounds[0][0], Collect)
    assert all(isinstance(task, LookUp) for task in rounds[-1])
    assert f1(run) == 1.0


def test_a_wider_team_covers_more_on_a_small_budget(corpus: StoredCorpus) -> None:
    scope, lists = SCOPES["places"]
    task = task_of(scope.phrase(), ("Crew", "Hull"), [(row[0], row[2]) for row in rows_of(*lists)])
    scores = [f1(play(corpus, task, "width-benchmark", width)) for width in (1, 2, 4, 8)]
    assert scores == sorted(scores)
    assert scores[0] < 0.75
    assert scores[-1] > 0.98


@pytest.mark.parametrize("profile", ["terse", "wideseek-r1"])
@pytest.mark.parametrize("team", [True, False])
def test_other_profiles(corpus: StoredCorpus, profile: str, team: bool) -> None:
    scope, lists = SCOPES["counterparts"]
    task = task_of(scope.phrase(), ("Crew", "Town"), [row[:2] for row in rows_of(*lists)])
    game = GameConfig(tasks=[task], corpus=corpus, profile=profile, team=team).open()
    assert f1(run_episode(game, ScriptedPolicy(), game.tasks[0])) == 1.0


def test_lists_that_do_not_exist(corpus: StoredCorpus) -> None:
    scope = Scope("titles", ("1901 Bay Race", "2001 Bay Race"), "section", "Crews")
    run = play(corpus, task_of(scope.phrase(), ("Crew", "Town"), [r[:2] for r in rows_of(RACES[0])]))
    assert f1(run) == 1.0
    assert len(subtasks(run)) == 1
    scope = Scope("titles", ("1901 Bay Race", "1902 Bay Race"), "section", "Crews")
    run = play(corpus, task_of(scope.phrase(), ("Crew", "Town"), [("x", "y")]))
    assert run.score is not None
    assert f1(run) == 0.0
    assert len(subtasks(run)) == 1


def test_an_article_that_names_its_lists_in_several_chunks(tmp_path: Path) -> None:
    letters = [f"{'Crews whose name begins with the letter ' * 4}{chr(65 + n)}" for n in range(24)]
    lists = [
        a_list("Crews by letter", names("Crew", 2, 2 * n), {"Town": TOWNS[:2]}, section=letter, number=n)
        for n, letter in enumerate(letters)
    ]
    rows = [(row[0][0], row[1][0]) for record in lists for row in record["data"]]
    with closing(build_hybridqa(write_jsonl(tmp_path / "d", lists, pages(lists)), tmp_path / "c")) as corpus:
        for scope, wanted in (
            (Scope("article", ("Crews by letter",)), rows),
            (
                Scope("sections", ("Crews by letter",), sections=(letters[0], letters[-1])),
                rows[:2] + rows[-2:],
            ),
        ):
            task = task_of(scope.phrase(), ("Crew", "Town"), wanted)
            assert [f1(play(corpus, task, width=width)) for width in (1, 8)] == [1.0, 1.0]
            alone = play(corpus, task, team=False)
            assert f1(alone) == 1.0
            assert any("Chunk 2 of 2" in str(m["content"]) for m in alone.episode.conversations[0].messages)


def test_reports_stay_below_the_limit_of_the_rules(tmp_path: Path) -> None:
    long = "of the Most Honourable and Ancient Society for the Encouragement of Rowing on the Bay" * 2
    lists = [
        a_list(
            "Bay Fleet",
            [f"Crew {number}{n:02} {long}" for n in range(40)],
            {"Town": [TOWNS[n % 3] for n in range(40)]},
            section=f"Fleet {number}",
            number=number,
            linked=False,
        )
        for number in range(4)
    ]
    rows = [(row[0][0], row[1][0]) for record in lists for row in record["data"]]
    with closing(build_hybridqa(write_jsonl(tmp_path / "d", lists, {}), tmp_path / "c")) as fleet:
        task = task_of(Scope("article", ("Bay Fleet",)).phrase(), ("Crew", "Town"), rows)
        run = play(fleet, task, width=1)
    assert max(map(len, reports(run))) < Rules().result_chars
    assert len(reports(run)) > 1
    assert f1(run) == 1.0


def test_every_task_of_the_generator_is_solved(tmp_path: Path) -> None:
    lists = everything()
    data = write_jsonl(tmp_path / "data", lists, passages(lists))
    build_hybridqa(data, tmp_path / "corpus").close()
    build_wide_tasks(data, tmp_path / "t.jsonl", WideConfig(), corpus=tmp_path / "corpus", workers=1)
    tasks = list(load_tasks(tmp_path / "t.jsonl"))
    assert {str(task.meta["scope"]["form"]) for task in tasks} >= {"article", "range", "titles"}
    assert {task.meta["edition"] for task in tasks} >= {"", "column", "key"}
    with closing(StoredCorpus.open(tmp_path / "corpus")) as corpus:
        for team in (True, False):
            game = GameConfig(tasks=tasks, corpus=corpus, team=team).open()
            scores = {task.id: f1(run_episode(game, ScriptedPolicy(), task)) for task in game.tasks}
            assert scores == dict.fromkeys(scores, 1.0)


FAMILIES = (
    "List of Highlander cast members",
    "Ebertfest",
    "Canadian Soccer League season",
)
"""Articles of training tasks."""


def test_real_training_tasks(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "hybridqa"
    if not source.is_dir():
        pytest.skip(f"no HybridQA data in {data_dir}")
    with gzip.open(source / "tables.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [line for line in file if any(name in line for name in FAMILIES)]
    lists = [record for record in map(json.loads, lines) if record["title"].endswith(FAMILIES)]
    links = {link for record in lists for row in record["data"] for _, found in row for link in found}
    with gzip.open(source / "passages.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = {
            record["url"]: record["text"]
            for line in file
            if line.split('"', 4)[3] in links and (record := json.loads(line))
        }
    data = write_jsonl(tmp_path / "data", lists, texts)
    build_hybridqa(data, tmp_path / "corpus").close()
    config = WideConfig(split="train", per_family=3)
    build_wide_tasks(data, tmp_path / "t.jsonl", config, corpus=tmp_path / "corpus", workers=1)
    tasks = list(load_tasks(tmp_path / "t.jsonl"))
    assert len({task.meta["family"] for task in tasks}) > 1
    with closing(StoredCorpus.open(tmp_path / "corpus")) as corpus:
        scores = [f1(play(corpus, task)) for task in tasks]
    assert mean(scores) > 0.9
    assert max(scores) == 1.0
