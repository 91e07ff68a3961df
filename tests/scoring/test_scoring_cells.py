"""Comparing two cells: text, numbers, dates, addresses."""

from __future__ import annotations

import datetime

import pytest

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.scoring import Judge, OfflineJudge
from wideseek_env.scoring.cells import cells_match, key_of
from wideseek_env.scoring.dates import Span, parse_dates
from wideseek_env.scoring.numbers import parse_number
from wideseek_env.scoring.text import is_empty, lenient_key, text_key
from wideseek_env.task import ColumnSpec

EPOCH = datetime.date(1970, 1, 1)


def _days(first: str, last: str | None = None) -> Span:
    one, other = (datetime.date.fromisoformat(day) for day in (first, last or first))
    return Span((one - EPOCH).days, (other - EPOCH).days)


SAME_TEXT = [
    ("Paris", "paris"),
    ("  New   York ", "new york"),
    ("New York", "NewYork"),
    ("ＡＢＣ１２３", "abc123"),
    ("Straße", "STRASSE"),
    ("it’s", "it's"),
    ("“quoted”", '"quoted"'),
    ('"Paris"', "Paris"),
    ("1990–1995", "1990-1995"),
    ("1,234,567", "1234567"),
    ("1 234", "1234"),
    ("12.50", "12.5"),
    ("3.0", "3"),
    ("Acme Inc.", "Acme Inc"),
    ("Paris[1]", "Paris"),
    ("Paris [citation needed]", "Paris"),
    ("*Alice*", "alice"),
    ("Alice*", "alice"),
    ("**Alice**", "alice"),
    ("北京，中国", "北京,中国"),
    ("（甲）", "(甲)"),
    ("zero\u200bwidth", "zerowidth"),
    ("", "N/A"),
    ("—", "unknown"),
    ("无", ""),
]
OTHER_TEXT = [
    ("Paris", "London"),
    ("", "Paris"),
    ("N/A", "Paris"),
    ("007", "7"),
    ("12 3", "1 23"),
    ("1.5", "15"),
    ("José", "Jose"),
    ("C", "C++"),
    ("[1]", "[2]"),
    ("*", "!"),
]


@pytest.mark.parametrize(("one", "other"), SAME_TEXT)
def test_same_text(one: str, other: str) -> None:
    assert cells_match(one, other)
    assert cells_match(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER_TEXT)
def test_other_text(one: str, other: str) -> None:
    assert not cells_match(one, other)
    assert not cells_match(other, one)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("José Núñez", "Jose Nunez", True),
        ("The Beatles", "Beatles", True),
        ("Simon & Garfunkel", "Simon and Garfunkel", True),
        ("U.S.A.", "USA", True),
        ("New-York", "New York", True),
        ("Łódź", "Lodz", True),
        ("snake_case", "snake case", True),
        ("C", "C++", False),
        ("C", "C#", False),
        ("3.5", "35", False),
        ("1/2", "12", False),
        ("-5", "5", False),
        ("!!!", "???", False),
        ("The", "A", False),
        ("が", "か", False),
    ],
)
def test_lenient_key(one: str, other: str, same: bool) -> None:
    assert (lenient_key(one) == lenient_key(other)) is same


@pytest.mark.parametrize(
    ("cell", "empty"),
    [
        ("", True),
        (" ", True),
        ("N/A", True),
        ("–", True),
        ("None", True),
        ("未知", True),
        ("0", False),
        ("no", False),
    ],
)
def test_is_empty(cell: str, empty: bool) -> None:
    assert is_empty(cell) is empty


