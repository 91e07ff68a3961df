"""The answer: rows that pass the conditions, and of those in doubt the ones that are worth the risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wideseek_baselines.scripted.question import Question
from wideseek_env.task import Language, Table

_UNKNOWN_SHARE = 0.6
"""How many of a list's rows pass where not one could be checked."""

_INTRODUCTION = {"en": "This is what was found.", "zh": "以下是查到的结果。"}


class _Candidate(NamedTuple):
    place: int
    chance: float
    cells: tuple[str, ...]

    @property
    def right(self) -> float:
        """Cells of this row that can be expected to count."""
        return self.chance * sum(map(bool, self.cells))


def write_answer(question: Question, rows: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """The final message: a fenced Markdown table with the question's columns, from (key, values) of each row."""
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
    """A table as an answer."""
    return f"{_INTRODUCTION[language]}\n\n```markdown\n{table.to_markdown()}\n```"


def row_verdicts(question: Question, rows: Sequence[Mapping[str, str]]) -> list[float | None]:
    """For each row of the list 1 when it is asked for, 0 when it is not, None when that is not known."""
    verdicts = [_passes(question, values) for values in rows]
    if question.part is not None:
        left = [place for place, verdict in enumerate(verdicts) if verdict != 0.0]
        for place, counts in question.part.verdicts(rows, left).items():
            if counts is not True:
                verdicts[place] = None if counts is None else 0.0
    return verdicts


def _passes(question: Question, values: Mapping[str, str]) -> float | None:
    """1 when the row passes all conditions, 0 when it fails one, None when that is not known."""
    verdicts = [condition.holds(values.get(condition.column, "")) for condition in question.conditions]
    if False in verdicts:
        return 0.0
    return None if None in verdicts else 1.0


def _worthwhile(candidates: Sequence[_Candidate], width: int) -> list[_Candidate]:
    """The rows that maximise the item-F1 to be expected, in their order.

    With C cells expected right in S rows of `width` cells, where G rows are asked for, item-F1 is
    2 C / (S + G) / `width`: a row is worth including when its own share of right cells is above half of that.
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
