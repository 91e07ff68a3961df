"""Parsers of outside text: four times the text takes about four times the work, also for hostile text."""

from __future__ import annotations

import datetime
import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from wideseek_env.corpus.hybridqa.text import _TABLE_ATTRIBUTES
from wideseek_env.corpus.remote_shapes import page_of, split_title
from wideseek_env.corpus.words import title_keys
from wideseek_env.messages import Message
from wideseek_env.net.robots import rules_for
from wideseek_env.pages import find_links, focus, neutralise, plain_text, to_document
from wideseek_env.pages.from_markdown import markdown_to_html, text_to_html
from wideseek_env.pages.layout import is_layout
from wideseek_env.parsing.message import parse_message
from wideseek_env.scoring import score_response
from wideseek_env.scoring.widesearch import score_widesearch
from wideseek_env.task import ColumnSpec, Table, Task
from wideseek_env.tools.lists import read_items

_TOO_MUCH = 8.0  # linear work gives 4, quadratic work 16
_ROUNDS = 5

Make = Callable[[int], str]
Read = Callable[[str], Any]

TASK = Task(
    id="t",
    question="Which?",
    columns=("name", "height"),
    key_columns=("name",),
    gold=Table(("name", "height"), (("n1", "3"), ("n2", "4"))),
    specs={"height": ColumnSpec(metrics=("number_near",), preprocess=("extract_number",), criterion=0.05)},
)
TOOLS = {"search": ("query",), "browse": ("url",)}
HEAD = "| name | height |\n|---|---|\n"


