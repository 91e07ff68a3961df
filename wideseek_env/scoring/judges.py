"""Judges decide whether two free-text cells mean the same, in cases that rules cannot decide."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Protocol, runtime_checkable

from wideseek_env.errors import ConfigError
from wideseek_env.scoring.dates import Span, dates_near, parse_dates
from wideseek_env.scoring.numbers import Number, numbers_near, parse_number
from wideseek_env.scoring.text import is_empty, lenient_key, squash, text_key


@runtime_checkable
class Judge(Protocol):
    """The protocol of every judge: offline, recorded or a model behind an endpoint.

    `name` identifies the judge and its version in every result for which the judge was asked.
    """

    name: str

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """One verdict per pair of (predicted, gold) cells, in their order.

        All pairs are from the column `column`. `criterion` is the column's instruction to the judge, or empty. Cells
        are plain text. No cell is empty, and no pair has equal normalised texts.
        """
        ...


@runtime_checkable
class KeyAligner(Protocol):
    """A judge that can also find the gold key that is another name of the same thing."""

    name: str

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> Mapping[str, str]:
        """Maps each of the `predicted` keys of `column` to the key in `gold` that means the same, if there is one.

        Keys are plain text. No key is blank. No key occurs twice in `predicted` or in `gold`. Two predicted keys may
        have the same gold key.
        """
        ...


ALIASES: Mapping[str, str] = {
    "us": "united states",
    "usa": "united states",
    "united states of america": "united states",
    "america": "united states",
    "uk": "united kingdom",
    "great britain": "united kingdom",
    "uae": "united arab emirates",
    "prc": "china",
    "people's republic of china": "china",
    "republic of korea": "south korea",
    "korea, south": "south korea",
    "russian federation": "russia",
    "czechia": "czech republic",
    "holland": "netherlands",
    "new york city": "new york",
    "nyc": "new york",
    "y": "yes",
    "n": "no",
    "true": "yes",
    "false": "no",
    "是": "yes",
    "否": "no",
}
"""Short names and the long names that the offline judge uses instead."""

_LIST = re.compile(r"\s*(?:[,;/，；、\n]|\band\b|&)\s*")
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"\w+")
_LONG = 400


class OfflineJudge:
    """A judge without a model. This judge compares numbers and dates by value, and texts by similarity. Its verdicts
    are deterministic.

    Two cells agree if they are one of these:

    * the same number with the same unit, or the same date;
    * the same name, apart from diacritics, punctuation and `aliases`;
    * the same items of a list in any order;
    * texts with equal digits and a similarity (by Ratcliff and Obershelp) of at least `threshold`.

    The judge does not understand meaning. A paraphrase counts as wrong, and two names that differ by one letter may
    count as the same.
    """

    def __init__(self, threshold: float = 0.9, aliases: Mapping[str, str] = ALIASES) -> None:
        if not 0 < threshold <= 1:
            raise ConfigError(
                f"the threshold of the offline judge must be above 0 and at most 1, not {threshold}"
            )
        self.threshold = threshold
        self._aliases = {lenient_key(short): lenient_key(long) for short, long in aliases.items()}
        self.name = f"offline-2(threshold={threshold:g})"

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """One verdict per (predicted, gold) pair. `column` and `criterion` have no effect."""
        return [self.agree(predicted, gold) for predicted, gold in pairs]

    def agree(self, predicted: str, gold: str) -> bool:
        """Whether the two cells agree."""
        if text_key(predicted) == text_key(gold):
            return True
        if is_empty(predicted) or is_empty(gold):
            return is_empty(predicted) and is_empty(gold)
        if self._name(predicted) == self._name(gold):
            return True
        one, other = _measure(predicted), _measure(gold)
        if one is not None and other is not None:
            units = {lenient_key(number.rest) for number in (one, other) if number.rest}
            return len(units) < 2 and numbers_near(one, other, 1e-6)
        dates, gold_dates = parse_dates(predicted), parse_dates(gold)
        if _pure_date(predicted, dates) and _pure_date(gold, gold_dates):
            return dates_near(dates, gold_dates)
        return self._same_items(predicted, gold) or self._similar(squash(predicted), squash(gold))

    def _name(self, cell: str) -> str:
        key = lenient_key(cell)
        return self._aliases.get(key, key)

    def _same_items(self, predicted: str, gold: str) -> bool:
        one, other = ([item for item in _LIST.split(squash(cell)) if item] for cell in (predicted, gold))
        return len(one) == len(other) > 1 and sorted(map(self._name, one)) == sorted(map(self._name, other))

    def _similar(self, one: str, other: str) -> bool:
        if sorted(_DIGITS.findall(one)) != sorted(_DIGITS.findall(other)):
            return False
        if max(len(one), len(other)) > _LONG:  # the time of the matcher is quadratic
            words, others = set(_WORDS.findall(one)), set(_WORDS.findall(other))
            return len(words & others) >= self.threshold * len(words | others) > 0
        matcher = SequenceMatcher(None, one, other, autojunk=False)
        return matcher.real_quick_ratio() >= self.threshold <= min(matcher.quick_ratio(), matcher.ratio())


def _measure(cell: str) -> Number | None:
    """The number in a cell, if there are at most two words or signs around the number and no further digits. None for
    other cells."""
    number = parse_number(cell)
    if number is None or len(number.rest.split()) > 2 or any(map(str.isdigit, number.rest)):
        return None
    return number


def _pure_date(cell: str, dates: tuple[Span, ...]) -> bool:
    """Whether `cell` is a date and not a text that mentions one."""
    return bool(dates) and len(cell) <= 40
