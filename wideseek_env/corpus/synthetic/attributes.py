"""`Attribute`: a label, a type, a range and the sentences that state the value.

In a sentence, ``{v}`` is replaced by the value and ``{It}``, ``{it}``, ``{Its}`` and ``{its}`` by the entity. Every
sentence contains the label in lower case, then one of the words is, was, at, on, in and of, then the value. The value
is at the end of the sentence or before a semicolon. The labels of an entity's years and dates are participles, such as
"founded".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AttributeType = Literal["year", "date", "number", "category", "text", "url", "person", "town", "register"]


@dataclass(frozen=True)
class Attribute:
    """One attribute of a kind.

    `low`, `high` and `step` bound numbers, years and the years of dates. If `decimals` is 1, these are in tenths.
    `options` are the values of a category or the patterns of a text. If `drifts` is True, old copies have another
    value. If `boxed` is True, the attribute is always in the infobox.
    """

    label: str
    type: AttributeType
    low: int = 0
    high: int = 0
    step: int = 1
    unit: str = ""
    decimals: int = 0
    options: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    drifts: bool = False
    boxed: bool = False

    def templates(self) -> tuple[str, ...]:
        """The sentences that may state the value."""
        if self.sentences:
            return self.sentences
        low = self.label.lower()
        if self.type in ("number", "year", "date"):
            general = (
                f"{{Its}} {low} is {{v}}.",
                f"Local records put {{its}} {low} at {{v}}.",
                f"According to the regional office, {{its}} {low} is {{v}}; older guides round it.",
            )
            return (
                general if self.type != "number" else (*general, f"{{It}} has {article(low)} {low} of {{v}}.")
            )
        return (
            f"{{Its}} {low} is {{v}}.",
            f"In the current yearbook {{its}} {low} is {{v}}.",
            f"As far as anybody knows, {{its}} {low} is {{v}}; nobody has disputed this.",
        )


def article(noun: str) -> str:
    """The article for `noun`: ``a`` or ``an``."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def year(label: str, low: int, high: int, *sentences: str) -> Attribute:
    """A year. `label` is a participle if the year is an entity's."""
    return Attribute(label, "year", low, high, sentences=sentences)


def date(label: str, low: int, high: int, *sentences: str) -> Attribute:
    """A date within years. `label` is a participle if the date is an entity's."""
    return Attribute(label, "date", low, high, sentences=sentences)


def number(
    label: str,
    low: int,
    high: int,
    step: int = 1,
    unit: str = "",
    *,
    tenths: bool = False,
    drifts: bool = False,
) -> Attribute:
    """A number with a unit. With `tenths`, `low`, `high` and `step` are in tenths."""
    return Attribute(label, "number", low, high, step, unit, int(tenths), drifts=drifts)


def category(label: str, *options: str) -> Attribute:
    """One of a few options. The first is the most common."""
    return Attribute(label, "category", options=options)


def person(label: str) -> Attribute:
    """A person who may have an article."""
    return Attribute(
        label,
        "person",
        sentences=(
            f"The {label.lower()} was {{v}}.",
            f"{{Its}} {label.lower()} was {{v}}.",
            f"Letters kept in the town hall show that {{its}} {label.lower()} was {{v}}.",
        ),
    )


def town(label: str = "Town") -> Attribute:
    """The town."""
    return Attribute(label, "town", boxed=True)


def text(label: str, *forms: str, drifts: bool = False) -> Attribute:
    """A text made from one of these patterns."""
    return Attribute(label, "text", options=forms, drifts=drifts)
