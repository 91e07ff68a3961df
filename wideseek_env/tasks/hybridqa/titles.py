"""Titles of articles as templates: which words stay the same in sibling articles, and which year, number or place
differs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wideseek_env.corpus.hybridqa.values import normalize
from wideseek_env.tasks.hybridqa.places import PLACE

SlotKind = Literal["year", "number", "place"]

_YEAR = re.compile(r"(?<![\w,.-])(?:1[0-9]|20)\d\d(?:[–/-]\d{2}(?:\d\d)?)?(?![\w-])")
_NUMBER = re.compile(
    r"(?<![\w,.'–×-])(?:\d{1,3}(?:st|nd|rd|th)|\d{1,3})(?![\w,.'–×-]|%| ?(?:×|(?:m|km|kg|lb|metres?|meters?|kilometres?"
    r"|miles?|yards?|hours?|hurdles|days?|century|inch|man|season)\b))"
)
_BRACKETS = re.compile(r"\([^()]*\)")
_DIGITS = re.compile(r"\d+(?:st|nd|rd|th|s)?")
_COUNTS = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth"
    r"|fifteenth|sixteenth|[ivx]+)\b"
)


class Slot(NamedTuple):
    """A year, a number or a place in a title, from `start` to `end`."""

    kind: SlotKind
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Title:
    """A title and its slots, from left to right."""

    text: str
    slots: tuple[Slot, ...]

    @property
    def template(self) -> str:
        """The title with the kind of each slot instead of its text. Sibling articles have the same template."""
        return self.with_slots(tuple(f"{{{slot.kind}}}" for slot in self.slots))

    def with_slots(self, texts: tuple[str, ...]) -> str:
        """The title with other texts in its slots."""
        done, at = "", 0
        for slot, text in zip(self.slots, texts, strict=True):
            done += self.text[at : slot.start] + text
            at = slot.end
        return done + self.text[at:]

    @property
    def values(self) -> tuple[str, ...]:
        """The texts of the slots."""
        return tuple(slot.text for slot in self.slots)


def read_title(text: str) -> Title:
    """The slots of a title. Years are found first, then places, then numbers."""
    found: list[Slot] = []
    for kind, match in _matches(text):
        if all(match.end() <= slot.start or match.start() >= slot.end for slot in found):
            found.append(Slot(kind, match.start(), match.end(), match.group()))
    return Title(text, tuple(sorted(found, key=lambda slot: slot.start)))


def _matches(text: str) -> Iterator[tuple[SlotKind, re.Match[str]]]:
    for match in _YEAR.finditer(text):
        yield "year", match
    for match in PLACE.finditer(text):
        yield "place", match
    for match in _NUMBER.finditer(text):
        yield "number", match


def family_of(title: str) -> str:
    """The family of an article: its title without brackets, years, numbers and places.

    Two articles with the same template have the same family. The family decides the split of wide tasks.
    """
    read = read_title(title)
    text = _BRACKETS.sub(" ", read.with_slots(tuple(" " for _ in read.slots)))
    words = normalize(_DIGITS.sub(" ", text))
    return " ".join(_COUNTS.sub(" ", words).split())


def number_in(slot: str) -> int:
    """The number by which the texts of years and numbers are ordered: 2010 for ``2010–11``, 10 for ``10th``."""
    digits = re.match(r"\d+", slot)
    return int(digits.group()) if digits is not None else 0
