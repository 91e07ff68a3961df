"""A stand-in for an agent framework: it sees a prompt and tools, and moves as the scripted policy would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.parsing import RawCall, parse_message
from wideseek_env.policy import Turn

Call = tuple[str, dict[str, Any]]


class OutsideAgent:
    """Keeps a conversation of its own. `decide` gives the calls of the next message, or its final text."""

    def __init__(
        self, role: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> None:
        self.role = role
        self.messages = [dict(message) for message in messages]
        self.tools = [dict(tool) for tool in tools]
        self._policy = ScriptedPolicy()
        self._calls = 0

    def decide(self, turns_left: int = 9) -> list[Call] | str:
        turn = Turn("me", self.role, "", self.messages, self.tools, turns_left)  # type: ignore[arg-type]
        (text,) = self._policy.act([turn])
        assert isinstance(text, str)
        parsed = parse_message({"role": "assistant", "content": text})
        if not parsed.calls:
            return text
        return [(call.name, call.arguments) for call in parsed.calls if isinstance(call, RawCall)]

    def said(self, calls: Sequence[Call]) -> dict[str, Any]:
        """The assistant message of `calls`, which is now part of the conversation."""
        written = []
        for name, arguments in calls:
            self._calls += 1
            function = {"name": name, "arguments": json.dumps(arguments)}
            written.append({"id": f"c{self._calls}", "type": "function", "function": function})
        message = {"role": "assistant", "content": "", "tool_calls": written}
        self.messages.append(message)
        return message

    def heard(self, results: Sequence[str]) -> None:
        """The results of the last message's calls, in their order."""
        for call, text in zip(self.messages[-1]["tool_calls"], results, strict=True):
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
