"""`RandomPolicy` writes seeded random messages of many kinds, to test an environment.

A message calls the agent's tools with addresses and words that the agent has read. So random episodes also reach pages,
reports and answers. Some messages are malformed on purpose.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_env.messages import Action
from wideseek_env.policy import Turn

_URL = re.compile(r"https?://[^\s()<>\"|]+")
_WORD = re.compile(r"[^\W_]{3,20}")
_HEARD = 4000
"""Words and addresses come from the last 4000 characters of the latest observation."""

_ODD = ("", "|", "```", "</tool_call>", "<think>", "\\", "ü🗺", "河流", "0", "-1", "null")


class RandomPolicy:
    """Acts at random.

    Args:
        malformed: The share of messages that are malformed on purpose, with bad JSON, unknown tools or wrong arguments.
        end: The probability that a message is a report or an answer. In its last turn, an agent always writes a report
            or an answer.

    The random numbers of a turn depend on the seed of `reset` and on the agent's conversation. So the order of turns
    does not matter.
    """

    name = "random"

    def __init__(self, malformed: float = 0.2, end: float = 0.15) -> None:
        self.malformed = malformed
        self.end = end
        self._seed = 0

    def reset(self, seed: int) -> None:
        """Begin an episode. The same seed gives the same decisions in the same conversations."""
        self._seed = seed

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """The messages of the acting agents, one for each turn."""
        return [self._act(turn) for turn in turns]

    def _act(self, turn: Turn) -> Action:
        heard = hashlib.sha256(turn.observation.encode("utf-8", "replace")).hexdigest()
        dice = random.Random(f"{self._seed}/{turn.agent}/{len(turn.messages)}/{heard}")
        words = _WORD.findall(turn.observation[-_HEARD:]) or ["list"]
        if turn.turns_left <= 1 or not turn.tools or dice.random() < self.end:
            return _table(dice, words)
        if dice.random() < self.malformed:
            return _broken(dice, turn.tools, words)
        urls = _URL.findall(turn.observation[-_HEARD:]) or ["https://nowhere.example/"]
        calls = [_call(dice, dice.choice(turn.tools), words, urls) for _ in range(dice.randint(1, 3))]
        if dice.random() < 0.3:
            return {
                "role": "assistant",
                "content": "",
                "tool_calls": [_native(n, c) for n, c in enumerate(calls)],
            }
        return "\n".join(
            f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls
        )


def _call(
    dice: random.Random, schema: Mapping[str, Any], words: Sequence[str], urls: Sequence[str]
) -> dict[str, Any]:
    function = schema["function"]
    return {"name": function["name"], "arguments": _value(dice, function["parameters"], "", words, urls)}


def _value(
    dice: random.Random, schema: Mapping[str, Any], name: str, words: Sequence[str], urls: Sequence[str]
) -> Any:
    """A random value that fits a JSON schema. `name` is the name of the argument."""
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", ())
        return {
            key: _value(dice, inner, key, words, urls)
            for key, inner in schema.get("properties", {}).items()
            if key in required or dice.random() < 0.5
        }
    if kind == "array":
        most = min(int(schema.get("maxItems", 3)), 3)
        return [
            _value(dice, schema.get("items", {}), name, words, urls) for _ in range(dice.randint(1, most))
        ]
    if kind == "integer":
        return dice.randint(int(schema.get("minimum", 1)), int(schema.get("maximum", 10)))
    if name == "url":
        return dice.choice(urls)
    return _phrase(dice, words)


def _phrase(dice: random.Random, words: Sequence[str]) -> str:
    return " ".join(dice.choices(words, k=dice.randint(1, 6)))


def _table(dice: random.Random, words: Sequence[str]) -> str:
    width = dice.randint(1, 4)
    rows = [" | ".join(_phrase(dice, words) for _ in range(width)) for _ in range(dice.randint(1, 6))]
    lines = [f"| {rows[0]} |", "|" + " --- |" * width, *(f"| {row} |" for row in rows[1:])]
    return "\n".join(lines) if dice.random() < 0.8 else _phrase(dice, words)


def _broken(dice: random.Random, tools: Sequence[Mapping[str, Any]], words: Sequence[str]) -> str:
    name = dice.choice([str(tool["function"]["name"]) for tool in tools] + ["no_such_tool"])
    odd = dice.choice(_ODD)
    arguments = dice.choice(
        [{}, {odd: odd}, {"query": 3}, {"url": [odd]}, {"subtasks": _phrase(dice, words)}]
    )
    text = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"{odd}<tool_call>{text[: dice.randint(1, len(text))]}{dice.choice(['</tool_call>', ''])}"


def _native(number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }
