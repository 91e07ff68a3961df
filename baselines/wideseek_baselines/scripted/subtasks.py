"""Writes and reads subtasks of the lead and reports of subagents, in plain sentences.

The texts are complete, so a language model can play the lead or a subagent. If a subtask has a bulleted list, the
subagent must look up the entities in it. If not, it must find a list. The columns are in one line, separated by pipes.
Addresses are links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wideseek_env.pages import find_links, strip_links
from wideseek_env.scoring.tables import parse_table, split_row
from wideseek_env.task import Language, Table

PAGE = "Page"
"""The name of the column of a report that has the address of each row's page."""

MARKER = re.compile(r"(?:Your subtask:|你的子任务：)\n")
"""The words before a subagent's own subtask. The text above them is the question of the team."""
_COLUMNS = re.compile(r"\|[^\n]*\|")
_QUOTED = re.compile(r"“([^”]+)”")
_URL = re.compile(r"https?://[^\s|<>\"]+")
_FIND = {
    "en": "Find a complete list: {subject}.\nLook for a page called {titles}.{section}\n{begin}Report one Markdown "
    "table with the columns {columns} and one row for each entry of the list, its other pages included. {page} is "
    "the address of the entry's own page. Fill in the other columns only where the list itself gives them. If you "
    "have to stop before the end, say at which address the list goes on.",
    "zh": "请找出一份完整的名单：{subject}。\n请寻找名为{titles}的网页。{section}\n{begin}"
    "请用一个 Markdown 表格报告，列为 {columns}，名单的每一项一行（包括后续各页）。"
    "{page} 是该项自己的网页地址。其余各列只在名单本身给出时填写。如果必须提前停下，请写明名单在哪个地址继续。",
}
_SECTION = {"en": " The part of it that matters is “{0}”.", "zh": "其中需要的部分是“{0}”。"}
_BEGIN = {"en": "Begin at {0}\n", "zh": "请从这里开始：{0}\n"}
_OR = {"en": " or ", "zh": "或"}
_LOOK_UP = {
    "en": "Look up these entities, each on its own page:\n{entities}\nReport one Markdown table with exactly these "
    "columns and one row for each of them: {columns}\n“B of a” means: find a on the entity's page, follow its link "
    "and find B there. Copy values as the pages give them, leave a cell empty where they do not, and name below the "
    "table those that you could not finish.",
    "zh": "请逐个查找下列实体，以各自的网页为准：\n{entities}\n"
    "请用一个 Markdown 表格报告，每个实体一行，列依次为：{columns}\n"
    "“B of a”的意思是：在实体的网页上找到 a，沿着它的链接，再在那里找到 B。"
    "请按网页的写法抄录，网页没有给出的留空，并在表格下面列出没有查完的实体。",
}
_FOUND = {"en": "{0} entries found, of {1}.", "zh": "找到 {0} 项，共 {1} 项。"}
_GOES_ON = {"en": "The list goes on at {0}", "zh": "名单在这里继续：{0}"}
_UNFINISHED = {"en": "Not finished:\n{0}", "zh": "没有查完：\n{0}"}


