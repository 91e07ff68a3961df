"""Reads a question: the columns, the list, and the rows of the list that it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wideseek_baselines.scripted.conditions import Condition, find_conditions, read_conditions
from wideseek_baselines.scripted.parts import Part, read_part
from wideseek_env.byte_cache import short_cache
from wideseek_env.scoring.tables import split_row
from wideseek_env.task import Language

_COLUMNS = re.compile(r"\|[^\n]*\|")
_QUOTED = re.compile(r"“([^”]+)”")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
"""A Chinese character. A text that contains one is answered in Chinese."""
# Words in lower case, a preposition and a name: "railway stations in Upper Norvania".
_PHRASE = re.compile(r"\b((?:[a-z][\w'-]* ){1,4}?)(in|from|of|on|at) ((?:[A-Z][\w'-]*)(?: [A-Z][\w'-]*)*)")
_NOT_A_KIND = frozenset(
    "a all an any are complete each every find for full give i in is its list me need of on one overview "
    "please table tell that the their them these those to what which who with".split()
)


@dataclass(frozen=True, slots=True)
class Question:
    """The parts of a question.

    `subject` describes the list in words. `titles` are possible titles of its page, the likeliest first. `section` is
    the part of the page, or "" if the question does not name one.
    """

    language: Language
    columns: tuple[str, ...]
    subject: str
    titles: tuple[str, ...]
    section: str
    conditions: tuple[Condition, ...]
    part: Part | None = None

    @property
    def key(self) -> str:
        """The first column, which names the rows."""
        return self.columns[0] if self.columns else "Name"

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns to find for each row: those of the answer, and those that decide which rows are in the answer."""
        have = {column.casefold() for column in self.columns}
        deciding = [c.column for c in self.conditions] + ([self.part.column] if self.part else [])
        extra = [column for column in deciding if column and column.casefold() not in have]
        return (*self.columns[1:], *dict.fromkeys(extra))


@short_cache(256, 20_000)
def read_question(text: str) -> Question:
    """Parse a question. Any text gives a `Question`. If no known form is recognised, the agent searches for the text
    itself.
    """
    language: Language = "zh" if CHINESE.search(text) else "en"
    rows = _COLUMNS.findall(text)
    columns = tuple(cell for cell in split_row(rows[-1]) if cell) if rows else ()
    body = text[: text.rindex(rows[-1])] if rows else text
    quoted = _QUOTED.findall(body)
    names = {column.casefold(): column for column in columns}
    if quoted:
        title, section = quoted[0].strip(), quoted[1].strip() if len(quoted) > 1 else ""
        titles = (f"{title}: {section}", title) if section else (title,)
        subject = f"“{title}”, section “{section}”" if section else f"“{title}”"
        said = _QUOTED.sub("“”", body)
        conditions = _named(find_conditions(said), names)
        part = read_part(said)
        if part is not None:
            part = replace(part, column=names.get(part.column.casefold(), part.column))
        return Question(language, columns, subject, titles, section, conditions, part)
    for match in _PHRASE.finditer(body):
        kind = _kind(match[1])
        if kind:
            phrase = f"{kind} {match[2]} {match[3]}"
            conditions = _named(read_conditions(body, match.end()), names)
            return Question(language, columns, phrase, (f"List of {phrase}", phrase), "", conditions)
    words = " ".join(re.split(r"[.。?？]", body)[0].split())[:200]
    return Question(language, columns, words, (words,), "", ())


def _named(conditions: Sequence[Condition], names: Mapping[str, str]) -> tuple[Condition, ...]:
    """The conditions, where columns have the names in the last line of the question."""
    return tuple(replace(c, column=names.get(c.column.casefold(), c.column)) for c in conditions)


def _kind(words: str) -> str:
    """The last words that can name a kind of thing. For "are the railway stations", they are "railway stations"."""
    kept: list[str] = []
    for word in reversed(words.split()):
        if word in _NOT_A_KIND:
            break
        kept.insert(0, word)
    return " ".join(kept)