NUMBERS = [
    ("5", 5.0, 1.0),
    ("-5.25", -5.25, 1.0),
    ("−5", -5.0, 1.0),
    ("1,234.5", 1234.5, 1.0),
    ("1.234,5", 1234.5, 1.0),
    ("1.234.567", 1234567.0, 1.0),
    ("12,34,567", 1234567.0, 1.0),
    ("1 234 567,8", 1234567.8, 1.0),
    ("1'234", 1234.0, 1.0),
    ("3,5", 3.5, 1.0),
    ("1,234", 1234.0, 1.0),
    ("50%", 50.0, 0.01),
    ("50 percent", 50.0, 0.01),
    ("百分之50", 50.0, 0.01),
    ("5‰", 5.0, 0.001),
    ("$1.2 million", 1.2e6, 1.0),
    ("US$3.5bn", 3.5e9, 1.0),
    ("5K", 5e3, 1.0),
    ("5M", 5e6, 1.0),
    ("5m", 5.0, 1.0),
    ("1.2万", 12000.0, 1.0),
    ("3 亿", 3e8, 1.0),
    ("1.5万亿元", 1.5e12, 1.0),
    ("5千米", 5.0, 1.0),
    ("6×10^23", 6e23, 1.0),
    ("6.02 × 10²³", 6.02e23, 1.0),
    ("1e-3", 1e-3, 1.0),
    ("3½", 3.5, 1.0),
    ("１２３", 123.0, 1.0),
    ("~300 people", 300.0, 1.0),
    ("-$5", -5.0, 1.0),
    ("2010-2015", 2010.0, 1.0),
    ("1.2.3", 1.2, 1.0),
    (".5", 0.5, 1.0),
]


@pytest.mark.parametrize(("cell", "value", "unit"), NUMBERS)
def test_parse_number(cell: str, value: float, unit: float) -> None:
    number = parse_number(cell)
    assert number is not None
    assert number.value == pytest.approx(value, rel=1e-12)
    assert number.unit == unit


@pytest.mark.parametrize("cell", ["", "none", "五", "1e999", "9" * 500, "1" * 3000])
def test_no_number(cell: str) -> None:
    assert parse_number(cell) is None


DATES = [
    ("2020-05-03", _days("2020-05-03")),
    ("2020-05-03T10:00:00Z", _days("2020-05-03")),
    ("2020/5/3", _days("2020-05-03")),
    ("20200503", _days("2020-05-03")),
    ("May 3, 2020", _days("2020-05-03")),
    ("May 3rd, 2020", _days("2020-05-03")),
    ("3 May 2020", _days("2020-05-03")),
    ("3rd of May 2020", _days("2020-05-03")),
    ("3-May-2020", _days("2020-05-03")),
    ("3-May-99", _days("1999-05-03")),
    ("Sunday, 3 May 2020", _days("2020-05-03")),
    ("Sept. 5, 1999", _days("1999-09-05")),
    ("2020 May 3", _days("2020-05-03")),
    ("May 3, 2020 (Berlin)", _days("2020-05-03")),
    ("May 3, 2020, 10:30 pm", _days("2020-05-03")),
    ("released on May 3, 2020", _days("2020-05-03")),
    ("03.05.2020", _days("2020-05-03")),
    ("25/12/1999", _days("1999-12-25")),
    ("12/25/1999", _days("1999-12-25")),
    ("2020年5月3日", _days("2020-05-03")),
    ("2020年五月3日", _days("2020-05-03")),
    ("2020-02-29", _days("2020-02-29")),
    ("May 2020", _days("2020-05-01", "2020-05-31")),
    ("2020-05", _days("2020-05-01", "2020-05-31")),
    ("05/2020", _days("2020-05-01", "2020-05-31")),
    ("2020年2月", _days("2020-02-01", "2020-02-29")),
    ("2020", _days("2020-01-01", "2020-12-31")),
    ("c. 1990", _days("1990-01-01", "1990-12-31")),
    ("the 1990s", _days("1990-01-01", "1999-12-31")),
    ("19th century", _days("1801-01-01", "1900-12-31")),
    ("AD 476", _days("0476-01-01", "0476-12-31")),
]


@pytest.mark.parametrize(("cell", "span"), DATES)
def test_parse_date(cell: str, span: Span) -> None:
    assert parse_dates(cell) == (span,)


