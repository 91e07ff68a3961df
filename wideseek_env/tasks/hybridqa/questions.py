"""Question templates, filled with an article's title, a section and column names.

A question names the article first. If the table has a section, the question names the section second. Title and section
are between the quotation marks “ and ”, so a policy can search for the text between them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from wideseek_env.task import Language
from wideseek_env.tasks.phrasing import column_sentence

_WITH_SECTION = (
    "From the Wikipedia page “{title}”, section “{section}”, list every {noun} together with: {attributes}.",
    "The Wikipedia page “{title}” has a table in its section “{section}”. For every {noun} in it, find: {attributes}.",
    "I need the complete list under “{title}” on Wikipedia, section “{section}”: every {noun}, each with {attributes}.",
    "Go through what Wikipedia's page “{title}” lists under “{section}” and look up, for each {noun}: {attributes}.",
    "Which {noun} entries does Wikipedia's page “{title}” have in its section “{section}”? For all of them, I want: "
    "{attributes}.",
)
_WITHOUT_SECTION = (
    "From the Wikipedia page “{title}”, list every {noun} together with: {attributes}.",
    "The Wikipedia page “{title}” has a table. For every {noun} in it, find: {attributes}.",
    "I need the complete list under “{title}” on Wikipedia: every {noun}, each with {attributes}.",
    "Go through what Wikipedia's page “{title}” lists in its table and look up, for each {noun}: {attributes}.",
    "Which {noun} entries does the table on Wikipedia's page “{title}” have? For all of them, I want: {attributes}.",
)
_CHINESE_WITH_SECTION = (
    "请根据维基百科页面“{title}”的“{section}”部分，列出其中的每一项（{noun}），并给出：{attributes}。",
    "维基百科页面“{title}”的“{section}”部分有一个表格。请查出其中每一项（{noun}）的以下信息：{attributes}。",
)
_CHINESE_WITHOUT_SECTION = (
    "请根据维基百科页面“{title}”，列出其中的每一项（{noun}），并给出：{attributes}。",
    "维基百科页面“{title}”有一个表格。请查出其中每一项（{noun}）的以下信息：{attributes}。",
)
AS_GIVEN = {"en": "Write names and values as the pages give them.", "zh": "名称和数值请按页面上的写法填写。"}
"""The sentence that says how to write names and values, in each language."""

_GENERIC = {"name", "names", "entry", "entries", "item", "items", "members"}
_PROPER = frozenset(
    "English French German Spanish Italian Chinese Japanese Korean Russian Latin Indian American Welsh Irish".split()
)
_PLAIN_NOUN = re.compile(r"[A-Z]?[a-z]+(?: [A-Za-z]?[a-z]+){0,3}")


def question(
    uid: str, title: str, section: str, columns: Sequence[str], intro: str, language: Language = "en"
) -> str:
    """The question for a table. `columns` is the name of the key, followed by the names of the attributes.

    The wording depends only on `uid`, so a task always has the same question. One English question in four begins with
    the first sentence of `intro` as background.
    """
    pick = int.from_bytes(hashlib.sha256(f"question {uid}".encode()).digest()[:8], "big")
    key, *attributes = columns
    if language == "zh":
        templates: tuple[str, ...] = _CHINESE_WITH_SECTION if section else _CHINESE_WITHOUT_SECTION
        noun, listed = key, "、".join(attributes)
    else:
        templates = _WITH_SECTION if section else _WITHOUT_SECTION
        noun, listed = noun_of(key), enumerate_names(attributes)
    template = templates[pick % len(templates)]
    text = template.format(title=title, section=section, noun=noun, attributes=listed)
    text = text.replace("Which entry entries", "Which entries").replace("?.", "?")
    background = first_sentence(intro) if language == "en" and (pick >> 16) % 4 == 0 else ""
    if language == "zh":
        return text + AS_GIVEN["zh"] + column_sentence(columns, "zh")
    return " ".join(filter(None, [text, background, AS_GIVEN["en"], column_sentence(columns)]))


def noun_of(header: str) -> str:
    """The noun that a question uses for the rows. It comes from the key column's header: `Player` gives `player`,
    `Name` gives `entry`."""
    if header.casefold() in _GENERIC or not _PLAIN_NOUN.fullmatch(header):
        return "entry"
    return header if header.split()[0] in _PROPER else header[0].lower() + header[1:]


def enumerate_names(names: Sequence[str]) -> str:
    """`A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def first_sentence(intro: str) -> str:
    """The first sentence of an article, for use as background. The result is "" when the sentence is too short or too
    long for that."""
    sentence = re.split(r"(?<=[a-z0-9)][.]) (?=[A-Z])", intro, maxsplit=1)[0].strip()
    if 40 <= len(sentence) <= 220 and sentence.endswith(".") and "“" not in sentence:
        return f"Background: {sentence}"
    return ""