class Entity(NamedTuple):
    """An entity that will be a row of the answer: its name, and the address of its page ("" if unknown)."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class FindList:
    """The subtask to find a list. `columns` begins with the key. `begin` has known addresses of the list."""

    columns: tuple[str, ...]
    subject: str
    titles: tuple[str, ...]
    section: str = ""
    begin: tuple[str, ...] = ()

    def write(self, language: Language) -> str:
        """The text of the subtask."""
        return _FIND[language].format(
            subject=self.subject,
            titles=_OR[language].join(f"“{title}”" for title in self.titles),
            section=_SECTION[language].format(self.section) if self.section else "",
            begin="".join(_BEGIN[language].format(url) for url in self.begin),
            columns=_line((*self.columns, PAGE)),
            page=PAGE,
        )


@dataclass(frozen=True, slots=True)
class LookUp:
    """The subtask to look up entities. `columns` begins with the key."""

    columns: tuple[str, ...]
    entities: tuple[Entity, ...]

    def write(self, language: Language) -> str:
        """The text of the subtask."""
        return _LOOK_UP[language].format(entities=_bullets(self.entities), columns=_line(self.columns))


@dataclass(frozen=True, slots=True)
class Report:
    """A report: rows by column name, addresses at which a list continues, and unfinished entities."""

    header: tuple[str, ...] = ()
    rows: tuple[Mapping[str, str], ...] = ()
    goes_on: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


def read_subtask(text: str) -> FindList | LookUp:
    """Read the subtask in a subagent's first message."""
    text = MARKER.split(text)[-1]
    lines = _COLUMNS.findall(text)
    columns = tuple(cell for cell in split_row(lines[-1]) if cell) if lines else ("Name",)
    items = [line[2:] for line in text.split("\n") if line.startswith("- ")]
    if items:
        return LookUp(columns, tuple(_entity(item) for item in items))
    subject, _, rest = text.partition("\n")
    quoted = _QUOTED.findall(rest) or _QUOTED.findall(text)
    section = ""
    if len(quoted) > 1 and (quoted[-1] in quoted[:-1] or any(t.endswith(f": {quoted[-1]}") for t in quoted)):
        section = quoted.pop()
    titles = tuple(dict.fromkeys(quoted)) or (" ".join(strip_links(subject).split())[:200],)
    begin = tuple(url.rstrip(".,;，。；") for url in _URL.findall(text))
    return FindList(tuple(c for c in columns if c != PAGE), subject, titles, section, begin)


def write_list_report(
    columns: Sequence[str],
    rows: Sequence[tuple[Entity, Mapping[str, str]]],
    total: int,
    goes_on: Sequence[str],
    language: Language,
) -> str:
    """Write a report on a list. `total` is the number of entries that the list states, or 0 if it states none."""
    said = [_FOUND[language].format(len(rows), max(total, len(rows)) if total or not goes_on else "?")]
    said += [_GOES_ON[language].format(url) for url in goes_on]
    shown = [column for column in columns[1:] if any(values.get(column) for _, values in rows)]
    cells = [(entity.name, *(values.get(c, "") for c in shown), entity.url) for entity, values in rows]
    return "\n".join([*said, "", Table((columns[0], *shown, PAGE), tuple(cells)).to_markdown()])


def write_look_up_report(
    columns: Sequence[str],
    rows: Sequence[tuple[Entity, Mapping[str, str]]],
    unfinished: Sequence[Entity],
    language: Language,
) -> str:
    """Write a report on entities."""
    cells = tuple(
        (entity.name, *(values.get(c, "") for c in columns[1:]), entity.url) for entity, values in rows
    )
    text = Table((*columns, PAGE), cells).to_markdown()
    return f"{text}\n\n{_UNFINISHED[language].format(_bullets(unfinished))}" if unfinished else text


def read_report(text: str) -> Report:
    """Read a report of either kind. A report without a table has no rows."""
    table = parse_table(text).raw
    prose = [line for line in text.split("\n") if not line.startswith("|")]
    goes_on = tuple(url for line in prose if not line.startswith("- ") for url in _URL.findall(line))
    unfinished = tuple(_entity(line[2:]).name for line in prose if line.startswith("- "))
    if table is None:
        return Report((), (), goes_on, unfinished)
    rows = tuple(dict(zip(table.header, row, strict=True)) for row in table.rows)
    return Report(table.header, rows, goes_on, unfinished)


def _entity(item: str) -> Entity:
    links = find_links(item)
    return Entity(strip_links(item).strip(), links[0].url if links else "")


def _bullets(entities: Sequence[Entity]) -> str:
    return "\n".join(f"- [{e.name}]({e.url})" if e.url else f"- {e.name}" for e in entities)


def _line(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |"
