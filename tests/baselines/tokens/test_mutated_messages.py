"""Whatever a model writes, the next prompt can be encoded, and its text is what was rendered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from mutations import messages
from tiny_chat import TEMPLATES, tiny_tokenizer

from wideseek_baselines.tokens import ChatTemplate
from wideseek_env.messages import assistant_message

pytest.importorskip("transformers")


@given(messages)
@settings(max_examples=60, deadline=None)
def test_every_template_encodes_every_message(text: str) -> None:
    for name in TEMPLATES:
        template = ChatTemplate(tiny_tokenizer(name))
        said = assistant_message({"content": text}, 10_000)
        conversation = [
            {"role": "user", "content": "Where is it?"},
            said,
            {"role": "tool", "content": text.encode("utf-8", "replace").decode()},
        ]
        ids = template.prompt(conversation)
        assert ids
        template.text(ids).encode()
