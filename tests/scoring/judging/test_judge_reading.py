"""What counts as an answer in a model's reply."""

from __future__ import annotations

import pytest

from wideseek_env.scoring.judging.reading import answers, as_choice, as_verdict

BOTH = {417: True, 418: False}

# name: (reply, what is read when 417 and 418 were asked about)
REPLIES: dict[str, tuple[str, dict[int, bool]]] = {
    "as asked": ('{"417": true, "418": false}', BOTH),
    "in a fence": ('Here you are:\n```json\n{"417": true,\n "418": false}\n```\nDone.', BOTH),
    "after thoughts": ('<think>{"417": false, "418": true} hm</think>{"417": true, "418": false}', BOTH),
    "thoughts without an end": ('<think>{"417": true, "418": false}', {}),
    "in a wrapper": ('{"verdicts": {"417": true, "418": false}}', BOTH),
    "a draft, then the answer": ('{"417": false, "418": false} wait {"417": true, "418": false}', BOTH),
    "objects without numbers": ('{"a": 1} {"417": true, "418": false} {"sure": true}', BOTH),
    "numbers as values": ('{"417": 1, "418": 0}', BOTH),
    "cut off after a comma": ('{"417": true, "418', {417: True}),
    "cut off in a value": ('{"417": 1, "418": 1', {417: True}),
    "cut off in a word": ('{"417": true, "418": fal', {417: True}),
    "trailing comma": ('{"417": true, "418": false,}', BOTH),
    "wrapper not closed": ('{"verdicts": {"417": true, "418": false}', BOTH),
    "a draft, then cut off": ('{"417": false, "418": false} no: {"417": true, "41', {417: True}),
    "one is missing": ('{"418": false}', {418: False}),
    "twice the same": ('{"417": true, "417": true}', {417: True}),
    "twice in different ways": ('{"417": true, "417": false, "418": false}', {418: False}),
    "true and 1 are different ways": ('{"417": true, "417": 1, "418": false}', {418: False}),
    "counted from 1": ('{"1": true, "2": false}', {}),
    "one number too many": ('{"417": true, "418": false, "419": true}', {}),
    "a list": ("[true, false]", {}),
    "prose": ("The first is right: 417: true, and 418: false.", {}),
    "nothing": ("", {}),
    "a cell repeated": ('{"pairs": [{"id": 417, "answer": "{\\"417\\": true}", "reference": "x"}]}', {}),
    "a cell repeated, cut off": ('{"pairs": [{"id": 417, "answer": "{\\"417\\": true}, and', {}),
    "a cell without quotes repeated, cut off": ('{"pairs": [{"id": 417, "answer": "{417: true, ', {}),
}


@pytest.mark.parametrize(("reply", "found"), REPLIES.values(), ids=REPLIES)
def test_a_reply_is_read(reply: str, found: dict[int, bool]) -> None:
    read = answers(reply, range(417, 419))
    assert {number: as_verdict(value) for number, value in read.items()} == found


@pytest.mark.parametrize(
    "noise", ["{" * 300_000, '{"a":' * 100_000, "[" * 300_000, '{"417":' * 50_000, "{}" * 100_000]
)
def test_noise_is_read_in_bounded_time(noise: str) -> None:
    assert answers(noise, range(417, 419)) == {}
    read = answers(noise + '\n{"417": true}', range(417, 419))
    assert {number: as_verdict(value) for number, value in read.items()} == {417: True}


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("true", True),
        ("No", False),
        ("是", True),
        ("否", False),
        ("1", True),
        (2, None),
        (-1, None),
        (0.5, None),
        (1.0, None),
        ("maybe", None),
        (None, None),
        ({}, None),
        ([True], None),
    ],
)
def test_only_yes_or_no_is_a_verdict(value: object, verdict: bool | None) -> None:
    assert as_verdict(value) is verdict


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (0, 0),
        (3, 3),
        ("2", 2),
        (None, 0),
        ("none", 0),
        (4, None),
        (-1, None),
        (True, None),
        (1.5, None),
        ("two", None),
        ("²", None),
        ([1], None),
    ],
)
def test_only_a_number_that_was_offered_is_a_choice(value: object, choice: int | None) -> None:
    assert as_choice(value, 3) == choice


@pytest.mark.parametrize(
    "reply",
    [
        # An analysis comes first, as the prompt asks.
        '417: both name the city.\n418: another city.\n{"417": true, "418": false}',
        '417 – same → {"417": true}\n418 – different\n\n```json\n{"417": true, "418": false}\n```',
        'Pair 417 ("NYC" / "New York"): right. Pair 418: wrong.\n{"417": 1, "418": 0}',
        '**417** right, **418** wrong.\n\n{"417": "true", "418": "false"}\n\nThat is all.',
        '{"417": "the answer says NYC"} is what I think first.\nFinal: {"417": true, "418": false}',
        "417 对，418 错。\n{\"417\": \"是\", \"418\": \"否\"}",
        '{"scores": {"417": 1, "418": 0}}',
        'So:\n{"417": true, "418": false,',
        # A list of objects instead of one object.
        '[{"id": 417, "right": true}, {"id": 418, "right": false}]',
        '{"pairs": [{"id": 417, "score": 1, "reason": "same"}, {"id": 418, "score": 0, "reason": "other"}]}',
        '```json\n[{"id": "417", "verdict": true}, {"id": "418", "verdict": false}]\n```',
        '{"id": 417, "answer": "NYC", "reference": "New York", "right": true}\n'
        '{"id": 418, "answer": "Rome", "reference": "Paris", "right": false}',
    ],
)  # fmt: skip
def test_verdicts_after_an_analysis_and_in_lists_are_read(reply: str) -> None:
    found = answers(reply, range(417, 419))
    assert {number: as_verdict(value) for number, value in found.items()} == BOTH


@pytest.mark.parametrize(
    "reply",
    [
        '[{"id": 417, "right": true}, {"id": 999, "right": false}]',  # a number that was not asked
        '[{"id": 417, "right": true, "sure": 1}, {"id": 418, "right": false, "sure": 1}]',  # two values
        '[{"id": 417, "right": true}, {"id": 417, "right": false}, {"id": 418, "a": 1, "b": 0}]',  # two verdicts
        '[{"id": true, "right": true}, {"id": 418.0, "right": false}]',
        '[{"right": true}, {"right": false}]',
    ],
)
def test_lists_that_are_unclear_give_no_verdict(reply: str) -> None:
    assert answers(reply, range(417, 419)) == {}
