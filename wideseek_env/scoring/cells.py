"""Compares a predicted cell with the gold cell, by the metrics that a column names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from wideseek_env.errors import TaskError
from wideseek_env.scoring.dates import dates_near, parse_dates
from wideseek_env.scoring.markup import link_target, plain_text
from wideseek_env.scoring.numbers import numbers_near, parse_number
from wideseek_env.scoring.text import is_empty, memoised, squash, text_key
from wideseek_env.task import ColumnSpec

Comparison = Callable[[str, str], bool]
"""A function of the predicted and the gold cell. Both cells still have their markup."""

DEFAULT_DAYS = 31.0
"""The default tolerance of `date_near` in days. The WideSearch benchmark has the same default."""


@lru_cache(maxsize=4096)
def comparison(spec: ColumnSpec) -> Comparison:
    """The comparison by all metrics of `spec` that are rules. With the metric `llm_judge` only equal texts agree.

    With every metric, two cells with the same normalised text agree. Two cells that both mean "no value" (blank, ``-``,
    ``N/A``) agree too. A blank prediction never agrees with a gold value. A cell is right when all metrics of its
    column agree. A column without metrics is compared by `exact_match`.

    Raises:
        TaskError: A tolerance is not a number of 0 or more.
    """
    rules = tuple(_rule(metric, spec) for metric in spec.metrics or ("exact_match",))
    # Numbers and dates are cheaper to compare than texts. A cell with a number or date is not blank.
    typed = all(_is_typed(metric, spec) for metric in spec.metrics or ("exact_match",))

    def agree(predicted: str, gold: str) -> bool:
        if predicted == gold:
            return True
        if typed and all(rule(predicted, gold) for rule in rules):
            return True
        if text_key(predicted) == text_key(gold):
            return True
        if is_empty(predicted) or is_empty(gold):
            return is_empty(predicted) and is_empty(gold)
        return not typed and all(rule(predicted, gold) for rule in rules)

    return agree


@lru_cache(maxsize=4096)
def open_question(spec: ColumnSpec) -> Comparison:
    """A function that returns whether the judge must decide about two cells of a column with `llm_judge`.

    The judge must decide if neither cell is blank, the texts differ, and every other metric of the column accepts the
    pair.
    """
    others = tuple(metric for metric in spec.metrics if metric != "llm_judge")
    agree = comparison(replace(spec, metrics=others)) if others else None

    def is_open(predicted: str, gold: str) -> bool:
        if is_empty(predicted) or is_empty(gold) or text_key(predicted) == text_key(gold):
            return False
        return agree is None or agree(predicted, gold)

    return is_open


def cells_match(predicted: str, gold: str, spec: ColumnSpec | None = None) -> bool:
    """Whether two cells agree by the rule metrics of `spec`. The default is an exact match on normalised text."""
    return comparison(spec or ColumnSpec())(predicted, gold)


def key_of(cell: str, spec: ColumnSpec) -> str:
    """The value by which rows with this key cell are found. Two spellings of the same thing have the same value.

    Keys have no tolerance. The key of a date or number column is the exact date or number.
    """
    if "date_near" in spec.metrics or "norm_date" in spec.preprocess:
        dates = parse_dates(cell)
        return f"date {dates[0]}" if dates else text_key(cell)
    if "number_near" in spec.metrics or "extract_number" in spec.preprocess:
        number = parse_number(cell)
        return f"number {number.value * number.unit:.12g}" if number is not None else text_key(cell)
    if "url_match" in spec.metrics:
        address = _address(cell)
        return "/".join(address) if address is not None else text_key(cell)
    return text_key(cell)


def _is_typed(metric: str, spec: ColumnSpec) -> bool:
    if metric == "exact_match":
        return "extract_number" in spec.preprocess or "norm_date" in spec.preprocess
    return metric in ("number_near", "date_near")


def _rule(metric: str, spec: ColumnSpec) -> Comparison:
    if metric == "number_near":
        return _number_rule(_tolerance(spec, 0.0))
    if metric == "date_near":
        return _date_rule(_tolerance(spec, DEFAULT_DAYS))
    if metric == "url_match":
        return same_host
    if metric == "in_match":
        return contained
    if "extract_number" in spec.preprocess:
        return _number_rule(0.0)
    if "norm_date" in spec.preprocess:
        return _date_rule(0.0)
    return _never  # exact_match and llm_judge: equal texts are found before any rule is used


def _number_rule(tolerance: float) -> Comparison:
    def near(predicted: str, gold: str) -> bool:
        one, other = parse_number(predicted), parse_number(gold)
        return one is not None and other is not None and numbers_near(one, other, tolerance)

    return near


def _date_rule(days: float) -> Comparison:
    def near(predicted: str, gold: str) -> bool:
        return dates_near(parse_dates(predicted), parse_dates(gold), days)

    return near


def _never(predicted: str, gold: str) -> bool:
    return False


def same_host(predicted: str, gold: str) -> bool:
    """Whether two cells point to the same host. Scheme, ``www.``, path and query are ignored."""
    one, other = _address(predicted), _address(gold)
    return one is not None and other is not None and one[0] == other[0]


def contained(predicted: str, gold: str) -> bool:
    """Whether the predicted text occurs in the gold text, as whole words in scripts that separate words."""
    needle, hay = squash(predicted).strip(" .,;\"'"), squash(gold)
    at = hay.find(needle) if needle else -1
    while at >= 0:
        end = at + len(needle)
        if not (_joined(hay[at - 1 : at], needle[0]) or _joined(needle[-1], hay[end : end + 1])):
            return True
        at = hay.find(needle, at + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """Whether a word continues across these two characters. Chinese and Japanese have no spaces between words."""
    return bool(left and right) and left.isalnum() and right.isalnum() and max(left, right) < "\u2e80"


@memoised
def _address(cell: str) -> tuple[str, str] | None:
    """The host and path of the URL in `cell`, normalised. None when there is no URL."""
    target = link_target(cell) or plain_text(cell)
    if not target or " " in target or "." not in target:
        return None
    try:
        parts = urlsplit(target if "://" in target else f"//{target}")
        host = (parts.hostname or "").removeprefix("www.").rstrip(".")
    except ValueError:
        return None
    if "." not in host:
        return None
    path = unquote(parts.path).rstrip("/")
    return host, f"{path.lstrip('/')}?{parts.query}" if parts.query else path.lstrip("/")


def _tolerance(spec: ColumnSpec, default: float) -> float:
    if spec.criterion is None:
        return default
    try:
        value = float(spec.criterion)
    except (ValueError, OverflowError):
        value = -1.0
    if not 0 <= value < float("inf"):
        raise TaskError(f"{spec.metrics} needs a number of 0 or more as criterion, not {spec.criterion!r}")
    return value
