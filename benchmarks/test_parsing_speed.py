"""Time to parse one message: `python -m pytest benchmarks/test_parsing_speed.py --benchmark-only -o addopts=`.

The messages are well-formed, as a trained model writes them. Texts with many brackets, braces or names of tools are the
slowest of the messages without a call.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from wideseek_env.messages import assistant_message
from wideseek_env.parsing import parse_message

TOOLS = {"delegate": ("subtasks",), "search": ("query", "count"), "browse": ("url", "chunk", "focus")}
WORDS = "The museum opened in 1901 and keeps about forty thousand prints from the region. "
MARKS = (
    "The museum (opened 1901, see [1]) keeps <b>prints</b> {with 40 drawings}; a [map](https://a.example/x). "
)
CHINESE = "这座博物馆于一九〇一年开放，收藏了大约四万件来自该地区的版画，其中大部分是纸本作品。"
ROWS = "".join(f"| Museum of Art {row} | {1800 + row} | City {row} |\n" for row in range(200))
TABLE = f"Here is the table.\n\n| Name | Year | City |\n|---|---|---|\n{ROWS}"
OBJECTS = json.dumps([{"name": f"Museum {row}", "year": 1800 + row} for row in range(50)])


def prose(length: int, words: str = WORDS) -> str:
    """A text of `length` characters."""
    return (words * (length // len(words) + 1))[:length]


def call(query: str) -> str:
    """The text of one call."""
    body = json.dumps({"name": "search", "arguments": {"query": query}}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def native(content: str) -> dict[str, Any]:
    """A message with a native call."""
    function = {"name": "search", "arguments": '{"query": "museums founded before 1900"}'}
    return {"content": content, "tool_calls": [{"id": "c1", "function": function}]}


MESSAGES: dict[str, tuple[str | dict[str, Any], int]] = {
    "one call": (f"I look for it.\n{call('museums founded before 1900')}", 1),
    "five calls": ("\n".join(["I look.", *(call(f"museum number {number}") for number in range(5))]), 5),
    "native call": (native(""), 1),
    "native call, text of 4,000": (native(prose(4000)), 1),
    "answer, table of 200 rows": (TABLE, 0),
    "report of 4,000": (prose(4000), 0),
    "report of 4,000 in Chinese": (prose(4000, CHINESE), 0),
    "report of 4,000, word “search”": (f"My search found this. {prose(3978)}", 0),
    "report of 4,000, 66 tags, 33 braces": (prose(4000, MARKS), 0),
    "report of 4,000, with “search (”": (f"My search (by name) found this. {prose(3968, MARKS)}", 0),
    "report of 40,000": (prose(40_000), 0),
    "thought of 8,000 and a call": (f"<think>\n{prose(8000)}\n</think>\n\n{call('museums')}", 1),
    "rest of a thought of 8,000 and a call": (f"{prose(8000)}\n</think>\n\n{call('museums')}", 1),
    "thought of 8,000 and a table": (f"<think>\n{prose(8000)}\n</think>\n\n{TABLE}", 0),
    "answer, 50 objects of JSON": (OBJECTS, 0),
    "answer, one word": ("42", 0),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_parse(benchmark: BenchmarkFixture, kind: str) -> None:
    written, calls = MESSAGES[kind]
    message = assistant_message(written, 100_000)
    assert len(benchmark(parse_message, message, TOOLS).calls) == calls
