"""Dates read at once against dateparser, and what depends on the day."""

from __future__ import annotations

import datetime
import random
import sys

import pytest

from wideseek_env.errors import MissingDependencyError
from wideseek_env.scoring import score_response
from wideseek_env.scoring.widesearch import dates
from wideseek_env.task import ColumnSpec, Table, Task

pytestmark = pytest.mark.filterwarnings("ignore")  # of dateparser

DAYS = (
    datetime.datetime(2024, 2, 29, 12),
    datetime.datetime(2026, 1, 31, 1, 2),
    datetime.datetime(1999, 12, 31),
)
FORMS = (
    *(
        "{y}-{m:02}-{d:02}",
        "{y}/{m}/{d}",
        "{y}.{m:02}.{d}",
        "{y}-{m:02}",
        "{y}/{m}",
        "{y}",
        "{y}.0",
        "{y}{d:03}",
    ),
    *("{n} {d}, {y}", "{n} {d} {y}", "{n}. {d:02}, {y}", "{n}{d},{y}", "{n} {d}th, {y}", "{n}. {d}st,{y}"),
    *("{d} {n} {y}", "{d:02} {n}, {y}", "{d}{n}{y}", "{d}th {n} {y}", "{d} {n}. {y}", "{d}nd {n}{y}"),
    *("{n} {y}", "{n}, {y}", "{n}{y}", "{n}. {y}", "{m:02}/{d:02}/{y}", "{d}/{m}/{y}", "{m}/{d}/{y}"),
    *("{y}年{m}月{d}日", "{y}年{m:02}月{d:02}日", "{y}年{m}月"),
)
OTHERS = (
    *("", "nan", "TBD", "c. 1999", "2020s", "3 March", "yesterday", "2 weeks ago", "12", "2020-13-45", "99"),
    *(
        "2020-03-14T10:00:00Z",
        "2020-03-14 10:30",
        "Thursday, March 14, 2019",
        "14.03.2019",
        "30 February 2020",
    ),
    *("mars 2020", "2019年03月", "1stMay 2020", "0999", "19 de mayo de 2020", "2020-3-14."),
)


def texts(count: int) -> list[str]:
    draw = random.Random(7)
    found = []
    for number in range(count):
        values = {
            "y": draw.choice((draw.randint(1000, 9999), draw.randint(1850, 2035))),
            "m": draw.randint(1, 12),
            "d": draw.randint(1, 31),
            "n": draw.choice((str.lower, str.title, str.upper))(draw.choice(list(dates._MONTHS))),
        }
        found.append(FORMS[number % len(FORMS)].format(**values))
    return found


def test_quick_dates_are_those_of_dateparser() -> None:
    dateparser = pytest.importorskip("dateparser", minversion="1.2")
    decided = 0
    for number, text in enumerate(texts(320)):
        day = DAYS[number % len(DAYS)]
        quick = dates._quick(text)
        if quick is dates._UNDECIDED:
            continue
        decided += 1
        settings = {"PREFER_DAY_OF_MONTH": "first", "RELATIVE_BASE": day}
        assert dates.parse_date(text, day) == dateparser.parse(text, settings=settings), text
    assert decided > 250


@pytest.mark.parametrize("text", OTHERS)
def test_other_dates_go_to_dateparser(text: str) -> None:
    dateparser = pytest.importorskip("dateparser", minversion="1.2")
    assert dates._quick(text) is dates._UNDECIDED
    settings = {"PREFER_DAY_OF_MONTH": "first", "RELATIVE_BASE": DAYS[0]}
    assert dates.parse_date(text, DAYS[0]) == dateparser.parse(text, settings=settings)
    assert dates.parse_date(text, DAYS[0]) == dates.parse_date(text, DAYS[0])  # also when it is remembered


def test_normal_dates_are_dates_and_all_else_is_left_alone() -> None:
    day = datetime.date(2026, 5, 31)
    for text, normal in {
        "March 14, 2020": "2020-03-14",
        "2020-03-14": "2020-03-14",
        "2020-13-05": "2020-05-13",
        "2020-02-30": "2020-02-30",
        "2020": "2020-05-01",
        "soon": "soon",
    }.items():
        assert [dates.norm_date(text, day), dates.norm_date(text, day)] == [normal, normal]
    assert dates.norm_date("2020", datetime.date(2026, 7, 1)) == "2020-07-01"


def test_a_year_is_this_month_of_it() -> None:
    assert dates.parse_date("2020", datetime.date(2026, 5, 31)) == datetime.datetime(2020, 5, 1)
    now = datetime.date.today()
    assert dates.parse_date("2020") in {
        datetime.datetime(2020, day.month, 1) for day in (now, datetime.date.today())
    }


def test_relative_dates_are_not_remembered() -> None:
    pytest.importorskip("dateparser", minversion="1.2")
    one, other = dates.parse_date("10 minutes ago"), dates.parse_date("10 minutes ago")
    assert one is not None
    assert other is not None
    assert one < other
    assert dates.parse_date("Thursday, March 14, 2019") is dates.parse_date("Thursday, March 14, 2019")


TASK = Task(
    "t", "q", ("name", "born"), ("name",), Table(("name", "born"), (("A", "2020"),)),
    {"born": ColumnSpec(("date_near",), ())},
)  # fmt: skip


def test_the_day_can_be_passed_in() -> None:
    answer = "|name|born|\n|-|-|\n|A|2020-05-20|"
    assert score_response(answer, TASK, strict=True, today=datetime.date(2026, 5, 3)).score == 1.0
    assert score_response(answer, TASK, strict=True, today=datetime.date(2026, 9, 3)).score == 0.0


def test_without_dateparser_only_other_dates_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    dates._dateparser.cache_clear()
    monkeypatch.setitem(sys.modules, "dateparser", None)
    day = datetime.date(2021, 7, 1)
    try:
        assert (
            score_response("|name|born|\n|-|-|\n|A|July 1, 2020|", TASK, strict=True, today=day).score == 1.0
        )
        with pytest.raises(MissingDependencyError, match=r"pip install .*widesearch"):
            score_response("|name|born|\n|-|-|\n|A|about July|", TASK, strict=True, today=day)
    finally:
        dates._dateparser.cache_clear()
