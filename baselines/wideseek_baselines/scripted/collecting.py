"""Writes and reads the subtask to collect the entries of several lists, and the report on it, in plain sentences.

A subtask has one bullet for each list. A report has one table for each list, and then the lists and entries that are
left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wideseek_baselines.scripted.conditions import Condition, Relation
from wideseek_baselines.scripted.lists import ListName
from wideseek_baselines.scripted.subtasks import PAGE, Entity
from wideseek_env.scoring.tables import parse_table, split_row
from wideseek_env.task import Language, Table

LONGEST = 11_000
"""An agent reads no more lists when their entries take this number of characters in its report."""

_FIRST = {"en": "Collect the entries of these lists:", "zh": "请收集下列名单中的各项："}
_PART = {"en": ", part {0} of {1}", "zh": "，第 {0} 部分（共 {1} 部分）"}
_ALL = {"en": ", all lists", "zh": "，所有名单"}
_BELOW = {"en": ", all lists below “{0}”", "zh": "，“{0}”下的所有名单"}
_SECTION = {"en": ", “{0}”", "zh": "，“{0}”"}
_UNSURE = {"en": ", if there is such a page", "zh": "，如果有此网页"}
_FROM = {"en": ", from {0}", "zh": "，从 {0} 开始"}
_TELL = {
    "en": "“Part 2 of 3” means: divide the lists of the page, and the entries of a list, in order into 3 equal parts, "
    "and take the second. {conditions}Fill in the columns from the list. If it lacks a column, look each entry up on "
    "its page while you have turns left, and copy the value as the page gives it.\nReport one Markdown table for each "
    "list, with one row for each entry of your part, below a line with the title of the page and the name of the list. "
    "{page} is the address of the entry's own page. The columns are: {columns}\nBelow the tables, name the lists that "
    "you could not read or find, and the entries that you could not look up.",
    "zh": "“第 2 部分（共 3 部分）”的意思是：把网页上的名单以及名单中的各项按顺序分成 3 等份，取第二份。{conditions}"
    "请按名单填写各列。名单没有给出的列，请在还有轮次时逐项查找各自的网页，并按网页的写法抄录。\n"
    "请为每份名单报告一个 Markdown 表格，你那一部分的每一项一行，表格上方一行写明网页标题和名单名称。"
    "{page} 是该项自己的网页地址。列为：{columns}\n"
    "请在表格下面列出没有读完或没有找到的名单，以及没有查到的各项。",
}
_ONLY = {"en": "Only entries count with {0}. ", "zh": "只取符合以下条件的各项：{0}。"}
_RELATIONS: Mapping[Language, Mapping[Relation, str]] = {
    "en": {
        "is": "is", "is_not": "is not", "before": "before", "after": "after", "more": "more than",
        "less": "less than", "at_least": "at least", "at_most": "at most", "given": "is given",
    },
    "zh": {
        "is": "为", "is_not": "不为", "before": "早于", "after": "晚于", "more": "大于", "less": "小于",
        "at_least": "不小于", "at_most": "不大于", "given": "有值",
    },
}  # fmt: skip
_NOT_READ = {"en": "Lists not read:", "zh": "没有读完的名单："}
_NOT_FOUND = {"en": "Lists not found:", "zh": "没有找到的名单："}
_NOT_LOOKED_UP = {"en": "Entries not looked up:", "zh": "没有查到的各项："}

_LIST = re.compile(
    r"- “(?P<title>[^”]+)”(?:[,，] ?(?P<many>(?:all lists|所有名单)(?: below “(?P<en>[^”]+)”)?"
    r"|“(?P<zh>[^”]+)”下的所有名单)|[,，] ?“(?P<section>[^”]*)”)?"
    r"(?:, part (?P<part>\d+) of (?P<parts>\d+)|，第 (?P<zh_part>\d+) 部分（共 (?P<zh_parts>\d+) 部分）)?"
    r"(?P<unsure>, if there is such a page|，如果有此网页)?(?:, from |，从 )?(?P<url>https?://\S+)?(?: 开始)?"
)
_HEAD = re.compile(r"“([^”]+)”(?:[,，] ?“([^”]+)”)?[:：]")
_CONDITION = re.compile(
    r"\[([^\[\]]+)\] (is given|is not|is|before|after|more than|less than|at least|at most|不为|"
    r"为|早于|晚于|不小于|不大于|大于|小于|有值)(?: \[([^\[\]]*)\])?"
)
_COLUMNS = re.compile(r"\|[^\n]*\|")


@dataclass(frozen=True, slots=True)
class Collect:
    """The subtask to collect the entries of lists. `columns` begins with the key."""

    lists: tuple[ListName, ...]
    columns: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()

    def write(self, language: Language) -> str:
        """The text of the subtask."""
        said = ", ".join(
            f"[{c.column}] {_RELATIONS[language][c.relation]}{f' [{c.value}]' if c.value else ''}"
            for c in self.conditions
        )
        return "\n".join(
            [
                _FIRST[language],
                *(_bullet(name, language) for name in self.lists),
                _TELL[language].format(
                    conditions=_ONLY[language].format(said) if said else "",
                    page=PAGE,
                    columns=f"| {' | '.join((*self.columns, PAGE))} |",
                ),
            ]
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list: the list's page title and name, the entity, and the values found for it."""

    title: str
    section: str
    entity: Entity
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CollectReport:
    """A report.

    Args:
        lists: The page title and the name of each list that was read.
        entries: The entries of these lists.
        unread: Lists that are left to read.
        absent: Lists that do not exist.
        unfinished: The names of the entries that are left to look up.
    """

    lists: tuple[tuple[str, str], ...] = ()
    entries: tuple[Entry, ...] = ()
    unread: tuple[ListName, ...] = ()
    absent: tuple[ListName, ...] = ()
    unfinished: tuple[str, ...] = ()

    def write(self, columns: Sequence[str], language: Language) -> str:
        """The text of the report."""
        lines: list[str] = []
        for title, section in dict.fromkeys(self.lists):
            entries = [e for e in self.entries if (e.title, e.section) == (title, section)]
            lines += [_head(title, section, language), _table(columns, entries), ""]
        for said, names in ((_NOT_READ, self.unread), (_NOT_FOUND, self.absent)):
            if names:
                lines += [said[language], *(_bullet(name, language) for name in names), ""]
        if self.unfinished:
            lines += [_NOT_LOOKED_UP[language], *(f"- {entry}" for entry in self.unfinished), ""]
        return "\n".join(lines).strip()


