"""Columns that a list offers: an attribute of the entities, or of a thing one or two links away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wideseek_env.corpus.synthetic.attributes import Attribute
from wideseek_env.corpus.synthetic.kinds import LINKED_ATTRIBUTES, Kind
from wideseek_env.corpus.synthetic.model import Thing
from wideseek_env.corpus.synthetic.values import Value
from wideseek_env.task import ColumnSpec

NUMBER_TOLERANCE = 0.01
"""The relative tolerance of number columns."""

DATE_TOLERANCE = 1.0
"""The tolerance of date columns, in days."""


@dataclass(frozen=True)
class Column:
    """A column with the values of one attribute. Its parts are the labels of the links to follow, and last the label of
    the attribute."""

    labels: tuple[str, ...]
    attribute: Attribute

    @property
    def name(self) -> str:
        """The name of the column: ``Floor area``, ``Birth year of architect``."""
        last, *links = reversed(self.labels)
        return " of ".join([last, *(label.lower() for label in links)])

    @property
    def hops(self) -> int:
        """The number of links between the list and the page with the attribute."""
        return len(self.labels)

    def source(self, entity: Thing) -> Thing:
        """The thing whose page has the value for `entity`."""
        for label in self.labels[:-1]:
            entity = entity.links[label]
        return entity

    def value(self, entity: Thing) -> Value:
        """The true value for `entity`."""
        return self.source(entity).values[self.labels[-1]]

    def spec(self) -> ColumnSpec:
        """How the cells of this column are compared."""
        match self.attribute.type:
            case "number":
                return ColumnSpec(("number_near",), ("extract_number",), NUMBER_TOLERANCE)
            case "year":
                return ColumnSpec(("exact_match",), ("extract_number",))
            case "date":
                return ColumnSpec(("date_near",), ("norm_date",), DATE_TOLERANCE)
            case "url":
                return ColumnSpec(("url_match",), ("norm_str",))
            case _:
                return ColumnSpec()

    def wish(self) -> str:
        """The column as part of a sentence, after "for each of them, report": ``the birth year of their architect``."""
        low = [label.lower() for label in reversed(self.labels)]
        if self.hops == 1 and self.attribute.type in ("year", "date"):
            return f"when they were {low[0]}"
        if self.hops == 1:
            return f"their {low[0]}"
        return "the " + " of the ".join(low[:-1]) + f" of their {low[-1]}"


def columns_of(kind: Kind, hops: int) -> tuple[Column, ...]:
    """All columns for lists of `kind` whose attribute is at most `hops` links away from the list."""

    def walk(attributes: tuple[Attribute, ...], before: tuple[str, ...]) -> Iterator[Column]:
        for attribute in attributes:
            labels = (*before, attribute.label)
            yield Column(labels, attribute)
            if len(labels) < hops:
                yield from walk(LINKED_ATTRIBUTES.get(attribute.type, ()), labels)

    return tuple(walk(kind.attributes, ()))
