"""Facts that the introductions of many pages state in one fixed form, although no list has them.

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
_DATE = re.compile(rf"(?<!\d)(?:{_MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {_MONTH} \d{{4}})(?!\d)")
_BRACKETS = re.compile(r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_HIDDEN_DATE = re.compile(r"\(\d{4}-\d\d-\d\d\) ")
_VERB = re.compile(r" (?:is|was|are|were) ")
_OPENING = 400
_BORN = re.compile(r"\b(?:[Bb]orn|b\.)[^;]{0,80}\d{4}")
_DIED = re.compile(r"\b(?:died|death|killed|murdered|executed)\b")
_SHORT_DATE = re.compile(r"\b[Bb](?:orn|\.)[^;)]*(?<!\d)\d{1,2}(?!\d)")
_ONLY_YEAR = re.compile(r"\d{4}\b[^()]*? ?(?:[-–—−/]|\bto\b)\D*$")
_ONLY_DEATH = re.compile(r"\b(?:died|d\.) ?(?:on |in [A-Z]\w+,? )?$")
_OTHER_EVENT = re.compile(
    r"\b(?:foaled|founded|established|opened|released)|\bbapti|\bchristened|\bor $", re.I
)
_AFTER_BIRTH = re.compile(r" ?[-–—−] ?|,? (?:in|at|near|to|as|and) |, [A-Z]|[;,]|,? ?(?:died|d\.)|$")
_DOUBT = re.compile(r" ?(?:or\b|\[|\(|\?|/)")
_END_OF_LIFE = re.compile(r"(?:[-–—−]|\bdied|\bd\.|\bto) ?(?:on )?$")


def date_of_birth(text: str) -> str | None:
    """The first date in the brackets after the name, as in "(born 3 May 1950)" or "(May 3, 1950 - June 1, 2001)"."""
    brackets = _opening_brackets(text)
    dated = [found for found in brackets if _DATE.search(found)]
    if not dated:
        # A date of birth elsewhere or in another form is not clear.
        born = [found for found in _BORN.finditer(text) if _DATE.search(found[0])]
        return None if born or any(_SHORT_DATE.search(found) for found in brackets) else ""
    found = _DATE.search(dated[0])
    assert found is not None  # `dated` has such brackets only
    before, after = dated[0][: found.start()], dated[0][found.end() :]
    if len(dated) > 1 or _DOUBT.match(after):
        return None
    if _ONLY_YEAR.search(before) or _ONLY_DEATH.search(before):
        return ""
    if re.search(r"\d", re.sub(r"\[[^\]]*\]", "", before)) or _OTHER_EVENT.search(before):
        return None
    return found[0] if _AFTER_BIRTH.match(after) and parse_date(found[0]) else None


def date_of_death(text: str) -> str | None:
    """The second date in the brackets after the name, as in "(May 3, 1950 - June 1, 2001)"."""
    born = date_of_birth(text)
    if not born:
        return None if born is None or _DIED.search(text) else ""
    bracket = next(found for found in _opening_brackets(text) if _DATE.search(found))
    dates = list(_DATE.finditer(bracket))
    after = bracket[dates[0].end() :]
    if len(dates) == 1:
        return None if _DIED.search(text) or re.search(r"[-–—−]|\d", after) else ""
    last = dates[1]
    clear = len(dates) == 2 and _END_OF_LIFE.search(bracket[: last.start()])
    return last[0] if clear and not _DOUBT.match(bracket[last.end() :]) and parse_date(last[0]) else None


def _opening_brackets(text: str) -> list[str]:
    """The texts in brackets before the first verb."""
    text = _HIDDEN_DATE.sub("", text)
    verb = _VERB.search(text)
    end = verb.start() if verb else _OPENING
    return [found[0][1:-1] for found in _BRACKETS.finditer(text) if found.start() < end]


_WORK = r"(?:film|movie|short|cartoon|documentary|drama|comedy|thriller|musical|western|anime|miniseries|biopic|epic)"
_IS_OF_YEAR = re.compile(rf"^[^.]*? (?:is|was) an? (\d{{4}}) (?:[^\s.]+ ){{0,9}}?{_WORK}\b")
_RELEASED = re.compile(r"\b(?:released|premiered|premiere|release)\b[^.;]{0,60}?\b((?:18|19|20)\d\d)\b")
_ANY_YEAR = re.compile(r"\b(?:18|19|20)\d\d\b")
_FIRST_SENTENCE = re.compile(r"(?:[^.]|\.(?! [A-Z]|$))*")


def release_year(text: str) -> str | None:
    """The year in "is a 1957 Norwegian film", if the page states no other year of release."""
    found = _IS_OF_YEAR.match(text)
    released = set(_RELEASED.findall(text))
    if found is None:
        sentence = _FIRST_SENTENCE.match(text)
        return None if released or (sentence and _ANY_YEAR.search(sentence[0])) else ""
    return found[1] if released <= {found[1]} else None


_NAME_PART = r"(?:(?:[A-Z]\.(?:-?[A-Z]\.)*|[JSDM]r\.|St\.)|[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]*)"
_PERSON = rf"{_NAME_PART}(?: (?:(?:de|la|van|von|der|den|da|del|di|al|bin|le|dos|el|ten) ){{0,2}}{_NAME_PART}){{1,4}}"
_DIRECTED = re.compile(rf"\b[Dd]irected(?: and \w+| and co-\w+|, \w+(?:,? and \w+)?)? by ({_PERSON})")
_DIRECT = re.compile(r"\b[Dd]irect(?:ed|or|orial|ing|s)\b")
_MADE_BY = re.compile(
    rf"\b{_WORK}s? (?:made )?(?:by|of|from) (?:the )?(?:\w+ ){{0,3}}?[A-Z]|'s (?:\w+ ){{0,4}}{_WORK}\b"
)
_IS_WORK = re.compile(rf"\b(?:is|was) (?:an?|the) .*\b{_WORK}\b")
_SEVERAL = re.compile(r",? (?:and|&|with) [A-Z]|, [A-Z]|'s\b|’s\b|/")


def director(text: str) -> str | None:
    """The name in "directed by Arne Skouen", if the page is about a film and speaks of one director only."""
    found = list(_DIRECTED.finditer(text))
    if len(found) != 1 or len(_DIRECT.findall(text)) != 1:
        return None if _DIRECT.search(text) or _MADE_BY.search(text) else ""
    opening = _FIRST_SENTENCE.match(text)
    if opening is None or not _IS_WORK.search(opening[0]):
        return None  # such as the video of a song
    return None if _SEVERAL.match(text, found[0].end()) else str(found[0][1])


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that questions can ask for.

    Args:
        header: The name of its column.
        kind: The kind of its values.
        read: Returns the value, "" or None from the text of a page.
        repeats: Matches the headers of lists that already have the fact or what it follows from.
        lack: What the page of an entry does not do when it lacks the fact, in each language.
    """

    header: str
    kind: Kind
    read: Callable[[str], str | None]
    repeats: re.Pattern[str]
    lack: Mapping[Language, str]


_LIFE = re.compile(
    r"\b(?:birth|born|dob|d\.o\.b|age|lived|life|dates)|birth|died|death|deceased", re.IGNORECASE
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
    Fact(
        "Release year",
        "year",
        release_year,
        re.compile(r"year|releas|date|season|premier|edition|ceremony", re.IGNORECASE),
        {"en": "does not say which year the film is from", "zh": "没有写明影片的年份"},
    ),
    Fact(
        "Director",
        "text",
        director,
        re.compile(r"direct|film-?maker|crew", re.IGNORECASE),
        {"en": "does not name the director", "zh": "没有写明导演"},
    ),
)
BY_HEADER: Mapping[str, Fact] = {fact.header: fact for fact in FACTS}
