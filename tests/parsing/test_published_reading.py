"""The protocol of the published checkpoint reads 2,000 mutated messages as an independent model of it does."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from call_forms import Call
from mutations import FORMS, PIECES, mutated

from wideseek_env.messages import Role, assistant_message
from wideseek_env.profiles import PROFILES
from wideseek_env.reading import Asked, read_message
from wideseek_env.rules import Rules

RULES = Rules(width=4, calls_per_turn=3)
PROFILE = PROFILES["wideseek-r1"]
KNOWN = PROFILE.tool_arguments(RULES)
LISTS: dict[Role, dict[str, tuple[str, str, int]]] = {
    "lead": {"create_sub_agents": ("sub_agents", "prompt", 4)},
    "subagent": {"search": ("queries", "query", 3), "access": ("urls", "url", 3)},
    "single": {"search": ("", "query", 1), "access": ("", "url", 1)},
}


def model(text: str, role: Role) -> list[str]:
    """The texts of the requests in a message, as a program reads them that knows one form and forgives nothing."""
    block = re.search(r"<tool_call>(.*?)</tool_call>", text, re.DOTALL)
    if block is None:
        return []
    try:
        call: Any = json.loads(block[1].strip())
    except (ValueError, RecursionError):
        return []
    arguments = call.get("arguments", {}) if isinstance(call, dict) else None
    if not isinstance(arguments, dict) or not isinstance(call.get("name"), str):
        return []
    if call["name"] not in LISTS[role]:
        return []
    name, key, most = LISTS[role][call["name"]]
    items = arguments.get(name, []) if name else [arguments]
    if not isinstance(items, list):
        return []
    return [str(each[key]) for each in items[:most] if isinstance(each, dict) and each.get(key)]


def calls(dice: random.Random) -> list[Call]:
    words = (
        "museum of art",
        "",
        " ",
        "河流",
        "a\nb",
        'say "x"',
        7,
        None,
        ["a", "b"],
        {"query": "x"},
        True,
        0,
    )

    def item(key: str) -> Any:
        odd = dice.random()
        if odd < 0.15:
            return dice.choice(("museum", None, 3, ["x"], {}, {"other": "x"}))
        value = dice.choice(words) if odd < 0.4 else f"text {dice.randint(0, 9)}"
        return {key: value, **({"count": dice.choice((2, "5", 0, None, -1, 99, "x"))} if odd > 0.8 else {})}

    found: list[Call] = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        tool, name, key = dice.choice(
            (
                ("create_sub_agents", "sub_agents", "prompt"),
                ("search", "queries", "query"),
                ("access", "urls", "url"),
                ("search", "", "query"),
                ("access", "", "url"),
                ("delegate", "subtasks", "task"),
            )
        )
        if name:
            listed: Any = [item(key) for _ in range(dice.choice((0, 1, 2, 3, 4, 5, 11)))]
            found.append(
                (tool, {name: listed if dice.random() < 0.9 else dice.choice(("x", {"a": 1}, None))})
            )
        else:
            each = item(key)
            found.append((tool, each if isinstance(each, dict) else {key: each}))
    return found


def message(dice: random.Random) -> str:
    form = dice.choice(sorted(FORMS))
    if dice.random() < 0.7:
        form = "hermes"
    text = FORMS[form](calls(dice))
    if dice.random() < 0.3:
        text = f"<think>I try {FORMS[form](calls(dice))}</think>\n{text}"
    kinds = ("drop", "double", "swap", "cut", "wrap", "insert")
    steps = [
        (dice.choice(kinds), dice.random(), dice.randint(1, 12), dice.choice(PIECES))
        for _ in range(dice.choice((0, 0, 1, 2, 4)))
    ]
    return mutated(text, steps)


def test_it_reads_mutated_messages_as_the_model_does() -> None:
    dice = random.Random(18)
    ran = ended = left_out = 0
    for number in range(2000):
        record = assistant_message(message(dice), RULES.action_chars)
        for role in LISTS:
            read = read_message(record, role, PROFILE, RULES, KNOWN)
            assert all(isinstance(each, Asked) for each in read.calls), "nothing is ever refused"
            texts = [str(next(iter(request.values()))) for each in read.calls for request in each.requests]
            wanted = model(record["content"], role)
            assert texts == wanted, f"message {number}, {role}: {record['content']!r}"
            ran, ended, left_out = ran + bool(wanted), ended + (not wanted), left_out + (read.dropped > 0)
            if not wanted:
                assert read.text == record["content"].split("</think>")[-1].split("<|im_end|>")[0].strip()
    assert min(ran, ended, left_out) > 500, "the messages are of every kind"
