"""Messages in forms that real models have been reported to write, each with the calls that a person sees in it.

``reported_forms.json`` has one message a line: its form, the message, and its calls. A call without a name is an error
of this kind. A message without calls is an answer with this text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wideseek_env.messages import assistant_message
from wideseek_env.parsing import RawCall, parse_message
from wideseek_env.profiles import profile_named

FORMS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("reported_forms.json").read_text(encoding="utf-8")
)
TOOLS = {name: profile_named(name).tool_arguments() for name in ("default", "wideseek-r1")}


@pytest.mark.parametrize("form", FORMS, ids=[form["form"] for form in FORMS])
def test_the_calls_are_those_that_a_person_sees(form: dict[str, Any]) -> None:
    message = assistant_message(form["message"], 100_000)
    read = parse_message(message, TOOLS[form.get("profile", "default")])
    calls = [
        {"name": call.name, "arguments": call.arguments}
        if isinstance(call, RawCall)
        else {"problem": call.code}
        for call in read.calls
    ]
    assert calls == form["calls"]
    if not calls:
        assert read.text == form["text"]
