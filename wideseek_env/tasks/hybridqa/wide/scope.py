"""`Scope`: the lists that a wide question names, as a phrase in English or Chinese that a program can read.

A phrase names the lists completely. Nothing else in the corpus fits it (`wideseek_env.tasks.hybridqa.wide.unions`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from wideseek_env.task import Language
from wideseek_env.tasks.hybridqa.siblings import Where
from wideseek_env.tasks.hybridqa.titles import SlotKind, number_in, read_title

Form = Literal["article", "sections", "titles", "counterparts", "range"]

MOST_NAMED = 6
"""The most lists or articles that a question names one by one."""
MOST_COUNTERPARTS = 10
"""The most articles that a question names by their years or numbers."""

_STEPS = {1: "each year", 2: "every second year", 3: "every third year", 4: "every fourth year"}
_STEPS_ZH = {1: "每年", 2: "每两年", 3: "每三年", 4: "每四年"}
_QUOTED = re.compile(r"“([^”]+)”")
_NUMBER = r"\d[\w–/-]*"
_COUNTERPARTS = re.compile(
    rf"and its counterparts? (?:for|numbered) ((?:the )?{_NUMBER}(?:, (?:the )?{_NUMBER})*"
    rf"(?: and (?:the )?{_NUMBER})?)"
)
_COUNTERPARTS_ZH = re.compile(rf"及其 ({_NUMBER}(?:、{_NUMBER})*) 的同类页面")
_PAGES = re.compile(r"the Wikipedia pages? (?:from )?(?=“)|维基百科(?:上从|页面)(?=“)")


@dataclass(frozen=True, slots=True)
class Scope:
    """The lists that a question names.

    Args:
        form: How the question names the articles or lists. ``article``: all lists of one article, or those under the
            heading `section`. ``sections``: lists of one article by name. ``titles``: articles by title.
            ``counterparts``: one article by title, and others by the `values` that replace a year or number in it.
            ``range``: the first and the last article of a row of years or numbers.
        titles: The titles that the question names: one, or all (``titles``), or the first and last (``range``).
        where: Which lists of the articles: those in the section `section`, those under the heading `section`, or all.
        section: The section or heading. It is empty for all lists.
        sections: The names of the lists for the form ``sections``, without the heading.
        values: The years or numbers of the other articles for the form ``counterparts``.
        step: For the form ``range``, the difference of two neighbours. 0 means that some years have no page.
        several: Whether some article has several of the lists.
    """

    form: Form
    titles: tuple[str, ...]
    where: Where = "article"
    section: str = ""
    sections: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    slot: SlotKind | None = None
    step: int = 0
    several: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The JSON form. Empty fields are left out."""
        return {name: value for name, value in asdict(self).items() if value not in ("", (), 0, None, False)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scope:
        """The inverse of `to_dict`."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**values)

    def phrase(self, language: Language = "en") -> str:
        """The lists as a phrase that follows a verb or preposition."""
        return self._chinese() if language == "zh" else self._english()

    def _english(self) -> str:
        if self.form == "sections":
            under = f" under the heading “{self.section}”" if self.section else ""
            return f"the lists {enumerate_quoted(self.sections)}{under} on {self._pages()}"
        if self.where == "section":
            return f"the section “{self.section}” of {self._pages()}"
        if self.where == "heading":
            return f"the lists under the heading “{self.section}” on {self._pages()}"
        return f"{'all' if self.several else 'the'} lists on {self._pages()}"

    def _pages(self) -> str:
        if self.form in ("article", "sections"):
            return f"the Wikipedia page “{self.titles[0]}”"
        if self.form == "titles":
            return f"the Wikipedia pages {enumerate_quoted(self.titles)}"
        if self.form == "counterparts":
            ordinal = not self.values[0][-1].isdigit()
            names = [f"the {value}" if ordinal else value for value in self.values]
            word = "numbered" if self.slot == "number" and not ordinal else "for"
            noun = "counterpart" if len(names) == 1 else "counterparts"
            return f"the Wikipedia page “{self.titles[0]}” and its {noun} {word} {_enumerate(names)}"
        span = f"the Wikipedia pages from “{self.titles[0]}” to “{self.titles[1]}”"
        unit = "year" if self.slot == "year" else "number"
        if self.step in _STEPS and (unit == "year" or self.step == 1):
            return f"{span} (one page for {_STEPS[self.step].replace('year', unit)})"
        return f"{span} (some {unit}s have no page)"

    def _chinese(self) -> str:
        if self.form == "sections":
            under = f"的“{self.section}”标题下" if self.section else ""
            return f"{self._pages_zh()}{under}的列表{enumerate_quoted(self.sections, 'zh')}"
        if self.where == "section":
            return f"{self._pages_zh()}的“{self.section}”部分"
        if self.where == "heading":
            return f"{self._pages_zh()}的“{self.section}”标题下的所有列表"
        return f"{self._pages_zh()}的所有列表"

    def _pages_zh(self) -> str:
        if self.form in ("article", "sections"):
            return f"维基百科页面“{self.titles[0]}”"
        if self.form == "titles":
            return f"维基百科页面{enumerate_quoted(self.titles, 'zh')}"
        if self.form == "counterparts":
            return f"维基百科页面“{self.titles[0]}”及其 {'、'.join(self.values)} 的同类页面"
        span = f"维基百科上从“{self.titles[0]}”到“{self.titles[1]}”的同类页面"
        if self.step in _STEPS_ZH and self.slot == "year":
            return f"{span}（{_STEPS_ZH[self.step]}一个）"
        return (
            span if self.step == 1 else f"{span}（部分{'年份' if self.slot == 'year' else '序号'}没有页面）"
        )

    @property
    def all_titles(self) -> tuple[str, ...]:
        """The titles that a reader can work out. For the form ``range`` these are only the first and the last."""
        if self.form != "counterparts":
            return self.titles
        title = read_title(self.titles[0])
        kind = "year" if re.match(r"\d{4}", self.values[0]) else "number"
        place = next((n for n, slot in enumerate(title.slots) if slot.kind == kind), None)
        if place is None:
            return self.titles
        texts = title.values
        others = (title.with_slots((*texts[:place], value, *texts[place + 1 :])) for value in self.values)
        return (self.titles[0], *others)

    @property
    def span(self) -> tuple[int, int]:
        """The first and last year or number of a ``range``, or (0, 0)."""
        first, last = (read_title(title).values for title in (self.titles[0], self.titles[-1]))
        ends = [(number_in(a), number_in(b)) for a, b in zip(first, last, strict=False) if a != b]
        return ends[0] if ends else (0, 0)

    @property
    def named(self) -> tuple[object, ...]:
        """What the words of the question name. `read_scope` finds exactly this."""
        return self.form, self.titles, self.where, self.section, self.sections, self.values


def enumerate_quoted(names: Sequence[str], language: Language = "en") -> str:
    """`“A”, “B” and “C”`, or the same in Chinese."""
    quoted = [f"“{name}”" for name in names]
    return "、".join(quoted) if language == "zh" else _enumerate(quoted)


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def read_scope(question: str) -> Scope | None:
    """The scope that a question of this package names. None for another kind of question."""
    question = question.partition("\n")[0]
    pages = _PAGES.search(question)
    if pages is None:
        return None
    chinese = pages.group().startswith("维")
    before, rest = question[: pages.start()], question[pages.end() :]
    names = _leading_quotes(rest)
    tail = rest[names[1] :]
    titles = tuple(names[0])
    found: dict[str, Any] = {"titles": titles}
    if "from “" in question[pages.start() : pages.end() + 1] or pages.group().startswith("维基百科上从"):
        second = _QUOTED.search(tail)
        if second is None:
            return None
        found |= {"form": "range", "titles": (titles[0], second[1])}
        tail = re.sub(r"^的同类页面(?:（[^）]*）)?", "", tail[second.end() :])
    elif match := (_COUNTERPARTS_ZH if chinese else _COUNTERPARTS).match(tail.lstrip()):
        values = tuple(re.findall(_NUMBER, match[1]))
        found |= {"form": "counterparts", "values": values}
        tail = tail.lstrip()[match.end() :]
    else:
        found["form"] = "titles" if len(titles) > 1 else "article"
    place = tail if chinese else before
    quoted = _QUOTED.findall(place)
    if not quoted:
        return Scope(**found)
    if chinese:
        heading = re.match(r"的“([^”]+)”标题下", tail)
        named = re.search(r"的列表((?:“[^”]+”、?)+)", tail)
        part = re.match(r"的“([^”]+)”部分", tail)
        if named is not None:
            found |= {"form": "sections", "sections": tuple(_QUOTED.findall(named[1]))}
        if heading is not None:
            found |= {"where": "heading", "section": heading[1]}
        elif part is not None:
            found |= {"where": "section", "section": part[1]}
        return Scope(**found)
    heading = re.search(r"under the heading “([^”]+)” on $", before)
    part = re.search(r"the section “([^”]+)” of $", before)
    named = re.search(r"the lists ((?:“[^”]+”(?:, | and )?)+)", before)
    if named is not None:
        found |= {"form": "sections", "sections": tuple(_QUOTED.findall(named[1]))}
    if heading is not None:
        found |= {"where": "heading", "section": heading[1]}
    elif part is not None:
        found |= {"where": "section", "section": part[1]}
    return Scope(**found)


def _leading_quotes(text: str) -> tuple[list[str], int]:
    """The quoted names at the start of `text`, and where they end."""
    names: list[str] = []
    at = 0
    while match := re.compile(r"(?:, | and |、)?“([^”]+)”").match(text, at):
        names.append(match[1])
        at = match.end()
    return names, at
