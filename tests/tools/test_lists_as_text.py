"""A list that a model writes as text arrives as that list, in every tool that takes a list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wideseek_env import Episode, Rules, Task
from wideseek_env.tools.custom import tool
from wideseek_env.tools.default import DELEGATE
from wideseek_env.tools.spec import ToolInputError
from wideseek_env.tools.wideseek_r1 import ACCESS_MANY, CREATE_SUB_AGENTS, SEARCH_MANY

A, B = "find A", "find B"
PLAIN = [A, B]
LISTS: dict[str, Any] = {
    "a list": PLAIN,
    "JSON": json.dumps(PLAIN),
    "JSON, encoded twice": json.dumps(json.dumps(PLAIN)),
    "JSON, encoded three times": json.dumps(json.dumps(json.dumps(PLAIN))),
    "JSON on lines": json.dumps(PLAIN, indent=2),
    "JSON with a trailing comma": '["find A", "find B",]',
    "JSON without a comma": '["find A" "find B"]',
    "JSON without its end": '["find A", "find B"',
    "JSON that was escaped": '[\\"find A\\", \\"find B\\"]',
    "JSON in a fence": '```json\n["find A", "find B"]\n```',
    "Python": "['find A', 'find B']",
    "typographic quotes": "[“find A”, “find B”]",
    "a list of one JSON": [json.dumps(PLAIN)],
    "a list of a list": [PLAIN],
    "a list of JSON of one each": ['["find A"]', '["find B"]'],
    "an object with the list": {"item": PLAIN},
    "an object with the list as JSON": {"items": json.dumps(PLAIN)},
    "an object with numbers": {"0": A, "1": B},
    "elements": "<item>find A</item>\n<item>find B</item>",
}


@pytest.mark.parametrize("written", LISTS.values(), ids=LISTS)
def test_every_tool_reads_every_list(written: Any) -> None:
    rules = Rules()
    assert [each["subtask"] for each in DELEGATE.read({"subtasks": written}, rules)] == PLAIN
    assert [each["subtask"] for each in CREATE_SUB_AGENTS.read({"sub_agents": written}, rules)] == PLAIN
    assert [each["query"] for each in SEARCH_MANY.read({"queries": written}, rules)] == PLAIN
    assert [each["url"] for each in ACCESS_MANY.read({"urls": written}, rules)] == PLAIN

    def lookup(names: list[str]) -> str:
        """Look names up.

        Args:
            names: The names.
        """
        return ", ".join(names)

    assert tool(lookup).spec.read({"names": written}, rules) == [{"names": PLAIN}]


RECORDS = [{"query": A, "count": 2}, {"query": B}]
OBJECTS: dict[str, Any] = {
    "a list": RECORDS,
    "JSON": json.dumps(RECORDS),
    "JSON, encoded twice": json.dumps(json.dumps(RECORDS)),
    "Python": repr(RECORDS),
    "JSON of each": [json.dumps(each) for each in RECORDS],
    "the name again": {"queries": RECORDS},
    "the name again, as JSON": json.dumps({"queries": RECORDS}),
    "numbers": {"1": RECORDS[0], "2": RECORDS[1]},
    "elements": "".join(f"<item>{json.dumps(each)}</item>" for each in RECORDS),
}


@pytest.mark.parametrize("written", OBJECTS.values(), ids=OBJECTS)
def test_lists_of_objects(written: Any) -> None:
    rules = Rules()
    default = rules.results_per_query
    assert SEARCH_MANY.read({"queries": written}, rules) == [
        {"query": A, "count": 2},
        {"query": B, "count": default},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "find A",
        "[Note] find A",
        "[1] find A",
        "[link](https://a.example) look",
        "{A} and {B}",
        "find [A, B]",
        "[find A, find B]",
        '"find A" and "find B"',
        "<b>find A</b>",
        "1. find A",
    ],
)
def test_other_text_is_one_item(text: str) -> None:
    assert DELEGATE.read({"subtasks": text}, Rules()) == [{"subtask": text}]


@pytest.mark.parametrize(
    "text", ['["find A", "find', '["find A", find B]', "['find A', 'find", '[{"task": "find A"']
)
def test_text_that_begins_like_a_list_and_is_none_starts_nobody(text: str) -> None:
    if text.endswith('A"'):  # only brackets are missing
        assert DELEGATE.read({"subtasks": text}, Rules()) == [{"subtask": A}]
        return
    with pytest.raises(ToolInputError, match="must be a list"):
        DELEGATE.read({"subtasks": text}, Rules())


@pytest.mark.parametrize("empty", ["[]", [], {}, None, "[[]]", '"[]"', [[]]])
def test_empty_lists_are_missing(empty: Any) -> None:
    with pytest.raises(ToolInputError, match="missing"):
        DELEGATE.read({"subtasks": empty}, Rules())


@pytest.mark.parametrize("form", ["json", "element", "native"])
def test_the_width_of_a_team_is_what_its_lead_wrote(form: str) -> None:
    episode = Episode(Task("t", "Which?", answers=("a",)), rules=Rules(width=4))
    text = json.dumps([f"part {number}" for number in range(4)])
    message: Any = {
        "json": f"<tool_call>{json.dumps({'name': 'delegate', 'arguments': {'subtasks': text}})}</tool_call>",
        "element": f"<function=delegate><parameter=subtasks>{text}</parameter></function>",
        "native": {"tool_calls": [{"function": {"name": "delegate", "arguments": {"subtasks": text}}}]},
    }[form]
    episode.act("lead", message)
    assert episode.ready() == [f"subagent_{number}" for number in range(4)]
