"""`Rewriter`: a model rephrases the questions and answers each of them twice, to check that they can be answered.

A rewritten question is used only if it still has everything that the answer depends on. Otherwise the task keeps the
question made from a template. Two independent answers from the same pages must agree. A task with answers that do not
agree is dropped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.hybridqa.pages import page_count
from wideseek_env.errors import TaskError
from wideseek_env.files import write_whole
from wideseek_env.llm import ChatReply, Message
from wideseek_env.pages import to_document
from wideseek_env.scoring import parse_table, score_response
from wideseek_env.scoring.align import match_columns
from wideseek_env.scoring.short_answer import short_answers
from wideseek_env.scoring.text import text_key
from wideseek_env.task import Table, Task
from wideseek_env.tasks.hybridqa.selection import Selection
from wideseek_env.tasks.hybridqa.stages import Progress
from wideseek_env.tasks.hybridqa.wording import column_line

CHUNK = 32
"""Tasks per file. A killed run loses the paid replies of at most one file."""

_LONGEST = 3
"""The largest length of a rewritten question, as a multiple of the template's length."""

# Without a limit, a model that does not stop by itself would generate tokens until its context is full.
_QUESTION_TOKENS = 512
_ANSWER_TOKENS = 4096

_REWRITE = (
    "Rewrite the question below as a person who needs the answer would ask it: natural, complete, in {language}. Keep "
    "unchanged, letter by letter: every text between “ and ”, every column name, every value and number in a "
    "condition, and the last line with its column names between | signs. Add no facts and answer nothing. Reply with "
    "the question alone.\n\n{question}"
)
_ANSWER = (
    "Answer the question from the pages below, and from nothing else.\n\n{question}\n\n{pages}\n\nAnswer now."
)
_LANGUAGES = {"en": "English", "zh": "Chinese"}
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


class Chat(Protocol):
    """The part of `wideseek_env.llm.ChatClient` that a `Rewriter` uses: one method."""

    def chat_many(
        self, conversations: Sequence[Sequence[Message]], fields: Sequence[dict[str, Any]] | None = None
    ) -> list[ChatReply]:
        """The replies, in order of the conversations."""
        ...


def broken(task: Task, question: str) -> str:
    """Names, in a few words, the parts that a rewritten question lacks although its answer depends on them. The result
    is "" when no part is missing."""
    selection = Selection.from_dict(task.meta.get("selection", {}))
    title, section = str(task.meta["title"]), str(task.meta["section"])
    if not question.strip() or len(question) > _LONGEST * len(task.question) + 200:
        return "length"
    if bool(_CHINESE.search(question)) != (task.language == "zh"):
        return "language"
    if title not in question or section not in question:
        return "title"
    if task.gold is None:
        wanted = [str(task.meta["column"]), *re.findall(r"“([^”]+)”", task.question), "\\boxed{}"]
        folded = question.casefold()
        return "" if all(text.casefold() in folded for text in wanted) else "values"
    if column_line(question) != column_line(task.question):
        return "column line"
    body = question.replace(column_line(question), "").casefold()
    if any(name.casefold() not in body for name in task.columns[1:]):
        return "columns"
    wanted = [text for c in selection.conditions for text in (c.label, c.value)]
    if selection.part is not None:
        wanted += [selection.part.label, *_NUMBER.findall(selection.part.phrase())]
    if any(text.casefold() not in body for text in wanted):
        return "conditions"
    if any(answer in question for answer in _answers_only(task, title, section)):
        return "answer"
    return ""


