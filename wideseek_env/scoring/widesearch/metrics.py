"""The column metrics and cell preprocessors of the WideSearch benchmark, with exactly the same results.

Source: ``src/evaluation/metric_utils.py`` of ByteDance-Seed/WideSearch. A metric compares the preprocessed predicted
and gold cells. Any error in a metric makes the score of the whole table 0, as in the benchmark.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from urllib.parse import urlparse

from wideseek_env.scoring.widesearch.dates import Failure, norm_date, parse_date
from wideseek_env.task import ColumnSpec

Metric = Callable[[str, str], bool]

_NUMBER = re.compile(r"[-+]?\d*\.\d+%?|[-+]?\d+\.?\d*%?")
_ADDRESS = re.compile(r"https?://[!$-_a-z]+")
_ODD_SPACE = re.compile(r"[^\S \n]")
_NEAR_DAYS = 31


def norm_str(cell: str) -> str:
    """`cell` in lower case, without outer white space, spaces and asterisks."""
    return cell.lower().strip().replace(" ", "").replace("*", "")


def extract_number(cell: str) -> str:
    """The first number of `cell` with its sign and percent sign and without commas. ``NULL`` when there is no
    number."""
    match = _NUMBER.search(cell.replace(",", ""))
    return match[0] if match is not None else "NULL"


def preprocess(cells: Sequence[str], spec: ColumnSpec, today: datetime.date | None) -> Sequence[str]:
    """`cells` of a column after the preprocessors of its spec, in order. ``norm_date`` reads relative dates from
    `today`."""
    for name in spec.preprocess:
        if name == "norm_date":
            cells = [norm_date(cell, today) for cell in cells]
        elif name == "norm_str":
            cells = _norm_all(cells)
        else:
            cells = list(map(extract_number, cells))
    return cells


def _norm_all(cells: Sequence[str]) -> list[str]:
    """`norm_str` of all cells, in one call if they have no white space other than spaces."""
    text = "\n".join(cells)
    if not cells or _ODD_SPACE.search(text) is not None or text.count("\n") >= len(cells):
        return list(map(norm_str, cells))
    return text.lower().replace(" ", "").replace("*", "").split("\n")


def metric(name: str, spec: ColumnSpec, today: datetime.date | None) -> Metric:
    """The rule metric called `name` for a column with `spec`. The metric is a function of the predicted and the gold
    cell."""
    if name == "number_near":
        criterion = spec.criterion

        def number_near(predicted: str, gold: str) -> bool:
            one, other = _number(predicted), _number(gold)
            if one is None or other is None:
                return one is None and other is None and predicted == gold
            return abs(one - other) <= abs(other) * criterion  # type: ignore[operator]

        return number_near
    if name == "date_near":

        def date_near(predicted: str, gold: str) -> bool:
            if predicted == gold:
                return True
            one, other = _date(predicted, today), _date(gold, today)
            if one is None or other is None:
                return one is None and other is None
            return abs((one - other).days) <= _NEAR_DAYS

        return date_near
    return {"exact_match": _exact_match, "url_match": _url_match, "in_match": _in_match}[name]


def _exact_match(predicted: str, gold: str) -> bool:
    return predicted == gold or predicted.lower() == gold.lower()


def _in_match(predicted: str, gold: str) -> bool:
    return predicted in gold


def _url_match(predicted: str, gold: str) -> bool:
    return _hosts(predicted) == _hosts(gold)


def _hosts(cell: str) -> set[str]:
    return {urlparse(address).netloc for address in _ADDRESS.findall(cell)}


def _number(cell: str) -> float | None:
    try:
        return float(cell.replace("%", "")) / 100.0 if "%" in cell else float(cell)
    except ValueError:
        return None


def _date(cell: str, today: datetime.date | None) -> datetime.datetime | None:
    try:
        return parse_date(cell, today)
    except Failure:
        return None