def test_a_numeric_date_has_two_readings() -> None:
    assert parse_dates("05/03/2020") == (_days("2020-05-03"), _days("2020-03-05"))
    assert parse_dates("05/05/2020") == (_days("2020-05-05"),)


def test_years_before_christ_come_before() -> None:
    (caesar,), (augustus,) = parse_dates("March 15, 44 BC"), parse_dates("AD 14")
    assert caesar.first == caesar.last < augustus.first
    assert parse_dates("公元前44年") == parse_dates("44 BCE")
    assert parse_dates("1 BC")[0].last + 1 == parse_dates("AD 1")[0].first


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "soon",
        "2020-13-01",
        "2021-02-29",
        "2010–2015",
        "May to June 2020",
        "1,234 m",
        "32 May 2020",
        "x" * 500,
    ],
)
def test_no_date(cell: str) -> None:
    assert parse_dates(cell) == ()


NUMBER = ColumnSpec(("number_near",), (), 0.1)
EXACT_NUMBER = ColumnSpec(("exact_match",), ("extract_number",))
DATE = ColumnSpec(("date_near",), ())
EXACT_DATE = ColumnSpec(("exact_match",), ("norm_date",))
URL = ColumnSpec(("url_match",))
INSIDE = ColumnSpec(("in_match",))

METRIC_CASES = [
    ("100", "105", NUMBER, True),
    ("89", "100", NUMBER, False),
    ("110", "100", NUMBER, True),
    ("-100", "100", NUMBER, False),
    ("0", "0", NUMBER, True),
    ("0.001", "0", NUMBER, False),
    ("50%", "0.5", NUMBER, True),
    ("50%", "50", NUMBER, True),
    ("50%", "5", NUMBER, False),
    ("1.2 million", "1,200,000", NUMBER, True),
    ("120万", "1,200,000", NUMBER, True),
    ("about 5 km", "5", NUMBER, True),
    ("many", "5", NUMBER, False),
    ("many", "Many", NUMBER, True),
    ("few", "many", NUMBER, False),
    ("", "5", NUMBER, False),
    ("", "N/A", NUMBER, True),
    ("100", "100.0000001", ColumnSpec(("number_near",)), True),
    ("100", "101", ColumnSpec(("number_near",)), False),
    ("104", "100", ColumnSpec(("number_near",), (), "0.05"), True),
    ("1,500 t", "1500", EXACT_NUMBER, True),
    ("1,501 t", "1500", EXACT_NUMBER, False),
    ("2020-05-03", "May 3, 2020", DATE, True),
    ("2020-06-03", "May 3, 2020", DATE, True),
    ("2020-06-04", "May 3, 2020", DATE, False),
    ("May 2020", "2020-05-20", DATE, True),
    ("2020", "2020-05-20", DATE, False),
    ("2020-05-20", "2020", DATE, True),
    ("2021-01-02", "2020", DATE, False),
    ("1995", "1990s", DATE, True),
    ("2010–2015", "2010-2015", DATE, True),
    ("2010", "2010–2015", DATE, False),
    ("3 May", "May 3", DATE, True),
    ("3 May", "2004-05-03", DATE, False),
    ("TBA", "unknown", DATE, True),
    ("2020-05-05", "2020-05-03", ColumnSpec(("date_near",), (), 2), True),
    ("2020-05-06", "2020-05-03", ColumnSpec(("date_near",), (), 2), False),
    ("05/03/2020", "2020-03-05", EXACT_DATE, True),
    ("May 3, 2020", "3.5.2020", EXACT_DATE, True),
    ("May 4, 2020", "3.5.2020", EXACT_DATE, False),
    ("https://www.Example.org/a?b#c", "http://example.org", URL, True),
    ("[site](https://example.org)", "example.org", URL, True),
    ("https://example.com", "https://example.org", URL, False),
    ("Example", "https://example.org", URL, False),
    ("http://[bad", "https://example.org", URL, False),
    ("Paris", "Paris, France", INSIDE, True),
    ("Par", "Paris, France", INSIDE, False),
    ("Paris, France", "Paris", INSIDE, False),
    ("", "Paris", INSIDE, False),
    ("北京", "中国北京市", INSIDE, True),
    ("aris, F", "Paris, France aris, F", INSIDE, True),
    ("Paris", "paris", ColumnSpec(("llm_judge",)), True),
    ("Paris", "City of Paris", ColumnSpec(("llm_judge",)), False),
    ("Paris", "paris", ColumnSpec(()), True),
    ("Paris", "Rome", ColumnSpec(()), False),
    ("104", "100", ColumnSpec(("number_near", "exact_match"), (), 0.1), False),
    ("10", "10 km", ColumnSpec(("number_near", "in_match"), (), 0.9), True),
    ("10", "100 10", ColumnSpec(("number_near", "in_match"), (), 0.9), False),
]


