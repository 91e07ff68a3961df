"""Questions for rows and columns of a table: several templates in English and Chinese that a program can parse.

A question names the title of the article first and the section second. Title and section are between “ and ”. Nothing
else is quoted. The noun of the rows is followed by the conditions and then by a punctuation mark.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from wideseek_env.task import Language
from wideseek_env.tasks.hybridqa.questions import AS_GIVEN, enumerate_names, first_sentence, noun_of
from wideseek_env.tasks.hybridqa.selection import Selection, is_plural, label_of, read_selection
from wideseek_env.tasks.phrasing import column_sentence

_ENGLISH = (
    "Take {place}. Find every {who}: for each I want {attributes}.",
    "Using {place}, list every {who}, and report for each: {attributes}.",
    "I am making an overview of the list on {place}. Include every {who}, with: {attributes}.",
    "Start from {place}, and compile a complete table of every {who}, giving: {attributes}.",
    "For every {who}, in the list on {place}, look up: {attributes}.",
    "Please go through {place}. For every {who}, I need to know: {attributes}.",
    "A survey is based on {place}. It covers every {who}, and asks for: {attributes}.",
    "Could you work through {place}, and note down for every {who}: {attributes}?",
)
_CHINESE = (
    "请根据{place}，列出其中的每一项（{noun}）{conditions}，并给出：{attributes}。",
    "我正在整理{place}中的列表，需要每一项（{noun}）{conditions}的以下信息：{attributes}。",
    "请查阅{place}，为其中的每一项（{noun}）{conditions}查明：{attributes}。",
    "{place}有一份列表。请不要遗漏，逐项（{noun}）{conditions}查找：{attributes}。",
)
_COLUMN_LINE = re.compile(r"\|[^\n]*\|")
_NAME_OF = re.compile(r"(?P<thing>.+) [Nn]ames?|[Nn]ames? of (?:the )?(?P<whose>.+)")
_SAME_PLURAL = frozenset("series species".split())
_QUOTED = re.compile(r"“([^”]+)”")


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """The parts of a question. `section` is "" when the article has only one table."""

    title: str
    section: str
    columns: tuple[str, ...]
    selection: Selection


def phrasings(
    title: str,
    section: str,
    columns: Sequence[str],
    selection: Selection,
    language: Language = "en",
    background: str = "",
) -> tuple[str, ...]:
    """All wordings of one question. `columns` is the name of the key, followed by the names of the attributes."""
    key, *attributes = columns
    rest = [background, AS_GIVEN["en"], column_sentence(columns)]
    part = selection.part.phrase(language) if selection.part is not None else ""
    conditions = [condition.phrase(language) for condition in selection.conditions]
    if language == "zh":
        place = f"维基百科页面“{title}”" + (f"的“{section}”部分" if section else "")
        said = f"（条件：{'，且 '.join(conditions)}）" if conditions else ""
        return tuple(
            template.format(place=place, noun=key, conditions=said, attributes="、".join(attributes))
            + part
            + AS_GIVEN["zh"]
            + column_sentence(columns, "zh")
            for template in _CHINESE
        )
    place = f"the Wikipedia page “{title}”" + (f", section “{section}”" if section else "")
    who = " ".join([row_noun(key), " and ".join(conditions)]).strip()
    listed = enumerate_names(attributes)
    asked = [_tidy(t.format(place=place, who=who, attributes=listed)) for t in _ENGLISH]
    return tuple(" ".join(filter(None, [text, part, *rest])) for text in asked)


def row_noun(header: str) -> str:
    """The noun for one row, from the key's header: `Gymnasts` gives `gymnast`, `Name` gives `entry`."""
    if match := _NAME_OF.fullmatch(header):
        header = match["thing"] or match["whose"]
    noun = label_of(noun_of(header[0].upper() + header[1:])) if header else "entry"
    if noun.startswith("name") or re.fullmatch(r"[a-z]+ed", noun):
        return "entry"
    if is_plural(noun) and noun.casefold() not in _SAME_PLURAL:
        if noun.endswith("ies"):
            return f"{noun[:-3]}y"
        return noun[:-2] if re.search(r"(?:ss|ch|sh|x)es$", noun) else noun[:-1]
    return noun


def write_question(
    pick: str,
    title: str,
    section: str,
    columns: Sequence[str],
    selection: Selection,
    language: Language,
    intro: str = "",
) -> str:
    """One of the `phrasings`. The text `pick` decides which one.

    One English question in five has the first sentence of `intro` as background.
    """
    number = int.from_bytes(hashlib.sha256(f"wording {pick}".encode()).digest()[:8], "big")
    background = first_sentence(intro) if language == "en" and (number >> 20) % 5 == 0 else ""
    written = phrasings(title, section, columns, selection, language, background)
    return written[number % len(written)]


def parse_question(question: str) -> ParsedQuestion | None:
    """Parse a question of this package from its text alone. The result is None for a question of another kind."""
    lines = _COLUMN_LINE.findall(question)
    quoted = _QUOTED.findall(question)
    if not lines or not quoted:
        return None
    columns = tuple(cell.strip() for cell in lines[-1].strip("|").split("|"))
    section = quoted[1] if re.search(r"”(?:, section |的)“", question) else ""
    return ParsedQuestion(quoted[0], section, columns, read_selection(question))


def column_line(question: str) -> str:
    """The line with the column names between | signs, or "" when there is no such line."""
    lines = _COLUMN_LINE.findall(question)
    return lines[-1] if lines else ""


def _tidy(text: str) -> str:
    return text.replace("..", ".").replace("?.", "?")
