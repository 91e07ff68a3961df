"""Facts that the introductions of many pages state in one fixed form, although few lists have them.

The reader of a fact returns one of three things: the value as the page writes it, "" when the page clearly does not
give the fact, or None when that is not clear. Questions ask for a fact only where no page is unclear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wideseek_env.corpus.hybridqa.values import MONTHS, Kind, parse_date
from wideseek_env.task import Language

_MONTH = f"(?:{'|'.join(month.capitalize() for month in MONTHS)})"
_DAY = rf"(?:{_MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {_MONTH},? \d{{4}})"
FULL_DATE = re.compile(rf"(?<!\d){_DAY}(?!\d)")
_BRACKETS = re.compile(r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_HIDDEN_DATE = re.compile(r"\(\d{4}-\d\d-\d\d\) ")
_VERB = re.compile(r" (?:is|was|are|were) ")
_OPENING = 400
"""The most characters before the first verb."""
_BORN = re.compile(rf"\b(?:[Bb]orn|b\.)[^;)]{{0,80}}?{_DAY}")
_BORN_ON = re.compile(
    rf"(?:\b(?:[Hh]e|[Ss]he) was born|\bborn:?) (?:in [A-Z][^.;\d]{{0,60}}?,? )?(?:on )?({_DAY})(?!\d)"
)
_OTHER_FORM = re.compile(r"\b[Bb](?:orn|\.)[^;)]*(?<![\d/])\d{1,2}(?!\d)[^;)]*\d{4}")
_LIKE_BIRTH = re.compile(rf"\([^()]*{_DAY} ?[-–—−]|\bb\.[^;)]{{0,40}}{_MONTH}")
"""A date of birth, perhaps, at a place where it is not looked for."""
_OTHER_NAMES = re.compile(r"^.*(?=\bborn\b)")
_DIED = re.compile(r"\b(?:died|death|killed|murdered|executed)\b")
_ONLY_YEAR = re.compile(r"\d{4}\b.*?(?:[-–—−]|\bto\b)\D*$")
_ONLY_DEATH = re.compile(r"\b(?:died|d\.)[^;]*$")
_NO_BIRTH = re.compile(
    r"\b(?:founded|established|opened|released|active)\b|\bbapti|\bchristened|\bor $", re.IGNORECASE
)
_AFTER_BIRTH = re.compile(
    r" ?[-–—−] ?|,? (?:in|at|near|to|as|and|of) |,? [A-Z]|[;,]|,? ?(?:died|d\.)| \(age \d+\)|$"
)
_DOUBT = re.compile(r" ?(?:or\b|\[|\((?!age)|\?|/)")
_END_OF_LIFE = re.compile(r"(?:[-–—−]|\bdied|\bd\.|\bto) ?(?:on )?$")


def date_of_birth(text: str) -> str | None:
    """The first date in the brackets after the name, as in "(born 3 May 1950)" or "(May 3, 1950 - June 1, 2001)".

    Without such brackets, the date in "…, born 3 May 1950, is" or "She was born on 3 May 1950".
    """
    value = _birth(text)
    return None if value == "" and _LIKE_BIRTH.search(text[:_OPENING]) else value


def _birth(text: str) -> str | None:
    text = _HIDDEN_DATE.sub("", text)
    brackets = _opening_brackets(text)
    dated = [found for found in brackets if FULL_DATE.search(found)]
    if not dated:
        return _in_sentence(text, brackets)
    found = FULL_DATE.search(dated[0])
    assert found is not None  # `dated` has such brackets only
    before, after = dated[0][: found.start()], dated[0][found.end() :]
    before = _OTHER_NAMES.sub("", before)
    if len(dated) > 1 or "O.S." in dated[0] or _DOUBT.match(after):
        return None
    if _ONLY_YEAR.search(before) or _ONLY_DEATH.search(before):
        return ""
    if re.search(r"\d", re.sub(r"\[[^\]]*\]", "", before)) or _NO_BIRTH.search(before):
        return None
    return found[0] if _AFTER_BIRTH.match(after) and parse_date(found[0]) else None


def _in_sentence(text: str, brackets: list[str]) -> str | None:
    """The date of birth outside brackets. A date in another form is not clear."""
    said = _BORN.findall(text)
    if not said:
        return None if any(_OTHER_FORM.search(found) for found in brackets) else ""
    verb = _VERB.search(text)
    found = _BORN_ON.search(text)
    if len(said) > 1 or found is None or not verb or _DOUBT.match(text, found.end()):
        return None
    opens = found.start() < verb.start() or found[0].casefold().startswith(("he ", "she "))
    return found[1] if opens and parse_date(found[1]) else None


def date_of_death(text: str) -> str | None:
    """The second date in the brackets after the name, as in "(May 3, 1950 - June 1, 2001)"."""
    text = _HIDDEN_DATE.sub("", text)
    if not date_of_birth(text):
        return None if _DIED.search(text) or re.search(rf"[-–—−] ?{_DAY}\)", text) else ""
    bracket = next((found for found in _opening_brackets(text) if FULL_DATE.search(found)), "")
    dates = list(FULL_DATE.finditer(bracket))
    if len(dates) < 2:
        doubt = not dates or re.search(r"[-–—−]|\d", bracket[dates[0].end() :])
        return None if doubt or _DIED.search(text) else ""
    last = dates[1]
    clear = len(dates) == 2 and _END_OF_LIFE.search(bracket[: last.start()])
    return last[0] if clear and not _DOUBT.match(bracket[last.end() :]) and parse_date(last[0]) else None


def _opening_brackets(text: str) -> list[str]:
    """The texts in brackets before the first verb."""
    verb = _VERB.search(text)
    end = verb.start() if verb else _OPENING
    return [found[0][1:-1] for found in _BRACKETS.finditer(text) if found.start() < end]


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that questions can ask for.

    Args:
        header: The name of its column.
        kind: The kind of its values.
        read: Returns the value, "" or None from the text of a page.
        repeats: Matches the headers of lists that already have the fact.
        lack: What the page of an entry does not do when it lacks the fact, in each language.
    """

    header: str
    kind: Kind
    read: Callable[[str], str | None]
    repeats: re.Pattern[str]
    lack: Mapping[Language, str]


_LIFE = re.compile(
    r"\b(?:date|day|year)s? of (?:birth|death)|\b(?:birth|death) ?(?:date|day|year)|^(?:birth|death|life|lived)$"
    r"|\bborn\b|\bdied\b|\bd\.?o\.?b\b|\blife ?(?:span|time)|\bbirth ?[-–/]",
    re.IGNORECASE,
)
FACTS: tuple[Fact, ...] = (
    Fact(
        "Date of birth",
        "date",
        date_of_birth,
        _LIFE,
        {"en": "does not give the full date of birth", "zh": "没有给出完整的出生日期"},
    ),
    Fact(
        "Date of death",
        "date",
        date_of_death,
        _LIFE,
        {"en": "does not give the full date of death", "zh": "没有给出完整的去世日期"},
    ),
)
"""The facts that questions ask for. Of all forms that were tried, these are in enough pages and clear enough."""
BY_HEADER: Mapping[str, Fact] = {fact.header: fact for fact in FACTS}
