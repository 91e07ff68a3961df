"""Questions for wide tasks: twelve wordings in English and five in Chinese, which a program can read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from wideseek_env.task import Language
from wideseek_env.tasks.hybridqa.page_facts import BY_HEADER
from wideseek_env.tasks.hybridqa.questions import AS_GIVEN, enumerate_names
from wideseek_env.tasks.hybridqa.selection import Selection, read_selection
from wideseek_env.tasks.hybridqa.wide.scope import Scope, read_scope
from wideseek_env.tasks.hybridqa.wide.unions import EditionUse
from wideseek_env.tasks.hybridqa.wording import column_line, row_noun
from wideseek_env.tasks.phrasing import column_sentence

_ENGLISH = (
    "Go through {place}. List every {who}, and give for each: {attributes}.",
    "I am merging {place} into one table. It needs every {who}, with: {attributes}.",
    "Please combine {place}, and report every {who}: for each, I want {attributes}.",
    "From {place}, collect every {who}. For each, find: {attributes}.",
    "I need one table made from {place}. It must contain every {who}, along with: {attributes}.",
    "For every {who}, in {place}, look up: {attributes}.",
    "Could you work through {place}, and write down every {who}, each with: {attributes}?",
    "Nothing may be missing. Read {place}, and list every {who}, giving: {attributes}.",
    "My overview is based on {place}. It should cover every {who}, and state: {attributes}.",
    "Take {place}. Find every {who}, then look up: {attributes}.",
    "Someone asked me about {place}. They want every {who}, together with: {attributes}.",
    "Compile a complete table from {place}. It has one row for every {who}, with: {attributes}.",
)
_CHINESE = (
    "请根据{place}，列出每一项（{noun}）{conditions}，并给出：{attributes}。",
    "我正在合并{place}，需要每一项（{noun}）{conditions}的以下信息：{attributes}。",
    "请查阅{place}，为每一项（{noun}）{conditions}查明：{attributes}。",
    "请把{place}整理成一个表格，不要遗漏，逐项（{noun}）{conditions}给出：{attributes}。",
    "关于{place}，请收集每一项（{noun}）{conditions}，并查找：{attributes}。",
)
_NOUNS = {
    "alumni": "alumnus", "arm": "entry", "call letter": "entry", "people": "person", "women": "woman", "men": "man",
    "new": "entry", "former": "entry", "winning": "entry", "nominee name": "nominee", "full": "entry", "en": "entry",
}  # fmt: skip
"""Nouns that `row_noun` does not read well."""
_EXTRA = re.compile(
    r"In the column |[A-Z]\w+ 一列填写|Take [^.]* from each entry's own page|[^。]* 请从每一项自己的页面"
)
"""Where the sentences about columns begin, after the conditions."""
_FROM_PAGES = re.compile(r"Take ([^.]+) from each entry's own page|([^。]+) 请从每一项自己的页面")
_LEFT_OUT = re.compile(r"Leave out every entry that has no such page|没有这样的页面，")
_KINDS_ZH = {"Year": "年份", "Season": "赛季", "Number": "序号", "Place": "地名", "Edition": "届次"}


@dataclass(frozen=True, slots=True)
class ParsedWide:
    """The parts of a wide question. `columns` are in the order of the answer.

    `from_pages` are the columns whose values are on the page of each entry, to which the list links. If `leaves_out`,
    an entry without such a page, or whose page does not give all these values, does not count.
    """

    scope: Scope
    columns: tuple[str, ...]
    selection: Selection
    from_pages: tuple[str, ...] = ()
    leaves_out: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks for.

    `columns` is the name of the key, the edition if the question asks for it, the columns of the lists, and those of
    the pages. `example` is one value of the edition. `from_pages` and `leaves_out` are those of `ParsedWide`.
    """

    scope: Scope
    columns: tuple[str, ...]
    selection: Selection
    edition: EditionUse = ""
    example: str = ""
    from_pages: tuple[str, ...] = ()
    leaves_out: bool = False


