"""A perfect table is worth 1.0 in every form in which models write it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from answer_forms import BARE_FORMS, FORMS, without_outer_pipes

from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.scoring import score_response
from wideseek_env.scoring.table_lines import OTHER_PIPES
from wideseek_env.task import Table, Task
from wideseek_env.tasks import load_widesearch
from wideseek_env.tasks.synthetic import synthetic_tasks

ROWS = (("Louvre", "Paris", "8,700,000"), ("Museo|Tamayo", "Mexico City", "n/a"), ("The *Prado*", "–", "50%"))
MUSEUMS = Task(
    "museums", "q", ("Name", "City", "Visitors"), ("Name",), Table(("Name", "City", "Visitors"), ROWS)
)
PAIR = Task("pair", "q", ("Name", "City"), ("Name",), Table(("Name", "City"), tuple(row[:2] for row in ROWS)))
ALONE = Task("alone", "q", ("Name",), ("Name",), Table(("Name",), tuple(row[:1] for row in ROWS)))
SQUEEZED = Task(
    *("squeezed", "q", ("theconcert'senglishname", "city(local)"), ("theconcert'senglishname",)),
    Table(("theconcert'senglishname", "city(local)"), tuple(row[:2] for row in ROWS)),
)


@pytest.fixture(scope="module")
def synthetic() -> list[Task]:
    return [*synthetic_tasks(SyntheticWorld(), "test", 4)]


def failures(form: str, tasks: list[Task], *, bare: bool = False) -> list[str]:
    """The tasks whose gold table is not worth 1.0 in this form, with the reason."""
    failed: list[str] = []
    for task in tasks:
        assert task.gold is not None
        if _is_ambiguous(form, task.gold) or (
            bare and any("" in (row[0], row[-1]) for row in task.gold.rows)
        ):
            continue
        text = task.gold.to_markdown()
        answer = BARE_FORMS[form](without_outer_pipes(text)) if bare else FORMS[form](text)
        score = score_response(answer, task)
        if not score.score == score.f1_by_item == score.f1_by_row == 1.0:
            failed.append(f"{task.id}: {score.f1_by_item:.3f}: {score.message}")
    return failed


def _is_ambiguous(form: str, table: Table) -> bool:
    """Whether nobody can tell the cells of this table from the form around them."""
    text = "".join(table.header) + "".join("".join(row) for row in table.rows)
    if "JSON list" in form or "JSON with line breaks" in form:
        return '"' in text or "\\" in text or "|" in text  # the form would need escapes
    return ("pipes" in form or "bars" in form) and any(pipe in text for pipe in OTHER_PIPES)


@pytest.mark.parametrize("form", FORMS)
def test_a_perfect_table_is_perfect_in_every_form(form: str, synthetic: list[Task]) -> None:
    assert failures(form, [MUSEUMS, PAIR, SQUEEZED, *synthetic]) == []


@pytest.mark.parametrize("form", [form for form in FORMS if "ruling line" not in form])
def test_a_table_of_one_column_is_perfect_in_every_form(form: str) -> None:
    assert failures(form, [ALONE]) == []


@pytest.mark.parametrize("form", BARE_FORMS)
def test_a_table_without_outer_pipes_is_perfect_in_every_form(form: str, synthetic: list[Task]) -> None:
    assert failures(form, [MUSEUMS, *synthetic], bare=True) == []


@pytest.mark.parametrize("form", FORMS)
def test_tables_of_the_widesearch_benchmark_are_perfect_in_every_form(form: str, data_dir: Path) -> None:
    folder = data_dir / "widesearch"
    if not folder.is_dir():
        pytest.skip(f"no WideSearch data in {data_dir}")
    tasks = list(load_widesearch(folder))
    assert failures(form, tasks[::5]) == []


@pytest.mark.parametrize("form", FORMS)
def test_tables_of_wikipedia_are_perfect_in_every_form(form: str, wikipedia: list[Task]) -> None:
    assert failures(form, wikipedia) == []


@pytest.fixture(scope="module")
def wikipedia(data_dir: Path) -> list[Task]:
    """Every 150th table of HybridQA with distinct column names. The first column is the key."""
    file = data_dir / "hybridqa" / "tables.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no HybridQA data in {data_dir}")
    tasks: list[Task] = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % 150 == 0:
                data = json.loads(line)
                header = tuple(name for name, _ in data["header"])
                rows = tuple(tuple(cell for cell, _ in row) for row in data["data"])
                if len(set(header)) == len(header) and all(header):
                    tasks.append(Task(data["uid"], "q", header, header[:1], Table(header, rows)))
    return tasks
