r"""Half of a character in a message (``"\ud83d"``) breaks no record, no HTTP answer and no tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from wideseek_env import evaluate
from wideseek_env.clean import MAX_DEPTH, clean_text, clean_value
from wideseek_env.messages import assistant_message
from wideseek_env.parsing import RawCall, parse_message
from wideseek_env.policy import Turn

HALF, SPELLED, SHOWN = "museum \ud83d x", "museum \\ud83d x", "museum \ufffd x"


def native(arguments: Any, name: str = "search", number: str = "a") -> dict[str, Any]:
    return {
        "content": HALF,
        "tool_calls": [{"id": number, "function": {"name": name, "arguments": arguments}}],
    }


MESSAGES: dict[str, str | dict[str, Any]] = {
    "a query": f'<tool_call>{{"name": "search", "arguments": {{"query": "{SPELLED}"}}}}</tool_call>',
    "an address": f'<tool_call>{{"name": "browse", "arguments": {{"url": "{SPELLED}"}}}}</tool_call>',
    "a focus": f'<tool_call>{{"name": "browse", "arguments": {{"url": "a", "focus": "{SPELLED}"}}}}</tool_call>',
    "subtasks": f'<tool_call>{{"name": "delegate", "arguments": {{"subtasks": ["{SPELLED}", "b"]}}}}</tool_call>',
    "subtasks as text": '<tool_call>{"name": "delegate", "arguments": {"subtasks": '
    '"[\\"museum \\\\ud83d x\\", \\"b\\"]"}}</tool_call>',
    "a name": f'<tool_call>{{"name": "{SPELLED}", "arguments": {{"query": "x"}}}}</tool_call>',
    "a member's name": f'<tool_call>{{"name": "search", "arguments": {{"{SPELLED}": "x"}}}}</tool_call>',
    "a number": f'<tool_call>{{"name": "search", "arguments": {{"query": "x", "count": "{SPELLED}"}}}}</tool_call>',
    "broken JSON": f'<tool_call>{{"name": "search", "arguments": {{"query": "{SPELLED}" x y</tool_call>',
    "raw in JSON": f'<tool_call>{{"name": "search", "arguments": {{"query": "{HALF}"}}}}</tool_call>',
    "encoded twice": '<tool_call>{"name": "search", '
    '"arguments": "{\\"query\\": \\"museum \\\\ud83d x\\"}"}</tool_call>',
    "an element": f"<function=search><parameter=query>{HALF}</parameter></function>",
    "JSON in an element": f'<function=delegate><parameter=subtasks>["{SPELLED}"]</parameter></function>',
    "Python": f'[search(query="{SPELLED}")]',
    "no tags": f'Now {{"name": "search", "arguments": {{"query": "{SPELLED}"}}}}',
    "native text": native(f'{{"query": "{SPELLED}"}}'),
    "a native object": native({"query": HALF, "more": [HALF, {HALF: HALF}]}),
    "a native name": native("{}", HALF),
    "a native id": native('{"query": "x"}', number=HALF),
    "an answer": f"{HALF}\n| Name |\n| --- |\n| {HALF} |",
    "harmony": f'<|channel|>commentary to=functions.search<|message|>{{"query": "{SPELLED}"}}<|call|>',
}


class Plays:
    """Writes one message, and then an answer with the same half of a character."""

    name = "plays"

    def __init__(self, message: str | dict[str, Any]) -> None:
        self.message = message

    def reset(self, seed: int) -> None:
        """Nothing is kept between episodes."""

    def act(self, turns: Sequence[Turn]) -> list[str | Mapping[str, Any]]:
        """The message in a first turn, the answer in all others."""
        return [self.message if len(turn.messages) == 2 else f"done {HALF}" for turn in turns]


@pytest.mark.parametrize("team", [True, False])
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_episodes_are_recorded(message: str | dict[str, Any], team: bool, tmp_path: Path) -> None:
    summary = evaluate(
        Plays(message), tasks="synthetic:seed=3,pages=400", limit=1, team=team, out=tmp_path / "run"
    )
    assert summary.episodes == 1
    paths = [path for path in (tmp_path / "run").rglob("*.json*") if path.stat().st_size]
    assert len(paths) > 1
    for path in paths:
        for line in (
            path.read_bytes().decode().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        ):
            json.dumps(json.loads(line), ensure_ascii=False).encode()


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_parsed_calls_can_be_encoded(message: str | dict[str, Any]) -> None:
    read = parse_message(assistant_message(message, 10_000), ["search", "browse", "delegate"])
    text = json.dumps([read.text, [list(call) for call in read.calls]], ensure_ascii=False)
    assert "\ud83d" not in text
    text.encode()


def test_the_halves_of_a_character_become_the_character() -> None:
    call = '<tool_call>{"name": "search", "arguments": {"query": "\\ud83d\\ude00"}}</tool_call>'
    assert parse_message(assistant_message(call, 1000)).calls == [RawCall("search", {"query": "😀"})]
    assert clean_text("\ud83d\ude00") == "😀"
    assert clean_text("a\ude00\ud83d") == "a\ufffd\ufffd"
    assert clean_text("é水😀") == "é水😀"
    assert clean_text("é水😀", 2) == "é水"
    assert clean_value({HALF: [HALF, 1, None, {"a": HALF}]}) == {SHOWN: [SHOWN, 1, None, {"a": SHOWN}]}


def test_arguments_nested_deeper_than_any_tool_takes_are_refused() -> None:
    deep = '{"name": "search", "arguments": {"query": ' + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}}"
    (problem,) = parse_message(assistant_message(f"<tool_call>{deep}</tool_call>", 10_000)).calls
    assert problem[:2] == ("bad_json", "it is nested too deeply")
