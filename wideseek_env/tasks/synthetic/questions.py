"""The wording of synthetic tasks. There are several templates in English and Chinese. Each contains one phrase that an
agent can search for."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.corpus.synthetic.dice import Dice
from wideseek_env.corpus.synthetic.model import EntityList
from wideseek_env.task import Language
from wideseek_env.tasks.phrasing import column_sentence
from wideseek_env.tasks.synthetic.columns import Column
from wideseek_env.tasks.synthetic.filters import Filter

# {what} is the phrase with its filters. Punctuation follows it, so that `parse_question` finds its end.
_ENGLISH = (
    "Find all {what}. For each of them, report {wishes}.",
    "I am putting together an overview of {what}. Include every one of them and tell me {wishes}.",
    "Which are the {what}? I need all of them, together with {wishes}.",
    "Please compile a complete table of {what}: for each, {wishes}.",
    "For a survey I need the {what}, without exception. Find out {wishes}.",
)
_CHINESE = (
    "请找出{where}的所有{kind}（{what}）{conditions}，并给出每一项的{labels}。",
    "我正在整理一份{where}{kind}的总表（{what}）{conditions}。请不要遗漏，并逐项查明{labels}。",
    "{where}有哪些{kind}（{what}）{conditions}？请列出全部，并附上{labels}。",
)


def write_question(
    dice: Dice,
    entity_list: EntityList,
    filters: Sequence[Filter],
    columns: Sequence[Column],
    language: Language,
) -> str:
    """The question for the entities of a list that pass `filters`. The question asks for the key and for `columns`."""
    what = entity_list.phrase
    if filters:
        what += " " + " and ".join(f.phrase() for f in filters)
    names = [entity_list.kind.key, *(column.name for column in columns)]
    if language == "zh":
        text = dice.pick(_CHINESE).format(
            where=entity_list.region.name,
            kind=entity_list.kind.zh,
            what=what,
            conditions="".join(f"，条件：{f.phrase_zh()}" for f in filters),
            labels="、".join(column.name for column in columns),
        )
        return f"{text}{column_sentence(names, 'zh')}"
    text = dice.pick(_ENGLISH).format(what=what, wishes=_enumerate([column.wish() for column in columns]))
    return f"{text} {column_sentence(names, 'en')}"


def _enumerate(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
