"""Calls without tags are found by evidence, and answers are not taken for calls."""

from __future__ import annotations

import pytest

from wideseek_env.messages import assistant_message
from wideseek_env.parsing import Parsed, Problem, RawCall, parse_message

TOOLS = ("delegate", "search", "browse")
X, Y = RawCall("search", {"query": "x"}), RawCall("browse", {"url": "y"})
ONE, TWO = '{"name": "search", "arguments": {"query": "x"}}', '{"name": "browse", "arguments": {"url": "y"}}'


def parse(text: str) -> Parsed:
    return parse_message(assistant_message(text, 2_000_000), TOOLS)


CALLS = {
    "a list": (f"[{ONE}, {TWO}]", [X, Y]),
    "a sentence and an object": (f"I will search now. {ONE}", [X]),
    "a sentence after it": (f"{ONE}\nThis should help.", [X]),
    "two objects": (f"{ONE}\n{TWO}", [X, Y]),
    "two objects without space": (ONE + TWO, [X, Y]),
    "two objects with words between": (f"First {ONE}, then {TWO}.", [X, Y]),
    "a list after a sentence": (f"Calls: [{ONE}, {TWO}]", [X, Y]),
    "a fence with a list": (f"```json\n[{ONE}, {TWO}]\n```", [X, Y]),
    "two fences": (f"```json\n{ONE}\n```\nand\n```\n{TWO}\n```", [X, Y]),
    "a fence without a line break": (f"```{ONE}```", [X]),
    "arguments first": ('Now {"arguments": {"query": "x"}, "name": "search"}', [X]),
    "an id and a type": ('{"id": "a", "type": "function", "function": ' + ONE + "}", [X]),
    "other names of members": ('Use {"tool": "search", "input": {"query": "x"}}', [X]),
    "arguments beside the name": ('{"tool": "search", "query": "x"}', [X]),
    "almost JSON after a sentence": ("Go: {'name': 'search', 'arguments': {'query': 'x',}}", [X]),
    "text that was encoded": ('"{\\"name\\": \\"search\\", \\"arguments\\": {\\"query\\": \\"x\\"}}"', [X]),
    "a line of Python": ('I look it up:\nsearch(query="x")', [X]),
    "Python in a list": ('Calls: [search(query="x"), browse(url="y")]', [X, Y]),
    "Python in a list item": ('- search(query="x")\n- browse(url="y")', [X, Y]),
    "a mapping in Python": ('search({"query": "x"})', [X]),
    "a tool that does not exist": (f"I google. {ONE.replace('search', 'google')}", [RawCall("google", {"query": "x"})]),
    "markup of one and an object of another": (f"<tool_call>{ONE}</tool_call>", [X]),
    "a table before it": (f"| Name |\n| --- |\n| A |\n\nNext: {ONE}", [X]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "calls"), CALLS.values(), ids=CALLS)
def test_calls_are_found(text: str, calls: list[RawCall]) -> None:
    assert parse(text).calls == calls


BROKEN = {
    "cut in a string": 'I search. {"name": "search", "arguments": {"query": "mus',
    "no value": 'I search. {"name": "search", "arguments": }',
    "the second of two": ONE + '{"name": "browse", "arguments": {"url": ',
    "Python that is cut": '[search(query="mus',
    "Python that is no literal": '[search(query=name)]',
    "words instead of JSON": '{"name": "search", "arguments": {query is x}}',
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_call_that_cannot_be_read_becomes_a_problem(text: str) -> None:
    assert isinstance(parse(text).calls[-1], Problem)


ANSWERS = {
    "a table": "| Name | Year |\n| --- | --- |\n| search | 1 |\n| browse | 2 |",
    "a table and JSON": '| Name |\n| --- |\n| A |\n\n```json\n{"name": "Ann", "age": 3}\n```',
    "an object": '{"rows": [1, 2]}',
    "a person": '{"name": "Ann", "year": "1990"}',
    "a list of people": '[{"name": "Ann"}, {"name": "Bob"}]',
    "the words": "I used search and browse (see above). search (the tool) found it.",
    "a call in prose": "I asked search(query) and browse(url) for it.",
    "a name with empty brackets": "search() found nothing.",
    "links": "[search](https://a.example) and [1](browse)",
    "code": "```python\nprint('done')\n```",
    "functions of others": "f(x=1)\n[g(y=2)]",
    "JSON of a film": '{"title": "The Search", "arguments": "none"}',
    "braces": "{search} and {browse: no}",
    "a report of actions": "Action: none was needed.\nAnswer: 5",
    "a cell with a call": '| Tool | Use |\n| --- | --- |\n| a | search(query="x") |',
}  # fmt: skip


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_answers_are_no_calls(text: str) -> None:
    assert parse(text) == Parsed(text, [])


def test_without_the_names_of_tools_the_shape_decides() -> None:
    def read(text: str) -> list[RawCall | Problem]:
        return parse_message(assistant_message(text, 1000)).calls

    assert read(f"I search. {ONE}") == [X]
    assert read('search(query="x")') == []


def test_more_calls_than_are_read_are_reported() -> None:
    calls = parse("\n".join([ONE] * 50)).calls
    assert calls[-1].code == "too_many_blocks"  # type: ignore[union-attr]