@pytest.mark.parametrize(("predicted", "gold", "spec", "right"), METRIC_CASES)
def test_metrics(predicted: str, gold: str, spec: ColumnSpec, right: bool) -> None:
    assert cells_match(predicted, gold, spec) is right


@pytest.mark.parametrize("criterion", ["much", -1, float("inf"), float("nan")])
@pytest.mark.parametrize("metric", ["number_near", "date_near"])
def test_a_tolerance_must_be_a_number(metric: str, criterion: float | str) -> None:
    with pytest.raises(TaskError, match="criterion"):
        cells_match("1", "2", ColumnSpec((metric,), (), criterion))


@pytest.mark.parametrize(
    ("one", "other", "spec"),
    [
        ("May 3, 2020", "2020-05-03", DATE),
        ("1,234", "1234.0", NUMBER),
        ("https://www.x.org/a/", "http://x.org/a", URL),
        ("PARIS", "Paris", ColumnSpec()),
    ],
)
def test_keys_are_equal(one: str, other: str, spec: ColumnSpec) -> None:
    assert key_of(one, spec) == key_of(other, spec)


@pytest.mark.parametrize(
    ("one", "other", "spec"),
    [
        ("2020-05-03", "2020-05-04", DATE),
        ("2020", "2020-05-04", DATE),
        ("100", "101", NUMBER),
        ("https://x.org/a", "https://x.org/b", URL),
    ],
)
def test_tolerances_play_no_part_in_keys(one: str, other: str, spec: ColumnSpec) -> None:
    assert key_of(one, spec) != key_of(other, spec)


@pytest.mark.parametrize(
    ("predicted", "gold", "right"),
    [
        ("USA", "United States", True),
        ("Jose", "José", True),
        ("1.2 million people", "1,200,000", True),
        ("12 km", "12 miles", False),
        ("12 km", "12", True),
        ("May 3, 2020", "2020-05-03", True),
        ("May 4, 2020", "2020-05-03", False),
        ("tea, coffee and milk", "milk; tea; coffee", True),
        ("tea, coffee", "milk; tea; coffee", False),
        ("Museum of Modern Arts", "Museum of Modern Art", True),
        ("Season 1 finale episode", "Season 2 finale episode", False),
        ("red", "blue", False),
        ("", "blue", False),
        ("n/a", "", True),
        ("word " * 200 + "x", "word " * 200 + "y", False),
        ("a b c d e f g h i j k l m " * 20, "m l k j i h g f e d c b a " * 20, True),
    ],
)
def test_offline_judge(predicted: str, gold: str, right: bool) -> None:
    assert OfflineJudge().judge("Column", "", [(predicted, gold)]) == [right]


def test_offline_judge_settings() -> None:
    judge = OfflineJudge(threshold=0.5, aliases={"Big Apple": "New York"})
    assert isinstance(judge, Judge)
    assert judge.agree("The Big Apple", "New York")
    assert judge.agree("abcd", "abxx")
    assert "0.5" in judge.name
    with pytest.raises(ConfigError, match="threshold"):
        OfflineJudge(threshold=0)


def test_memory_is_not_spent_on_long_cells() -> None:
    long = "A" * 100_000
    assert text_key(long) == long.lower()
    assert text_key(long) is not text_key(long)