def phrasings(asked: Asked, language: Language = "en") -> tuple[str, ...]:
    """All wordings of one question."""
    scope, columns, selection = asked.scope, asked.columns, asked.selection
    key = columns[0]
    attributes = columns[2:] if asked.edition else columns[1:]
    rest = [_about_edition(scope, columns, asked.edition, asked.example, language)] if asked.edition else []
    rest += [_about_pages(asked, language)] if asked.from_pages else []
    rest += [AS_GIVEN[language], column_sentence(columns, language)]
    conditions = [condition.phrase(language) for condition in selection.conditions]
    if language == "zh":
        said = f"（条件：{'，且 '.join(conditions)}）" if conditions else ""
        return tuple(
            text.format(place=scope.phrase("zh"), noun=key, conditions=said, attributes="、".join(attributes))
            + "".join(rest)
            for text in _CHINESE
        )
    who = " ".join([noun_for(key), " and ".join(conditions)]).strip()
    place, listed = scope.phrase(), enumerate_names(attributes)
    written = [text.format(place=place, who=who, attributes=listed) for text in _ENGLISH]
    return tuple(" ".join([text.replace("..", ".").replace("?.", "?"), *rest]) for text in written)


def noun_for(header: str) -> str:
    """The noun for one row, from the key's header."""
    noun = row_noun(header)
    return _NOUNS.get(noun.casefold(), noun)


def _about_edition(
    scope: Scope, columns: Sequence[str], edition: EditionUse, example: str, language: Language
) -> str:
    name = columns[1]
    if edition == "own":
        pair = f"{columns[0]} 和 {name}" if language == "zh" else f"{columns[0]} and {name}"
        return (
            f"每个 {pair} 的组合各占一行。" if language == "zh" else f"Give one row for each pair of {pair}."
        )
    in_title = scope.form not in ("article", "sections")
    if language == "zh":
        what = f"页面标题中的{_KINDS_ZH[name]}" if in_title else "该项所在列表的标题"
        repeated = "同一项出现在几个列表中时，每个列表各占一行。" if edition == "key" else ""
        return f"{name} 一列填写{what}，例如 {example}。{repeated}"
    what = (
        f"the {_kind(scope, name)} that the title of the page gives"
        if in_title
        else "the heading of the list"
    )
    repeated = " An entry of several lists has one row for each of them." if edition == "key" else ""
    return f"In the column {name}, write {what}, such as {example}.{repeated}"


def _about_pages(asked: Asked, language: Language) -> str:
    """Where the values of pages are, and which entries do not count."""
    lacks = [BY_HEADER[header].lack[language] for header in asked.from_pages]
    if language == "zh":
        text = f"{'、'.join(asked.from_pages)} 请从每一项自己的页面（列表中的链接）上查找。"
        return text + (
            f"没有这样的页面，或页面{'，或'.join(lacks)}的项，不要列入。" if asked.leaves_out else ""
        )
    text = f"Take {enumerate_names(asked.from_pages)} from each entry's own page, to which the list links."
    if asked.leaves_out:
        text += f" Leave out every entry that has no such page, or whose page {' or '.join(lacks)}."
    return text


def _kind(scope: Scope, name: str) -> str:
    return name.lower() if name != "Edition" else str(scope.slot)


def write_question(pick: str, asked: Asked, language: Language) -> str:
    """One of the `phrasings`. The text `pick` decides which one."""
    number = int.from_bytes(hashlib.sha256(f"wording {pick}".encode()).digest()[:8], "big")
    written = phrasings(asked, language)
    return written[number % len(written)]


def parse_wide(question: str) -> ParsedWide | None:
    """Parse a wide question from its text alone. The result is None for a question of another kind."""
    scope = read_scope(question)
    line = column_line(question)
    if scope is None or not line:
        return None
    columns = tuple(cell.strip() for cell in line.strip("|").split("|"))
    asked = _EXTRA.split(question, maxsplit=1)[0]
    pages = _FROM_PAGES.search(question)
    names = re.split("、|, | and ", pages[1] or pages[2]) if pages else []
    return ParsedWide(
        scope,
        columns,
        read_selection(asked),
        tuple(column for column in columns if column in names),
        _LEFT_OUT.search(question) is not None,
    )
