"""Writes the answer. It has the rows that pass all conditions, and uncertain rows if they raise the expected score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wideseek_baselines.scripted.question import Question
from wideseek_env.task import Language, Table

_UNKNOWN_SHARE = 0.6
"""The assumed share of rows that pass the conditions, if no row of the list could be checked."""

_INTRODUCTION = {"en": "This is what was found.", "zh": "以下是查到的结果。"}


class _Candidate(NamedTuple):
    place: int
    chance: float
    cells: tuple[str, ...]

    @property
    def right(self) -> float:
        """The expected number of right cells in this row."""
        return self.chance * sum(map(bool, self.cells))


def write_answer(question: Question, rows: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """The final message: a fenced Markdown table with the question's columns. `rows` has (key, values) of each row."""
    chances = row_verdicts(question, [values for _, values in rows])
    checked = [chance for chance in chances if chance is not None]
    share = sum(checked) / len(checked) if checked else _UNKNOWN_SHARE
    candidates = []
    for place, ((name, values), chance) in enumerate(zip(rows, chances, strict=True)):
        cells = (name, *(values.get(column, "") for column in question.columns[1:]))
        candidates.append(_Candidate(place, share if chance is None else chance, cells))
    chosen = _worthwhile(candidates, len(question.columns))
    header = question.columns or ("Name",)
    return fenced(Table(header, tuple(c.cells[: len(header)] for c in chosen)), question.language)


def fenced(table: Table, language: Language) -> str:
    """The table as the text of an answer, in a fenced block."""
    return f"{_INTRODUCTION[language]}\n\n```markdown\n{table.to_markdown()}\n```"


def row_verdicts(question: Question, rows: Sequence[Mapping[str, str]]) -> list[float | None]:
    """For each row of the list: 1 if the question asks for the row, 0 if not, None if that is not known."""
    verdicts = [_passes(question, values) for values in rows]
    if question.part is not None:
        left = [place for place, verdict in enumerate(verdicts) if verdict != 0.0]
        for place, counts in question.part.verdicts(rows, left).items():
            if counts is not True:
                verdicts[place] = None if counts is None else 0.0
    return verdicts


def _passes(question: Question, values: Mapping[str, str]) -> float | None:
    """1 if the row passes all conditions, 0 if it fails one, None if that is not known."""
    verdicts = [condition.holds(values.get(condition.column, "")) for condition in question.conditions]
    if False in verdicts:
        return 0.0
    return None if None in verdicts else 1.0


def _worthwhile(candidates: Sequence[_Candidate], width: int) -> list[_Candidate]:
    """The rows that maximise the expected item-F1, in the order of the list.

    Item-F1 is the harmonic mean of two shares: the right cells among the cells of the answer, and among those of the
    gold table. Suppose that the answer has S rows of `width` cells, that C cells are expected to be right, and that the
    gold table has G rows. Then item-F1 is 2 C / (S + G) / `width`. Adding a row raises item-F1 if the expected share of
    right cells in the row is above half of the item-F1 without the row.
    """
    asked = sum(candidate.chance for candidate in candidates)
    chosen: list[_Candidate] = []
    right = 0.0
    for candidate in sorted(candidates, key=lambda c: -c.right):
        if candidate.right * (len(chosen) + asked) <= right:
            break
        chosen.append(candidate)
        right += candidate.right
    return sorted(chosen)
