"""Synthetic tasks: enough of them, disjoint splits, true gold, and answerable from the pages alone."""

from __future__ import annotations

import statistics

import pytest
from honest_reader import members, solve

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.corpus.synthetic.model import SPLITS
from wideseek_env.errors import TaskError
from wideseek_env.scoring.score import score_response
from wideseek_env.tasks.phrasing import column_sentence
from wideseek_env.tasks.synthetic import evidence, needed_pages, parse_question, synthetic_tasks


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    return SyntheticWorld()


@pytest.fixture(scope="module")
def corpus(world: SyntheticWorld) -> Corpus:
    return world.corpus()


def test_default_world_offers_enough_wide_tasks(world: SyntheticWorld) -> None:
    train, validation, test = (synthetic_tasks(world, split) for split in SPLITS)
    assert len(train) >= 200
    assert len(validation) >= 40
    assert len(test) >= 60
    rows = [task.meta["rows"] for tasks in (train, validation, test) for task in tasks]
    assert 15 <= statistics.median(rows) <= 40
    assert {task.meta["difficulty"] for task in test} == {"easy", "medium", "hard"}


@pytest.mark.parametrize("spec", ["synthetic", "synthetic:seed=5,pages=1200,rows=10-20,hops=3"])
def test_no_page_is_needed_by_two_splits(spec: str) -> None:
    world = SyntheticWorld.from_spec(spec)
    needed = [
        {url for task in synthetic_tasks(world, split) for url in needed_pages(world, task)}
        for split in SPLITS
    ]
    assert all(needed)
    assert not needed[0] & needed[1]
    assert not needed[0] & needed[2]
    assert not needed[1] & needed[2]


def test_tasks_of_a_split_are_all_different(world: SyntheticWorld) -> None:
    asked = {(t.columns, t.meta["list_url"], str(t.meta["filters"])) for t in synthetic_tasks(world, "train")}
    assert len(asked) == len(synthetic_tasks(world, "train"))


def test_count_takes_the_first_and_too_many_are_refused(world: SyntheticWorld) -> None:
    everything = synthetic_tasks(world, "test")
    assert synthetic_tasks(world, "test", 7).ids == everything.ids[:7]
    assert len(synthetic_tasks(world, "test", 0)) == 0
    with pytest.raises(TaskError, match=f"offers {len(everything)} test tasks .* not {len(everything) + 1}"):
        synthetic_tasks(world, "test", len(everything) + 1)
    # The first tasks come from as many lists as there are.
    lists = {task.meta["list_url"] for task in everything}
    assert {task.meta["list_url"] for task in everything[: len(lists)]} == lists


def test_bad_arguments_are_refused(world: SyntheticWorld) -> None:
    with pytest.raises(TaskError, match="unknown split"):
        synthetic_tasks(world, "dev")  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="language must be"):
        synthetic_tasks(world, "test", language="fr")  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="count must be"):
        synthetic_tasks(world, "test", -1)
    tiny = SyntheticWorld.from_spec("synthetic:pages=120,rows=10")
    with pytest.raises(TaskError, match="has no validation lists"):
        synthetic_tasks(tiny, "validation")
    with pytest.raises(TaskError, match="not from"):
        evidence(tiny, synthetic_tasks(world, "test", 1)[0])


def test_same_arguments_same_tasks(world: SyntheticWorld) -> None:
    again = SyntheticWorld()
    assert list(synthetic_tasks(world, "test", 20)) == list(synthetic_tasks(again, "test", 20))
    assert list(synthetic_tasks(world, "test", 20)) != list(synthetic_tasks(world, "test", 20, seed=1))


@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
def test_questions_can_be_read_back(world: SyntheticWorld, language: str) -> None:
    tasks = synthetic_tasks(world, "train", language=language)  # type: ignore[arg-type]
    for task in tasks:
        assert task.question.endswith(column_sentence(task.columns, task.language))
        parsed = parse_question(task.question)
        assert parsed is not None
        assert parsed.phrase.endswith(task.meta["region"])
        assert [
            {"label": f.label, "relation": f.relation, "value": f.value} for f in parsed.filters
        ] == task.meta["filters"]
    languages = {task.language for task in tasks}
    assert languages == ({"en", "zh"} if language == "mixed" else {language})
    assert len({task.question.split(" ")[0] for task in tasks}) > 2  # several phrasings


def test_mixed_languages_reach_every_list(world: SyntheticWorld) -> None:
    tasks = synthetic_tasks(world, "train", language="mixed")
    pairs = {(task.meta["list_url"], task.language) for task in tasks}
    assert len(pairs) == 2 * len({url for url, _ in pairs})


def test_a_question_of_another_kind_is_not_understood() -> None:
    assert parse_question("Which rivers are longer than 100 km?") is None


def test_gold_keys_are_unique_and_every_cell_is_where_it_is_said_to_be(world: SyntheticWorld) -> None:
    for task in synthetic_tasks(world, "test"):
        assert task.gold is not None
        keys = task.gold.column(task.key_columns[0])
        assert len({key.casefold() for key in keys}) == len(keys)
        pages = evidence(world, task)
        for row in task.gold.rows:
            for column, cell in zip(task.gold.header, row, strict=True):
                assert cell in world.page(pages[row[0], column]).text


def test_columns_are_compared_by_type(world: SyntheticWorld) -> None:
    seen = {}
    for task in synthetic_tasks(world, "train"):
        for column in task.columns:
            seen[column] = task.spec(column)
    assert seen["Total length"].metrics == ("number_near",)
    assert seen["Total length"].criterion == 0.01
    assert seen["Opened"].metrics == ("date_near",)
    assert seen["Website"].metrics == ("url_match",)
    assert seen["Founded"].preprocess == ("extract_number",)
    assert seen["Founded"].metrics == ("exact_match",)
    assert seen["Bridge"].metrics == ("exact_match",)


@pytest.mark.parametrize(
    "spec", ["synthetic", "synthetic:seed=1,pages=1500,hops=3,rows=12-20,near_duplicates=0.4"]
)
def test_an_honest_reader_finds_the_gold_table(spec: str) -> None:
    """From the question alone: search, list, articles, linked pages."""
    world = SyntheticWorld.from_spec(spec)
    corpus = world.corpus()
    tasks = [
        *synthetic_tasks(world, "test", 12, language="mixed"),
        *synthetic_tasks(world, "train", 12, seed=4),
    ]
    assert {task.meta["hops"] for task in tasks} == set(range(1, world.config.hops + 1))
    for task in tasks:
        assert task.gold is not None
        assert solve(corpus, task) == list(task.gold.rows)


@pytest.mark.parametrize("split", SPLITS)
def test_lists_are_found_by_their_phrase_and_complete(
    world: SyntheticWorld, corpus: Corpus, split: str
) -> None:
    lists = {task.meta["list_url"]: task for task in synthetic_tasks(world, split)}  # type: ignore[arg-type]
    for url, task in lists.items():
        parsed = parse_question(task.question)
        assert parsed is not None
        assert url in [hit.url for hit in corpus.search([parsed.phrase], 5)[0]]
        assert len(members(corpus, url)) == task.meta["list_rows"]


def test_the_gold_table_scores_in_full(world: SyntheticWorld) -> None:
    for task in synthetic_tasks(world, "test", 40):
        assert task.gold is not None
        assert score_response(task.gold.to_markdown(), task).f1_by_item == 1.0
