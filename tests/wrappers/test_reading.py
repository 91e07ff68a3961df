"""The default reader: questions of the synthetic world, results, and facts in tables, lines and sentences."""

from __future__ import annotations

from typing import Literal

import pytest

from wideseek_env.corpus.base import SearchHit
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.pages import to_document
from wideseek_env.scoring.cells import cells_match
from wideseek_env.tasks.synthetic import synthetic_tasks
from wideseek_env.tools.results import format_hits, format_page
from wideseek_env.wrappers import MarkdownReader
from wideseek_env.wrappers.reading import NOTHING, grids

READER = MarkdownReader()
PAGE = """Title: Ufa Bridge

# Ufa Bridge

Ufa Bridge is near [Ufa](https://x.example/ufa). Local records put its main span at 12.3 m; others round it.

|  |  |
| --- | --- |
| Nearest town | [Ufa](https://x.example/ufa) |
| Opened | 1809 |

**Height**: 31 m

- [One](https://x.example/1)
- [Two](https://x.example/2)

[Previous page](https://x.example/p1) | [Next page](https://x.example/p3)
"""


def test_facts_of_a_page() -> None:
    page = READER.page(PAGE)
    assert page is not None
    assert page.title == "Ufa Bridge"
    assert page.value("Opened") == ("1809", "")
    assert page.value("nearest town") == ("Ufa", "https://x.example/ufa")
    assert page.value("Height") == ("31 m", "")
    assert page.value("Main span") == ("12.3 m", "")
    assert page.value("Designer") == NOTHING
    assert page.entries == ("One", "Two")
    assert page.next_url == "https://x.example/p3"


def test_an_error_is_no_page() -> None:
    assert READER.page("Error: this page is gone.") is None


def test_hits_are_those_that_were_formatted() -> None:
    hits = [
        SearchHit("https://x.example/a", "A", "about [b] and c", 2.0),
        SearchHit("https://x.example/b", "B", "", 1.0),
    ]
    read = READER.hits(format_hits(hits))
    assert [(hit.title, hit.url, hit.snippet) for hit in read] == [
        ("A", "https://x.example/a", "about [b] and c"),
        ("B", "https://x.example/b", ""),
    ]


def test_tables_keep_escaped_pipes_and_even_out_rows() -> None:
    (grid,) = grids("text\n| A | B |\n| --- | --- |\n| x \\| y |\n| 1 | 2 | 3 |\nmore")
    assert grid.header == ("A", "B")
    assert grid.rows == (("x | y", ""), ("1", "2"))


def test_conditions_exclude_only_what_is_known_to_fail() -> None:
    question = READER.question(
        "Find all museums in Norvania founded before 1900 and with a floor area of more than 2,000 m². "
        "| Museum | Architect |"
    )
    assert question is not None
    assert (question.subject, question.key) == ("museums in Norvania", "Museum")
    assert question.attributes == ("Architect", "Founded", "Floor area")
    assert not question.excludes({})
    assert not question.excludes({"Founded": "3 May 1899", "Floor area": "2,001 m²"})
    assert question.excludes({"Founded": "1901"})
    assert question.excludes({"Floor area": "900 m²"})


def test_another_question_is_not_understood() -> None:
    assert READER.question("What is the tallest building? | Name |") is None
    assert READER.question("museums in Norvania, please") is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_gold_values_of_the_synthetic_world_are_found_on_the_entities_pages(
    language: Literal["en", "zh"],
) -> None:
    world = SyntheticWorld.from_spec("synthetic:seed=5,pages=600,rows=6,columns=3,hops=1")
    corpus = world.corpus()
    checked = 0
    for task in synthetic_tasks(world, "train", 10, language=language):
        question = READER.question(task.question)
        assert question is not None
        assert question.columns == task.columns
        assert task.gold is not None
        for row in task.gold.rows:
            hit = next(hit for hit in corpus.search([row[0]], 5)[0] if hit.title == row[0])
            page = corpus.fetch(hit.url)
            assert page is not None
            view = READER.page(format_page(to_document(page.html, page.url), 1, "", 3000).text)
            assert view is not None
            for label, gold in zip(task.columns[1:], row[1:], strict=True):
                assert cells_match(view.value(label)[0], gold, task.spec(label)), (row[0], label)
                checked += 1
    corpus.close()
    assert checked > 30
