"""What holds for any table and any text."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from wideseek_env.scoring import TableScore, parse_table, score_response
from wideseek_env.scoring.cells import cells_match, key_of
from wideseek_env.scoring.dates import parse_dates
from wideseek_env.scoring.numbers import Number, numbers_near, parse_number
from wideseek_env.scoring.text import squash
from wideseek_env.task import METRICS, PREPROCESSORS, ColumnSpec, Table, Task

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)

PIECES = st.sampled_from(
    [
        *(
            "|",
            "\\",
            "\\|",
            "`",
            "```",
            "*",
            "**",
            "_",
            "~~",
            "[a](b)",
            "<br>",
            "<b>",
            "</think>",
            "<think>",
            "&amp;",
        ),
        *(
            " ",
            "\n",
            "\u3000",
            "-",
            "---",
            ":--:",
            "N/A",
            "0",
            "1,234",
            "12.50",
            "50%",
            "2020-05-03",
            "May 3",
            "万",
        ),
        *("Ann", "ANN", "é", "e\u0301", "ß", "北京", "[1]", "http://x.org/", ">", "# ", '"', "’"),
    ]
)
CELLS = st.one_of(st.lists(PIECES, max_size=4).map("".join), st.text(max_size=8))
NAMES = st.lists(
    st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=4, unique_by=str.strip
)
SPECS = st.builds(
    ColumnSpec,
    st.lists(st.sampled_from(METRICS), max_size=2).map(tuple),
    st.lists(st.sampled_from(PREPROCESSORS), max_size=1).map(tuple),
    st.sampled_from([None, 0.1, 5]),
)


@st.composite
def tasks(draw: st.DrawFn, *, unique_keys: bool = False) -> Task:
    header = tuple(
        draw(NAMES.filter(lambda names: len({" ".join(name.split()) for name in names}) == len(names)))
    )
    keys = header[: draw(st.integers(1, len(header)))]
    row = st.tuples(*[CELLS] * len(header))
    specs = {name: draw(SPECS) for name in header}
    rows = draw(st.lists(row, max_size=5))
    task = Task("t", "q", header, keys, Table(header, tuple(rows)), specs)
    if unique_keys:
        rows = list({_key(task, row): row for row in rows}.values())
    return replace(task, gold=Table(header, tuple(rows)))


def _key(task: Task, row: tuple[str, ...]) -> tuple[str, ...]:
    cells = zip(task.columns, row, strict=True)
    return tuple(key_of(cell, task.spec(name)) for name, cell in cells if name in task.key_columns)


@PROPERTY
@given(tasks())
def test_the_golds_own_markdown_is_perfect(task: Task) -> None:
    assert task.gold is not None
    score = score_response(f"Here it is:\n\n{task.gold.to_markdown()}\n\nDone.", task)
    assert score.score == score.f1_by_item == score.f1_by_row == 1.0


@PROPERTY
@given(tasks(unique_keys=True), st.data())
def test_the_order_of_rows_and_columns_does_not_matter(task: Task, data: st.DataObject) -> None:
    """The keys of the answer are distinct: among duplicates the first counts, and order is meant to matter."""
    assert task.gold is not None
    header = task.gold.header
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(header)), max_size=3))
    for row in task.gold.rows:
        kept = data.draw(st.lists(st.booleans(), min_size=len(header), max_size=len(header)))
        is_key = [name in task.key_columns for name in header]
        rows.append(tuple(c if keep or key else "x" for c, keep, key in zip(row, kept, is_key, strict=True)))
    rows = list({_key(task, row): row for row in rows}.values())
    columns = data.draw(st.permutations(range(len(header))))
    shuffled = Table(
        tuple(header[at] for at in columns),
        tuple(tuple(row[at] for at in columns) for row in data.draw(st.permutations(rows))),
    )
    one = score_response(Table(header, tuple(rows)).to_markdown(), task)
    assert _measures(score_response(shuffled.to_markdown(), task)) == _measures(one)


@PROPERTY
@given(tasks(unique_keys=True), st.data())
def test_the_order_of_gold_rows_does_not_matter(task: Task, data: st.DataObject) -> None:
    assert task.gold is not None
    header, rows = task.gold.header, task.gold.rows
    answer = Table(
        header, tuple(data.draw(st.lists(st.sampled_from(rows), max_size=5) if rows else st.just([])))
    )
    permuted = replace(task, gold=Table(header, tuple(data.draw(st.permutations(rows)))))
    one, other = score_response(answer.to_markdown(), task), score_response(answer.to_markdown(), permuted)
    assert _measures(one) == _measures(other)


@PROPERTY
@given(tasks(), tasks(), st.integers(0, 9))
def test_a_wrong_row_never_raises_precision(task: Task, answer: Task, place: int) -> None:
    assert task.gold is not None
    assert answer.gold is not None
    width = len(task.gold.header)
    rows = [*task.gold.rows[:3], *((*row, *[""] * width)[:width] for row in answer.gold.rows)]
    wrong = tuple("no such thing" for _ in range(width))
    more = [*rows[:place], wrong, *rows[place:]]
    one = score_response(Table(task.gold.header, tuple(rows)).to_markdown(), task)
    other = score_response(Table(task.gold.header, tuple(more)).to_markdown(), task)
    assert other.precision_by_item <= one.precision_by_item
    assert other.precision_by_row <= one.precision_by_row
    assert other.f1_by_item <= one.f1_by_item
    assert other.recall_by_item == one.recall_by_item or not task.gold.rows
    assert other.score == 0.0


@PROPERTY
@given(tasks(), st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_gets_a_score_between_0_and_1(task: Task, text: str) -> None:
    assert task.gold is not None
    for response in (text, f"{task.gold.to_markdown()}\n{text}", f"{text}\n{task.gold.to_markdown()}{text}"):
        score = score_response(response, task)
        assert all(0.0 <= value <= 1.0 for value in _measures(score))
        assert len(score.cells) == len(task.gold.rows)
        used = [row.predicted_row for row in score.cells if row.predicted_row is not None]
        assert len(set(used)) == len(used)
        assert (score.score == 1.0) == (min(_measures(score)) == 1.0)
        assert TableScore.from_dict(json.loads(json.dumps(score.to_dict()))) == score


@PROPERTY
@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_is_parsed(text: str) -> None:
    parsed = parse_table(text)
    assert (parsed.table is None) == (parsed.raw is None)
    if parsed.table is not None and parsed.raw is not None:
        assert len(parsed.table.rows) == len(parsed.raw.rows)
    assert score_response(text, Task("d", "q", answers=("x",))).score in (0.0, 1.0)


@PROPERTY
@given(CELLS, SPECS)
def test_a_cell_agrees_with_itself(cell: str, spec: ColumnSpec) -> None:
    assert cells_match(cell, cell, spec)
    assert cells_match(cell.upper(), cell, spec) or squash(cell.upper()) != squash(cell)


@PROPERTY
@given(st.floats(min_value=-1e12, max_value=1e12, allow_nan=False).map(lambda value: round(value, 4)))
def test_numbers_are_read_back(value: float) -> None:
    for text in (f"{value:.4f}", f"{value:,.4f}", f"about {value:,.4f} km²"):
        number = parse_number(text)
        assert number is not None
        assert numbers_near(number, Number(value), 1e-9)


@PROPERTY
@given(st.dates())
def test_dates_are_read_back(day: datetime.date) -> None:
    (expected,) = parse_dates(day.isoformat())
    assert expected.first == expected.last == (day - datetime.date(1970, 1, 1)).days
    year = f"{day.year:04}"
    for text in (
        f"{day:%B} {day.day}, {year}",
        f"{day.day} {day:%b} {year}",
        f"{year}年{day.month}月{day.day}日",
        f"{day.day:02}.{day.month:02}.{year}",
    ):
        assert parse_dates(text) == (expected,), text


def _measures(score: TableScore) -> tuple[float, ...]:
    by_row = (score.precision_by_row, score.recall_by_row, score.f1_by_row)
    return (*by_row, score.precision_by_item, score.recall_by_item, score.f1_by_item)
