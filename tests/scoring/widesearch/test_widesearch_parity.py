"""Strict scoring against the reference with pandas and dateparser, on tables that nobody thought of.

`WIDESEARCH_EXAMPLES` sets how many are tried (80 of each kind by default; thousands take minutes).
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pd = pytest.importorskip("pandas", minversion="2.3", reason="the reference needs pandas")
pytest.importorskip("dateparser", reason="the reference needs dateparser")

import widesearch_reference as reference  # noqa: E402
from widesearch_cases import CASES, EVALUATIONS  # noqa: E402

from wideseek_env.scoring import score_response  # noqa: E402
from wideseek_env.scoring.widesearch.delimited import UnreadableTable, read_delimited  # noqa: E402
from wideseek_env.scoring.widesearch.infer import MISSING, column_texts  # noqa: E402
from wideseek_env.tasks.widesearch import task_from_widesearch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of the reference's libraries

EXAMPLES = int(os.environ.get("WIDESEARCH_EXAMPLES", "80"))
QUICK = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], deadline=None)

ODD = (
    *(
        "",
        "nan",
        "None",
        "N/A",
        "null",
        "-",
        "---",
        ":-:",
        "true",
        "False",
        "TRUE",
        "inf",
        "-Infinity",
        "a b",
    ),
    *(
        "1",
        "-3",
        "+4",
        "007",
        "7.0",
        "1.50",
        "1e5",
        "1E-7",
        ".5",
        "1.",
        "1,234",
        "50%",
        "0.5",
        "12 km",
        "1_000",
    ),
    *("0.1", "3.14159265358979312", "9223372036854775808", "99999999999999999999", "１２", "0x10", "5e-324"),
    *("Alice", "alice", "*Alice*", " Bob", "故宫", "北京 市", '"q"', 'x"y', '"open', "a\\|b", "a|b", "é"),
    *(
        "http://a.org/x",
        "https://a.org",
        "http://b.org http://a.org",
        "https://[bad",
        "\u00a0z",
        "Unnamed: 1",
    ),
)
DATES = (
    *("2020-03-14", "March 14, 2020", "14 Mar 2020", "2020-04-14", "2020", "2021", "", "nan", "03/14/2020"),
    *(
        "2020年3月14日",
        "Mar 2020",
        "unclear",
        "2020-03-14T10:00:00Z",
        "2020-13-45",
        "13/03/2020",
        "Sept. 1, 1999",
    ),
)


def compare(evaluation: dict[str, Any], gold: Path, response: str) -> tuple[float, ...]:
    expected = reference.evaluate(evaluation, gold, response)
    row = {"instance_id": "x", "query": "q", "evaluation": evaluation, "language": "en"}
    score = score_response(response, task_from_widesearch(row, gold), strict=True)
    found = tuple(getattr(score, name) for name in reference.MEASURES)
    assert found == pytest.approx(expected, abs=1e-9), (evaluation, gold.read_text(), response, score.message)
    return found


def write(path: Path, names: list[str], rows: list[list[str]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([names, *rows])


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_reference_agrees_on_the_hand_made_cases(case: Any, tmp_path: Path) -> None:
    gold = tmp_path / "gold.csv"
    gold.write_text(case.gold)
    compare(EVALUATIONS[case.evaluation], gold, case.response)


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Any], list[str], list[list[str]], str]:
    """An evaluation, a gold table and a response that is the table with some changes."""
    names = draw(
        st.lists(st.sampled_from(["a", "b", "cc", "d1", "网址"]), min_size=1, max_size=4, unique=True)
    )
    keys = names[: draw(st.integers(1, min(2, len(names))))]
    pipeline: dict[str, Any] = {}
    kinds: dict[str, tuple[str, ...]] = {}
    for name in names:
        metric = draw(st.sampled_from(["exact_match", "number_near", "url_match", "in_match", "date_near"]))
        steps = draw(st.lists(st.sampled_from(["norm_str", "extract_number"]), max_size=2, unique=True))
        kinds[name] = ODD
        if name in keys:
            kinds[name] = ("Alice", "Bob", "Carol", "alice", "*Bob*", "1", "2", "007", "")
            if draw(st.booleans()):
                continue
        elif metric == "date_near":
            kinds[name] = DATES
            steps = draw(st.sampled_from([[], ["norm_date"]]))
        pipeline[name] = {"preprocess": steps, "metric": [metric] if draw(st.integers(0, 9)) else []}
        if draw(st.integers(0, 9)):
            pipeline[name]["criterion"] = draw(st.sampled_from([0.0, 0.05, 1]))
    rows = draw(st.lists(st.tuples(*(st.sampled_from(kinds[n]) for n in names)).map(list), max_size=5))
    answer = [list(row) for row in rows]
    for row in answer:
        for at, name in enumerate(names):
            if not draw(st.integers(0, 3)):
                row[at] = draw(st.sampled_from(kinds[name]))
    if answer and draw(st.booleans()):
        answer.append(list(draw(st.sampled_from(answer))))
    order = draw(st.permutations(range(len(names)))) if draw(st.booleans()) else range(len(names))
    head = [names[at].upper() if draw(st.booleans()) else f" {names[at]}" for at in order]
    lines = [head, ["---"] * len(head), *([row[at] for at in order] for row in answer)]
    if not draw(st.integers(0, 19)):
        lines[-1].append("surplus")
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    frame = draw(
        st.sampled_from(["```markdown\n{}\n```", "text\n```markdown\n{}\n```\n", "{}", "a|b\n\n{}", "{}|"])
    )
    evaluation = {"required": names, "unique_columns": keys, "eval_pipeline": pipeline}
    return evaluation, names, rows, frame.format(text)


@QUICK
@given(tables())
def test_generated_tables(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    evaluation, names, rows, response = case
    gold = tmp_path_factory.getbasetemp() / "generated.csv"
    write(gold, names, rows)
    try:
        pd.read_csv(gold)
    except Exception:
        return  # the benchmark would not load such a task
    compare(evaluation, gold, response)


@QUICK
@given(st.text(st.sampled_from('||||\n\n" -:aB1.`'), max_size=60), st.booleans())
def test_any_text_as_a_table(tmp_path_factory: pytest.TempPathFactory, text: str, fenced: bool) -> None:
    gold = tmp_path_factory.getbasetemp() / "any.csv"
    write(gold, ["a", "b"], [["1", "a"], ["a", "B"], ["", "."]])
    evaluation = {
        "required": ["a", "b"],
        "unique_columns": ["a"],
        "eval_pipeline": {"b": EVALUATIONS["text"]["eval_pipeline"]["city"]},
    }
    table = f"|a|b|\n{text}"
    compare(evaluation, gold, f"```markdown\n{table}\n```" if fenced else table)


def pandas_reads(text: str, separator: str) -> tuple[list[str], list[list[str]]] | None:
    try:
        frame = pd.read_csv(io.StringIO(text), sep=separator)
    except Exception:
        return None
    return list(frame.columns), [frame.iloc[:, at].astype(str).tolist() for at in range(frame.shape[1])]


def we_read(text: str, separator: str) -> tuple[list[str], list[list[str]]] | None:
    try:
        frame = read_delimited(text, separator)
    except UnreadableTable:
        return None
    return list(frame.names), [column_texts(column) for column in frame.columns]


@QUICK
@given(st.text(st.sampled_from('|||""\n\n \tab1-.'), max_size=40))
def test_any_delimited_text(text: str) -> None:
    assert we_read(text, "|") == pandas_reads(text, "|")


@pytest.mark.parametrize(
    "text",
    [
        *("a,b\r1,2\r3,4\r", "a,b\r\n1,2\r\n\r\n3,4", "a\r\r,b\n1,2", "a,b\n1,2\r\r3,4", 'a,"b\rc"\n1,2\r'),
        *("\ufeffa,b\n1,2", "a,b\n1\0x,2", "a,a,a.1,,\n1,2,3,4,5", ",,\n1,2,3", "a\n1,2\n3,4", "a,b\n1\n2,3"),
        *("a,b\n1\n2,3,4", "\n\n  \na,b\n\n1,2\n \n", "a\n \n1", '""\n""\n', "a,b\n \r1,2\n3,4"),
    ],
)
def test_line_ends_and_ragged_rows(text: str) -> None:
    assert we_read(text, ",") == pandas_reads(text, ",")


NUMBERS = st.one_of(
    st.integers(-(10**21), 10**21).map(str),
    st.floats(allow_nan=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=19, min_value=-1000, max_value=1000).map(str),
    st.from_regex(r"[+-]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(ODD),
)


@QUICK
@given(st.lists(NUMBERS.filter(lambda cell: '"' not in cell and "|" not in cell), min_size=1, max_size=4))
def test_type_inference(cells: list[str]) -> None:
    text = "k|c\n" + "\n".join(f"k|{cell}" for cell in cells)
    expected = pandas_reads(text, "|")
    assert expected is not None
    assert column_texts(cells) == expected[1][1]


@pytest.mark.parametrize(
    "cell", ["1E-700", "-1e-700", "-0.0", "1e-617", "1e-616", "5e-324", "1e308", "1e309", "-0"]
)
def test_very_small_and_very_large_numbers(cell: str) -> None:
    assert column_texts([cell, "1.5"]) == pandas_reads(f"c\n{cell}\n1.5", "|")[1][0]  # type: ignore[index]


def test_missing_values_are_those_of_pandas() -> None:
    assert set(pd._libs.parsers.STR_NA_VALUES) == MISSING


def test_changed_hybridqa_tables(data_dir: Path, tmp_path: Path) -> None:
    """Real tables, answered with a few changes."""
    tables = list(_real_tables(data_dir / "hybridqa" / "tables.jsonl.gz", max(12, EXAMPLES // 10)))
    draw = random.Random(0)
    scored = 0
    for header, rows in tables:
        names = [f"c{at}" for at in range(len(header))]
        gold = tmp_path / "gold.csv"
        write(gold, names, rows)
        metrics = [draw.choice(["exact_match", "number_near", "in_match", "url_match"]) for _ in names]
        pipeline = {
            name: {
                "preprocess": [draw.choice(["norm_str", "extract_number"])],
                "metric": [metric],
                "criterion": 0.1,
            }
            for name, metric in zip(names, metrics, strict=True)
        }
        answer = [[cell if draw.random() > 0.1 else draw.choice(ODD) for cell in row] for row in rows]
        lines = [names, ["---"] * len(names), *answer]
        text = "\n".join("| " + " | ".join(" ".join(cell.split()) for cell in line) + " |" for line in lines)
        evaluation = {"required": names, "unique_columns": names[:1], "eval_pipeline": pipeline}
        scored += any(compare(evaluation, gold, f"```markdown\n{text}\n```"))
    assert scored


def _real_tables(path: Path, count: int) -> Any:
    """The header and rows of some tables of the data, up to 25 rows each."""
    with gzip.open(path, "rt") as file:
        for line in itertools.islice(file, 0, count * 20, 20):
            table = json.loads(line)
            rows = [[_text(cell) for cell in row] for row in table["data"][:25]]
            yield [_text(cell) for cell in table["header"]], rows


def _text(cell: Any) -> str:
    while isinstance(cell, list):
        cell = cell[0] if cell else ""
    return str(cell.get("text", "")) if isinstance(cell, dict) else str(cell)