def ask(html: str) -> str:
    """Focus a page on a question that is as long as the page."""
    return focus(to_document(html), " ".join(f"w{number}" for number in range(len(html) // 10)), 3000)


def strict(answer: str) -> object:
    return score_widesearch(answer, TASK, today=datetime.date(2025, 1, 1))


def lenient(answer: str) -> object:
    return score_response(answer, TASK)


def message(text: str) -> object:
    return parse_message(Message(role="assistant", content=text), TOOLS)


def layout(tags: str) -> object:
    tokens = tags.split()
    return [is_layout(tokens, at) for at in range(0, len(tokens), 6)]


def robots(text: str) -> object:
    return rules_for("wideseek", text)


PAGES: dict[str, tuple[Read, Make, int]] = {
    "headings": (to_document, lambda n: "<h1>a</h1>" * n, 600),
    "headings of all levels": (to_document, lambda n: "".join(f"<h{i % 6 + 1}>a" for i in range(n)), 600),
    "headings after a paragraph": (to_document, lambda n: "<p>b" + "<h2>a</h2>" * n, 600),
    "headers without rows": (to_document, lambda n: "<table><tr><th>a</table>" * n, 300),
    "captions": (to_document, lambda n: "<table><caption>c<tr><th>a</table>" * n, 200),
    "Markdown headings": (lambda text: to_document(markdown_to_html(text)), lambda n: "# a\n" * n, 600),
    "one long and many short rows": (
        to_document,
        lambda n: "<table><tr>" + "<td>x" * n + "<tr>" + "<td>a" * n + "<tr><td>b" * n,
        500,
    ),
    "a tall cell after a long row": (
        to_document,
        lambda n: "<table><tr>" + "<td>x" * n + "<td rowspan=0>z" + "<tr><td>b" * n,
        500,
    ),
    "wide cells": (to_document, lambda n: "<table><tr><td>x<td>y" + "<tr><td colspan=300>b" * n, 1000),
    "tables with a cell": (layout, lambda n: "table tr td /td /tr /table " * n, 3000),
    "nested elements": (to_document, lambda n: "<div><b>a" * n, 500),
    "raised text": (to_document, lambda n: "1<sup>1</sup>" * n, 500),
    "raised text of a text": (plain_text, lambda n: "a<sup>2</sup>" * n, 500),
    "nested lists": (to_document, lambda n: "<ul><li>a" * n, 400),
    "question as long as sentences": (ask, lambda n: "<p>" + "Aa bb. " * n, 600),
    "question as long as a table": (ask, lambda n: "<table><tr><th>a<th>b" + "<tr><td>c<td>d" * n, 300),
}
MARKDOWN: dict[str, tuple[Read, Make, int]] = {
    "backticks": (markdown_to_html, lambda n: "`" * n, 2000),
    "backticks after text": (markdown_to_html, lambda n: "a" + "`" * n + "b", 2000),
    "spaces in a heading": (markdown_to_html, lambda n: "# a" + " " * n + "b", 2000),
    "signs in a heading": (markdown_to_html, lambda n: "# " + "#" * n + "b", 2000),
    "spaces before a rule": (markdown_to_html, lambda n: "a|b\n" + " " * n + "-x", 2000),
    "spaces in a rule": (markdown_to_html, lambda n: "a|b\n-" + " " * n + "x", 2000),
    "dashes that are no rule": (markdown_to_html, lambda n: "a|b\n" + "- | " * n + " " * n + "x", 2000),
    "tables without an end": (markdown_to_html, lambda n: "<table>\n" * n, 1000),
    "brackets": (markdown_to_html, lambda n: "[a](" * n, 1000),
    "lines of an item": (markdown_to_html, lambda n: "- a\n" + "  b\n" * n, 1000),
    "blank lines": (text_to_html, lambda n: "a\n \n" * n, 1000),
    "links": (find_links, lambda n: "[a](" * n, 2000),
    "markup of models": (neutralise, lambda n: "<tool_call" + " <|a" * n, 2000),
}
OTHERS: dict[str, tuple[Read, Make, int]] = {
    "spaces in a title": (title_keys, lambda n: "a" + " " * n + "b", 3000),
    "comments": (lambda text: page_of(text, "https://a.example/", "t"), lambda n: "<!---->" * n + "x", 5),
    "spaces after a label": (split_title, lambda n: "(Title:" + " " * n, 2000),
    "addresses": (lambda text: read_items({"urls": text}, "urls"), lambda n: "http://a   " * n + "!", 3),
    "glued addresses": (lambda text: read_items({"urls": text}, "urls"), lambda n: "http://a" * n + " !", 4),
    "attributes of a cell": (
        lambda text: _TABLE_ATTRIBUTES.sub("", text),
        lambda n: "bgcolor=" * n + "x",
        2,
    ),
    "agents and rules": (robots, lambda n: "User-agent: other\n" * n + "Disallow: /a\n" * n, 500),
    "agents with spaces": (robots, lambda n: "user-agent:\n" * n + "Allow: /b\n" * n, 500),
    "equal columns": (strict, lambda n: "|a" * n + "|\n|---|\n|b|", 2000),
    "columns without names": (strict, lambda n: "| " * n + "|\n|---|\n|b|", 2000),
    "equal and numbered columns": (
        strict,
        lambda n: "|a" * n + "".join(f"|a.{i}" for i in range(n)) + "|\n|---|\n",
        1000,
    ),
    "rows": (lenient, lambda n: HEAD + "| n1 | 3 |\n" * n, 300),
    "tables": (lenient, lambda n: (HEAD + "| n1 | 3 |\n\n") * n, 100),
    "numbers in a cell": (lenient, lambda n: HEAD + "| n1 | " + "1 1/2 " * n + "|", 200),
    "calls": (message, lambda n: '<tool_call>{"name": "search"' * n, 500),
    "empty values": (message, lambda n: '<tool_call>{"name":"search","arguments":"' + "[]" * n, 500),
    "thoughts": (message, lambda n: "<think>a</think>" * n, 300),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(value, id=name) for name, value in (PAGES | MARKDOWN | OTHERS).items()]
)
def test_four_times_the_text_is_about_four_times_the_work(kind: tuple[Read, Make, int]) -> None:
    read, make, size = kind
    short, long = make(size), make(4 * size)
    read(short)
    gc.collect()
    gc.disable()
    try:
        least = [float("inf"), float("inf")]
        for _ in range(_ROUNDS):
            least = [min(known, _cost(read, text)) for known, text in zip(least, (short, long), strict=True)]
            if least[1] < _TOO_MUCH / 2 * least[0]:
                break
    finally:
        gc.enable()
    assert least[1] < _TOO_MUCH * least[0]


def _cost(read: Read, text: str) -> float:
    """The seconds of processor time for a text, which do not depend on other programs."""
    start = time.process_time()
    read(text)
    return time.process_time() - start


def test_empty_values_before_a_call_are_no_recursion() -> None:
    call = {"id": "a", "function": {"name": "search", "arguments": "[]" * 5000}}
    found = parse_message({"role": "assistant", "content": "", "tool_calls": [call]}, TOOLS)
    assert [getattr(each, "code", "") for each in found.calls] == ["bad_json"]
