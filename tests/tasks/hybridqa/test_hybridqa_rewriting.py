"""A model that rewrites questions and answers them twice: what is taken, what is not, and what is paid for once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.corpus.stored import StoredCorpus
from wideseek_env.errors import TaskError
from wideseek_env.llm import ChatReply
from wideseek_env.task import Table, Task
from wideseek_env.tasks.hybridqa.pipeline import BuildConfig, build_tasks
from wideseek_env.tasks.hybridqa.rewriting import Rewriter, agreement, broken
from wideseek_env.tasks.hybridqa.selection import Condition, Selection
from wideseek_env.tasks.hybridqa.wording import phrasings
from wideseek_env.tasks.jsonl import load_tasks

COLUMNS = ("Lighthouse", "Country", "Built")
WHERE = Selection((Condition("country", "is", "Norway"), Condition("built", "before", "1900")))
QUESTION = phrasings("List of lights", "Coasts", COLUMNS, WHERE)[0]
TASK = Task(
    "t",
    QUESTION,
    COLUMNS,
    COLUMNS[:1],
    Table(COLUMNS, (("Alder Bay Light", "Norway", "1880"), ("Birch Bay Light", "Norway", "1890"))),
    meta={"title": "List of lights", "section": "Coasts", "selection": WHERE.to_dict()},
)
LINE = "| Lighthouse | Country | Built |"


class Model:
    """Answers prompts with a function; counts them."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self.say = say
        self.asked = 0

    def chat_many(
        self,
        conversations: Sequence[Sequence[Mapping[str, Any]]],
        fields: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[ChatReply]:
        self.asked += len(conversations)
        return [
            ChatReply(self.say(str(conversation[-1]["content"])), "stop", {}, 1, 1)
            for conversation in conversations
        ]


def test_a_faithful_rewording_is_whole() -> None:
    told = (
        "Could you find me, in “List of lights” under “Coasts”, the lights whose country is Norway and that were built "
        f"before 1900? I need Country and Built for each. {LINE}"
    )
    assert broken(TASK, told) == ""
    assert broken(TASK, QUESTION) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("", ""), "length"),
        (("List of lights", "the list"), "title"),
        (("“Coasts”", "the coasts"), "title"),
        ((LINE, "| Lighthouse | Built | Country |"), "column line"),
        (("1900", "the century's end"), "conditions"),
        (("Norway", "a northern land"), "conditions"),
        (("Country and Built", "the rest"), "columns"),
        (("Take", "Among them is Alder Bay Light. Take"), "answer"),
        (("Take", "请看"), "language"),
    ],
)
def test_what_a_rewording_may_not_lose(change: tuple[str, str], fault: str) -> None:
    question = QUESTION.replace(*change) if change[0] else ""
    if fault == "columns":
        question = question.replace("whose country is Norway", "of Norway, by country, ").replace(
            "built before", "< "
        )
    assert broken(TASK, question) == fault


def test_agreement() -> None:
    assert TASK.gold is not None
    table = TASK.gold.to_markdown()
    assert agreement(TASK, table, table) == 1.0
    assert agreement(TASK, table, table.replace("1880", "1881")) == pytest.approx(5 / 6)
    assert agreement(TASK, "I do not know.", table) == 0.0
    assert agreement(TASK, table, "") == 0.0
    short = replace(TASK, columns=(), key_columns=(), gold=None, answers=("Norway",))
    assert agreement(short, "\\boxed{Chile}", "It is \\boxed{chile}") == 1.0
    assert agreement(short, "\\boxed{Chile}", "\\boxed{Norway}") == 0.0


def config(count: int | None = None) -> BuildConfig:
    return BuildConfig(count=count, chinese=0.0)


def test_questions_are_rewritten_and_replies_kept(
    small: Path, small_corpus: StoredCorpus, tmp_path: Path
) -> None:
    def say(prompt: str) -> str:
        question = prompt.partition("\n\n")[2]
        return f"Well now. {question}" if len(question) % 2 else "Sorry, no."

    model, out = Model(say), tmp_path / "t.jsonl"

    def build() -> Counter[str]:
        rewriter = Rewriter(model)
        return build_tasks(small, out, config(), corpus=small_corpus.path, workers=1, rewriter=rewriter).model

    counts = build()
    tasks = list(load_tasks(out))
    rewritten = [task for task in tasks if task.question.startswith("Well now. ")]
    assert 0 < len(rewritten) == counts["rewritten"] < len(tasks)
    assert sum(counts.values()) == len(tasks) == model.asked
    assert all(task.question == f"Well now. {task.meta['template']}" for task in rewritten)
    before = out.read_bytes()
    build()
    assert model.asked == len(tasks)
    assert out.read_bytes() == before


def test_tasks_whose_answers_differ_are_dropped(
    small: Path, small_corpus: StoredCorpus, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.jsonl"
    build_tasks(small, plain, config(), corpus=small_corpus.path, workers=1)
    gold = {task.question: task.gold for task in load_tasks(plain)}
    turn = Counter[str]()

    def say(prompt: str) -> str:
        assert "Page 1 of 2" in prompt
        question = prompt.split("\n\n")[1]
        turn[question] += 1
        table = gold[question]
        assert table is not None
        if question == doubtful and turn[question] == 2:
            table = Table(table.header, tuple((f"{row[0]} II", *row[1:]) for row in table.rows))
        return table.to_markdown()

    doubtful = next(iter(gold))
    out = tmp_path / "t.jsonl"
    rewriter = Rewriter(Model(say), small_corpus, rewrite_questions=False)
    report = build_tasks(small, out, config(), corpus=small_corpus.path, workers=1, rewriter=rewriter)
    assert {task.question for task in load_tasks(out)} == set(gold) - {doubtful}
    assert report.model["dropped: answers differ"] == 1
    assert report.model["answered"] == len(gold)
    assert all(task.meta["agreement"] == 1.0 for task in load_tasks(out))


def test_a_damaged_file_of_replies_is_named(small: Path, small_corpus: StoredCorpus, tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    rewriter = Rewriter(Model(lambda prompt: re.sub("x", "y", prompt)))
    build_tasks(small, out, config(2), corpus=small_corpus.path, workers=1, rewriter=rewriter)
    (tmp_path / "t.stages" / "4-model-broad" / "0000.json").write_text("[")
    with pytest.raises(TaskError, match=r"0000\.json cannot be read"):
        build_tasks(small, out, config(2), corpus=small_corpus.path, workers=1, rewriter=rewriter)