def read_collect(text: str) -> Collect | None:
    """Read a subtask to collect entries. None for another subtask."""
    start = next((text.find(first) for first in _FIRST.values() if first in text), -1)
    if start < 0:
        return None
    text = text[start:]
    rows = _COLUMNS.findall(text)
    columns = tuple(cell for cell in split_row(rows[-1]) if cell and cell != PAGE) if rows else ("Name",)
    names = tuple(name for line in text.split("\n") if (name := _read_bullet(line)))
    relations = {word: relation for words in _RELATIONS.values() for relation, word in words.items()}
    conditions = tuple(
        Condition(column, relations[word], value) for column, word, value in _CONDITION.findall(text)
    )
    return Collect(names, columns, conditions)


def read_collect_report(text: str) -> CollectReport:
    """Read a report. A text of another form gives an empty report."""
    lists: list[tuple[str, str]] = []
    entries: list[Entry] = []
    left: dict[str, list[str]] = {said: [] for said in ("read", "found", "looked up")}
    table: list[str] = []
    head, below = ("", ""), ""

    def finish() -> None:
        parsed = parse_table("\n".join(table)).with_remarks().raw if table else None
        table.clear()
        if parsed is None or not head[0]:
            return
        key = parsed.header[0]
        for row in parsed.rows:
            given = dict(zip(parsed.header, row, strict=True))
            values = {name: value for name, value in given.items() if value and name not in (key, PAGE)}
            if given[key]:
                entries.append(Entry(*head, Entity(given[key], given.get(PAGE, "")), values))

    for line in text.split("\n"):
        if line.startswith("|"):
            table.append(line)
            continue
        finish()
        if match := _HEAD.fullmatch(line.strip()):
            head, below = (match[1], match[2] or ""), ""
            lists.append(head)
        for what, said in (("read", _NOT_READ), ("found", _NOT_FOUND), ("looked up", _NOT_LOOKED_UP)):
            if line.strip() in said.values():
                below = what
        if below and line.startswith("- "):
            left[below].append(line)
    finish()
    return CollectReport(
        tuple(lists),
        tuple(entries),
        tuple(name for line in left["read"] if (name := _read_bullet(line))),
        tuple(name for line in left["found"] if (name := _read_bullet(line))),
        tuple(line[2:].strip() for line in left["looked up"]),
    )


def length(entries: Iterable[Entry]) -> int:
    """About how many characters these entries take in a report."""
    return sum(
        len(e.entity.name) + len(e.entity.url) + sum(len(value) + 3 for value in e.values.values()) + 10
        for e in entries
    )


def _head(title: str, section: str, language: Language) -> str:
    comma, colon = ("，", "：") if language == "zh" else (", ", ":")
    return f"“{title}”{comma}“{section}”{colon}" if section else f"“{title}”{colon}"


def _table(columns: Sequence[str], entries: Sequence[Entry]) -> str:
    shown = [column for column in columns[1:] if any(entry.values.get(column) for entry in entries)]
    # A complete row needs no address.
    lacking = [any(not entry.values.get(column) for column in columns[1:]) for entry in entries]
    page = (PAGE,) if any(lacking) else ()
    cells = tuple(
        (
            e.entity.name,
            *(e.values.get(c, "") for c in shown),
            *((e.entity.url if lack else "",) if page else ()),
        )
        for e, lack in zip(entries, lacking, strict=True)
    )
    return Table((columns[0], *shown, *page), cells).to_markdown()


def _bullet(name: ListName, language: Language) -> str:
    text = f"- “{name.title}”"
    if name.heading or not name.section:
        which = _BELOW[language].format(name.section) if name.section else _ALL[language]
    else:
        which = _SECTION[language].format(name.section)
    text += "" if name.url and not name.section else which
    text += _PART[language].format(name.part, name.parts) if name.parts > 1 else ""
    text += _UNSURE[language] if name.unsure else ""
    return text + (_FROM[language].format(name.url) if name.url else "")


def _read_bullet(line: str) -> ListName | None:
    match = _LIST.fullmatch(line.strip())
    if match is None:
        return None
    section = match["en"] or match["zh"] or match["section"] or ""
    part, parts = match["part"] or match["zh_part"], match["parts"] or match["zh_parts"]
    return ListName(
        match["title"],
        section,
        bool(match["many"]),
        bool(match["unsure"]),
        int(part or 1),
        int(parts or 1),
        match["url"] or "",
    )
