"""The reference cards of a suite: the scripted team, the scripted single agent, and random actions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from wideseek_env.evaluation.suite.card import SINGLE, Card, read_card
from wideseek_env.evaluation.suite.definition import Suite
from wideseek_env.evaluation.suite.digests import changed

TEAM, ALONE, RANDOM = "scripted-team", "scripted-single", "random"
REFERENCES: Mapping[str, str] = {
    TEAM: "scripted team",
    ALONE: "scripted single agent",
    RANDOM: "random actions",
}
"""The reference cards by the names of their files, and their names in figures."""


def file_name(size: str, reference: str) -> str:
    """The name of a reference card's file in the folder of its suite."""
    return f"{size}-{reference}.json"


def reference_cards(suite: Suite, size: str) -> dict[str, Card]:
    """The reference cards of one size, as far as the suite has them.

    Raises:
        SuiteError: A card cannot be read.
    """
    files = {name: suite.folder / file_name(size, name) for name in REFERENCES}
    return {name: read_card(file) for name, file in files.items() if file.is_file()}


def fitting(card: Card, references: Mapping[str, Card]) -> tuple[dict[str, Card], list[str]]:
    """The references without the kinds that do not compare with `card`, and sentences about what was left out."""
    told: list[str] = []
    kept: dict[str, Card] = {}
    for name, reference in references.items():
        kinds = {}
        for kind, each in reference.kinds.items():
            if kind not in card.kinds:
                continue
            if different := changed(card.kinds[kind].digests, each.digests):
                told.append(
                    f"{REFERENCES.get(name, name)} is not shown on {each.title}, because it was run with other "
                    f"{' and '.join(different)}"
                )
            else:
                kinds[kind] = each
        if (reference.suite, reference.size) == (card.suite, card.size):
            kept[name] = dataclasses.replace(reference, kinds=kinds)
    return kept, told


def split_scripted(card: Card) -> dict[str, Card]:
    """The card of the scripted policy as two cards: one of the team, and one of the single agent."""

    def part(name: str, single: bool) -> Card:
        kinds = {
            kind: dataclasses.replace(
                each, points={size: p for size, p in each.points.items() if (size == SINGLE) == single}
            )
            for kind, each in card.kinds.items()
        }
        return dataclasses.replace(card, name=name, kinds=kinds)

    return {TEAM: part(TEAM, False), ALONE: part(ALONE, True)}
