"""Chooses the reader for a column by the words in its name."""

from __future__ import annotations

import re
from collections.abc import Callable

from wideseek_baselines.scripted.prose import dates, facts, names, places
from wideseek_baselines.scripted.prose.subject import Reader, Subject, first
from wideseek_env.byte_cache import short_cache

_MOST_TEXT = 6000
_CLUTTER = " ,;:"


def say(subject: Subject) -> str:
    """The value of the column, or "" if the text does not give it clearly."""
    if len(subject.text) > _MOST_TEXT:
        subject = Subject(subject.title, subject.text[:_MOST_TEXT], subject.column)
    return _reader(subject.column.casefold())(subject).strip(_CLUTTER).removesuffix("'s")


@short_cache(512, 300)
def _reader(column: str) -> Reader:
    return next((reader for pattern, reader in _READERS if re.search(pattern, column)), facts.labelled)


def _in_text(read: Callable[[str], str]) -> Reader:
    return lambda subject: read(subject.text)


def _division(subject: Subject) -> str:
    kind = re.sub(r"\W.*", "", subject.column.casefold())
    second = (chain[1] for _, _, chain in places.chains(subject.text) if len(chain) > 1)
    return places.division(subject.text, kind) or next(second, "")


def _county(subject: Subject) -> str:
    found = first(r"\b((?:[A-Z][\w.'-]* ){1,3})County\b", subject.text)
    found = found or first(r"\bCounty ([A-Z]\w+)", subject.text)
    return found or places.division(subject.text, "county")


# The first pattern that matches the column's name decides, so special patterns come first.
_READERS: tuple[tuple[str, Reader], ...] = (
    (r"^(?:iata|icao|faa|tc lid)", facts.labelled),
    (r"scientific|binomial|species", facts.scientific_name),
    (
        r"^(?:year|first published|built|opened|founded|established|completed)|^released?$|\byear\b|^season$",
        dates.year,
    ),
    (r"\bdate\b|^(?:born|died|premiere|aired|launched|d\.?o\.?b\.?|assumed office)", dates.date),
    (r"elevation|height|length|area|population|enrollment|capacity|depth|frequency", facts.number),
    (r"\b(?:title|name in)\b", facts.foreign_title),
    (r"language", facts.language),
    (r"nationality|citizenship", facts.nationality),
    (r"direct(?:or|ed)", names.director),
    (r"author|writer|written", names.author),
    (r"producer|produced", names.producer),
    (r"architect", names.architect),
    (r"compos", names.composer),
    (r"develop", names.developer),
    (r"publish", names.publisher),
    (r"operator|operated", names.operator),
    (r"owner", names.owner),
    (r"\blabel\b", names.record_label),
    (r"network|channel", names.network),
    (r"artist|performer|singer|band\b|musician", names.artist),
    (r"college|university|alma mater|^school$|^institution$", names.college),
    (r"nfl team|draft|recruited|signed|traded", names.drafted_by),
    (r"\b(?:team|club|tenant)", names.club),
    (r"^party|political", facts.party),
    (r"^sport", facts.one_of(facts.SPORTS)),
    (r"^pos(?:ition)?\b", facts.one_of(facts.POSITIONS)),
    (r"^branch|^service", facts.one_of(facts.BRANCHES)),
    (r"district|riding|constituency|electorate", names.constituency),
    (r"city, state|hometown", _in_text(places.city_and_state)),
    (r"countr|nation$", _in_text(places.country)),
    (r"^county|parish", _county),
    (r"^state|territory$", _in_text(places.state)),
    (r"city|town|municipality|village|community|^seat$|settlement|^origin$|capital", _in_text(places.city)),
    (r"^lga|local government|council area", names.local_government),
    (r"province|prefecture|region|department|division|canton|island|governorate", _division),
    (r"location|place|locale|venue|headquarters|site|birthplace", _in_text(places.location)),
)