def _answers_only(task: Task, title: str, section: str) -> list[str]:
    """Keys of the gold table that are not in the question made from the template. A rewritten question must not contain
    them either."""
    assert task.gold is not None
    return [key for key in task.gold.column(task.key_columns[0]) if len(key) > 5 and key not in task.question]


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Rephrases questions and checks answers with the model behind `client`.

    Args:
        client: Sends requests to the model.
        corpus: The corpus with the pages for the answers. None skips the check of answers.
        agreement: The least item-F1 between two answers.
        page_chars: The most characters of all pages of one task together. If the pages of a task are longer, the model
            is not asked to answer the task.
        rewrite_questions: Whether to rewrite questions.
    """

    client: Chat
    corpus: Corpus | None = None
    agreement: float = 0.7
    page_chars: int = 60_000
    rewrite_questions: bool = True

    def rewrite(
        self, tasks: Sequence[Task], limit: int | None, folder: Path, counts: Counter[str], progress: Progress
    ) -> list[Task]:
        """The first `limit` tasks (all by default) with their new questions, in order. Doubtful tasks are dropped.

        Replies are stored in `folder`, one file for every `CHUNK` tasks. A later call with this folder uses the stored
        replies.

        Raises:
            ServiceError: The model cannot be reached. Its replies so far are stored.
        """
        folder.mkdir(parents=True, exist_ok=True)
        kept: list[Task] = []
        for start in range(0, len(tasks), CHUNK):
            if limit is not None and len(kept) >= limit:
                break
            chunk = tasks[start : start + CHUNK]
            file = folder / f"{start // CHUNK:04d}.json"
            records = _kept(file, chunk)
            if records is None:
                records = self._ask(chunk)
                write_whole(file, json.dumps(records, ensure_ascii=False, indent=0) + "\n")
            for task, record in zip(chunk, records, strict=True):
                if limit is not None and len(kept) >= limit:
                    break
                if (changed := self._judge(task, record, counts)) is not None:
                    kept.append(changed)
            progress("model", len(kept), limit if limit is not None else len(tasks))
        return kept

    def _ask(self, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        """Ask the model about some tasks. Returns a new question and two answers for each task."""
        records: list[dict[str, Any]] = [{"id": task.id} for task in tasks]
        if self.rewrite_questions:
            prompts = [
                _REWRITE.format(language=_LANGUAGES[task.language], question=task.question) for task in tasks
            ]
            for record, reply in zip(records, self._replies(prompts, 0.8, _QUESTION_TOKENS), strict=True):
                record["question"] = reply
        if self.corpus is not None:
            pages = [self._pages(task) for task in tasks]
            asked = [number for number, text in enumerate(pages) if text]
            prompts = [_ANSWER.format(question=tasks[n].question, pages=pages[n]) for n in asked]
            replies = self._replies([prompt for prompt in prompts for _ in range(2)], 1.0, _ANSWER_TOKENS)
            for place, number in enumerate(asked):
                first, second = replies[2 * place], replies[2 * place + 1]
                records[number]["agreement"] = agreement(tasks[number], first, second)
                records[number]["gold"] = [
                    score_response(reply, tasks[number]).f1_by_item for reply in (first, second)
                ]
        return records

    def _replies(self, prompts: Sequence[str], temperature: float, longest: int) -> list[str]:
        conversations: list[list[Message]] = [[{"role": "user", "content": prompt}] for prompt in prompts]
        fields = {"temperature": temperature, "max_tokens": longest}
        replies = self.client.chat_many(conversations, [fields] * len(prompts))
        return [reply.text for reply in replies]

    def _judge(self, task: Task, record: dict[str, Any], counts: Counter[str]) -> Task | None:
        if "agreement" in record:
            counts["answered"] += 1
            counts["answers that agree with the gold"] += min(record["gold"]) >= self.agreement
            if record["agreement"] < self.agreement:
                counts["dropped: answers differ"] += 1
                return None
        elif self.corpus is not None:
            counts["not answered: pages too long"] += 1
        meta: dict[str, Any] = dict(task.meta)
        if "agreement" in record:
            meta["agreement"] = round(record["agreement"], 4)
        question = str(record.get("question") or "").strip()
        if not self.rewrite_questions:
            return replace(task, meta=meta)
        fault = broken(task, question)
        if fault:
            counts[f"template kept: {fault}"] += 1
            return replace(task, meta=meta)
        counts["rewritten"] += 1
        return replace(task, question=question, meta={**meta, "template": task.question})

    def _pages(self, task: Task) -> str:
        """All pages that the answer needs, as an agent reads them. The result is "" when the pages are too long."""
        assert self.corpus is not None
        first = str(task.meta["url"])
        rows = int(task.meta.get("list_rows", 0)) or 20
        urls = [first]
        for number in range(2, page_count(rows) + 1):
            address, _, query = first.partition("?")
            table = query or f"table={str(task.meta['table']).rpartition('_')[2]}"
            urls.append(f"{address}?{table}&page={number}")
        urls += [url for url in task.meta["entities"] if url and task.meta["mode"] == "pages"]
        parts: list[str] = []
        for url in urls:
            page = self.corpus.fetch(url)
            if page is not None:
                document = to_document(page.html, url)
                parts.append(f"# {page.title}\n\n{document.markdown}")
        text = "\n\n".join(parts)
        return text if len(text) <= self.page_chars else ""


def agreement(task: Task, first: str, second: str) -> float:
    """The item-F1 of one answer against the other, from 0 to 1. Item-F1 is the F1 score over the cells of two tables.
    For short answers the result is 1 or 0."""
    if task.gold is None:
        one, other = short_answers(first), short_answers(second)
        return 1.0 if one and other and text_key(one[0]) == text_key(other[0]) else 0.0
    table = parse_table(first, task.columns, task.key_columns).table
    if table is None or not table.rows:
        return 0.0
    places = match_columns(task.columns, table.header)
    if len(places) < len(task.columns):
        return 0.0
    rows = tuple(tuple(row[places[name]] for name in task.columns) for row in table.rows)
    return score_response(second, replace(task, gold=Table(tuple(task.columns), rows))).f1_by_item


def _kept(file: Path, tasks: Sequence[Task]) -> list[dict[str, Any]] | None:
    if not file.is_file():
        return None
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
        ids = [record["id"] for record in records]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TaskError(f"{file} cannot be read ({error}); remove it, and run again") from error
    return records if ids == [task.id for task in tasks] else None
