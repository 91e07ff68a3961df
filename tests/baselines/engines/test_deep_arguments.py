"""Arguments of native calls that are no usable JSON stay text, however deep they are nested."""

from __future__ import annotations

import json

import pytest

from wideseek_baselines.engines.openai_wire import _native_call
from wideseek_baselines.tokens.rendering import _native

DEEP = {
    "lists": "[" * 100_000,
    "closed lists": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 100_000,
    "65 objects": '{"a":' * 65 + "1" + "}" * 65,
    "950 objects": '{"a":' * 950 + "1" + "}" * 950,
    "cut": '{"a": ',
    "number": "9" * 5000,
    "text": '"a"',
    "empty": "",
    "NUL": '{"a": "\0"}',
}


@pytest.mark.parametrize("kind", DEEP)
def test_requests_and_templates_take_any_arguments(kind: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "search", "arguments": DEEP[kind]}}
    sent = _native_call(call)["function"]["arguments"]
    assert "malformed" in sent or kind.endswith("objects")
    shown = _native(call, str)["function"]["arguments"]
    json.dumps(shown)
    assert isinstance(shown, str)


def test_halves_of_characters_do_not_reach_a_template() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "s", "arguments": '{"q": "a\\ud83d"}'}}
    json.dumps(_native(call, str), ensure_ascii=False).encode()
