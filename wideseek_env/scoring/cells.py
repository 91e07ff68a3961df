"""Compares a predicted cell with the gold cell, by the metrics that a column names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from wideseek_env.errors import TaskError
from wideseek_env.scoring.dates import dates_near, parse_dates
from wideseek_env.scoring.markup import link_targets, plain_text
from wideseek_env.scoring.quantities import plain_number, quantities_agree, read_quantity, same_quantity
from wideseek_env.scoring.text import is_empty, memoised, squash, text_key
from wideseek_env.scoring.values import numbers_agree
from wideseek_env.task import ColumnSpec

Comparison = Callable[[str, str], bool]
"""A function of the predicted and the gold cell. Both cells still have their markup."""

DEFAULT_DAYS = 31.0
"""The default tolerance of `date_near` in days. The WideSearch benchmark has the same default."""


_TEXT = ColumnSpec()


@lru_cache(maxsize=4096)
def comparison(spec: ColumnSpec) -> Comparison:
    """The comparison by all metrics of `spec` that are rules. With the metric `llm_judge` only equal texts agree.

    With every metric, two cells with the same normalised text agree. Two cells that both mean "no value" (blank, ``-``,
    ``N/A``) agree too. A blank prediction never agrees with a gold value. A cell is right when all metrics of its
    column agree. A column without metrics is compared by `exact_match`.

    Raises:
        TaskError: A tolerance is not a number of 0 or more.
    """
    rule = _all_of([_rule(metric, spec) for metric in spec.metrics or ("exact_match",)])
    # Numbers and dates are cheaper to compare than texts. A cell with a number or date is not blank.
    typed = all(_is_typed(metric, spec) for metric in spec.metrics or ("exact_match",))
    has_address = "url_match" in spec.metrics

    def agree(predicted: str, gold: str) -> bool:
        if predicted == gold:
            return True
        if typed and rule(predicted, gold):
            return True
        if text_key(predicted) == text_key(gold) and not (
            has_address and _addresses(predicted) and _addresses(gold)
        ):
            return True
        if is_empty(predicted) or is_empty(gold):
            return is_empty(predicted) and is_empty(gold)
        return not typed and rule(predicted, gold)

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
        if same_quantity(predicted, gold):
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
    if spec.metrics == _TEXT.metrics and spec.preprocess == _TEXT.preprocess:
        return text_key(cell)  # most keys
    if "date_near" in spec.metrics or "norm_date" in spec.preprocess:
        dates = parse_dates(cell)
        return f"date {dates[0]}" if dates else text_key(cell)
    if "number_near" in spec.metrics or "extract_number" in spec.preprocess:
        quantity = read_quantity(cell)
        return f"number {quantity.key}" if quantity is not None else text_key(cell)
    if "url_match" in spec.metrics:
        addresses = _addresses(cell)
        return "/".join(addresses[0]) if len(addresses) == 1 else text_key(cell)
    return text_key(cell)


def _is_typed(metric: str, spec: ColumnSpec) -> bool:
    if metric == "exact_match":
        return "extract_number" in spec.preprocess or "norm_date" in spec.preprocess
    return metric in ("number_near", "date_near")


def _all_of(rules: Sequence[Comparison]) -> Comparison:
    if len(rules) == 1:
        return rules[0]
    return lambda predicted, gold: all(rule(predicted, gold) for rule in rules)


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
    return same_quantity  # exact_match and llm_judge: equal texts are found before any rule is used


def _number_rule(tolerance: float) -> Comparison:
    def near(predicted: str, gold: str) -> bool:
        number, gold_number = plain_number(predicted), plain_number(gold)
        if number is not None and gold_number is not None:
            return numbers_agree(number, gold_number, tolerance)
        one, other = read_quantity(predicted), read_quantity(gold)
        return one is not None and other is not None and quantities_agree(one, other, tolerance)

    return near


def _date_rule(days: float) -> Comparison:
    def near(predicted: str, gold: str) -> bool:
        dates, gold_dates = parse_dates(predicted), parse_dates(gold)
        if not dates and not gold_dates:
            return same_quantity(predicted, gold)  # a range of years
        return dates_near(dates, gold_dates, days)

    return near


def same_host(predicted: str, gold: str) -> bool:
    """Whether two cells point to the same hosts. Scheme, ``www.``, path and query are ignored."""
    hosts = {host for host, _ in _addresses(predicted)}
    return bool(hosts) and hosts == {host for host, _ in _addresses(gold)}


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
def _addresses(cell: str) -> tuple[tuple[str, str], ...]:
    """The host and path of each URL in `cell`, normalised. Text without a scheme is a URL if it is all of the cell."""
    found = [_address(target) for target in link_targets(cell) or (plain_text(cell),)]
    return tuple(dict.fromkeys(address for address in found if address is not None))


def _address(target: str) -> tuple[str, str] | None:
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
