"""Conditions on the rows of a list, in a form of English that a program can parse."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from wideseek_env.corpus.synthetic.attributes import Attribute, article
from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.kinds import KINDS
from wideseek_env.corpus.synthetic.model import Entity
from wideseek_env.corpus.synthetic.values import Value, year_of

Relation = Literal["before", "after", "more", "less", "is"]


@dataclass(frozen=True)
class Filter:
    """A condition on the attribute `label`: before or after a year, more or less than a number, or equal to a text.

    `label` is in lower case. `value` has the form that it has in questions: ``1900``, ``2,000 m²``, ``art museum``.
    """

    label: str
    relation: Relation
    value: str

    def phrase(self) -> str:
        """The condition as a phrase that follows the noun of the rows."""
        if self.relation in ("before", "after"):
            return f"{self.label} {self.relation} {self.value}"
        if self.relation == "is":
            return f"whose {self.label} is {self.value}"
        return f"with {article(self.label)} {self.label} of {self.relation} than {self.value}"

    def phrase_zh(self) -> str:
        """The condition in Chinese, with the English label and value."""
        words = {"before": "早于", "after": "晚于", "more": "大于", "less": "小于", "is": "为"}
        return f"{self.label} {words[self.relation]} {self.value}"


@dataclass(frozen=True)
class ParsedQuestion:
    """The parts of a question: the list's phrase (``museums in Norvania``) and the filters."""

    phrase: str
    filters: tuple[Filter, ...]


_PLURALS = "|".join(sorted((kind.plural for kind in KINDS), key=len, reverse=True))
_PHRASE = re.compile(rf"\b(?:{_PLURALS}) (?:in|from) [A-Z]\w+")
_CONDITION = re.compile(
    r"(?: and)? (?:"
    r"(?P<when>(?:first )?[a-z]+) (?P<side>before|after) (?P<year>\d{4})"
    r"|with an? (?P<size>[a-z -]+?) of (?P<cmp>more|less) than (?P<number>\d+(?:,\d{3})*(?: [^\s,.:;?（）()”]+)*?)"
    r"|whose (?P<what>[a-z -]+?) is (?P<option>[a-z -]+?)"
    r")(?= and (?:with|whose|[a-z]+ before|[a-z]+ after|first )|[,.:;?）)”]|$)"
)


def parse_question(question: str) -> ParsedQuestion | None:
    """Parse the phrase and the filters of a question of this package. The result is None for a question of another
    kind.

    The function reads nothing but the text, so a scripted policy may call it. In Chinese questions too, the list's
    phrase is in English. The filters follow the phrase, joined by "and".
    """
    phrase = _PHRASE.search(question)
    if phrase is None:
        return None
    filters: list[Filter] = []
    at = phrase.end()
    while (found := _CONDITION.match(question, at)) is not None:
        at = found.end()
        if found["year"]:
            filters.append(
                Filter(found["when"], "before" if found["side"] == "before" else "after", found["year"])
            )
        elif found["number"]:
            filters.append(
                Filter(found["size"], "more" if found["cmp"] == "more" else "less", found["number"])
            )
        else:
            filters.append(Filter(found["what"], "is", found["option"]))
    return ParsedQuestion(phrase[0], tuple(filters))


def propose(
    dice: Dice, attribute: Attribute, entities: Sequence[Entity], least: int
) -> tuple[Filter, list[Entity]] | None:
    """A filter on `attribute` and the entities that it keeps. The result is None when no good filter is found.

    A good filter keeps at least `least` entities and removes at least two. No entity has exactly the value at which the
    filter draws its limit.
    """
    values = [entity.values[attribute.label] for entity in entities]
    label = attribute.label.lower()
    keep: Callable[[Value], bool]
    if attribute.type == "category":
        option = dice.pick(sorted({v.text for v in values}))
        made = Filter(label, "is", option)
        keep = lambda v: v.text == option  # noqa: E731
    elif attribute.type in ("year", "date"):
        years = sorted(year_of(attribute, v) for v in values)
        limit = _middle(dice, years) // 10 * 10
        if limit in years:
            return None
        before = dice.chance(0.5)
        made = Filter(label, "before" if before else "after", str(limit))
        keep = lambda v: (year_of(attribute, v) < limit) == before  # noqa: E731
    elif attribute.type == "number":
        scale = 10**attribute.decimals
        limit = _round(_middle(dice, sorted(v.order for v in values)) // scale)
        if limit == 0 or any(v.order == limit * scale for v in values):
            return None
        more = dice.chance(0.5)
        shown = f"{limit:,} {attribute.unit}" if attribute.unit else f"{limit:,}"
        made = Filter(label, "more" if more else "less", shown)
        keep = lambda v: (v.order > limit * scale) == more  # noqa: E731
    else:
        return None
    kept = [entity for entity, value in zip(entities, values, strict=True) if keep(value)]
    return (made, kept) if least <= len(kept) <= len(entities) - 2 else None


def _middle(dice: Dice, ordered: Sequence[int]) -> int:
    """One of the middle 70 % of the sorted numbers."""
    return ordered[dice.between(len(ordered) * 15 // 100, len(ordered) * 85 // 100)]


def _round(n: int) -> int:
    """`n` rounded to its first two digits."""
    digits = str(n)
    return int(digits[:2] + "0" * (len(digits) - 2))
