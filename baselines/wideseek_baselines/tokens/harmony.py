"""Reads the sampled ids of a model that writes harmony, the format of gpt-oss.

A turn is a row of messages: ``<|start|>ROLE<|channel|>CHANNEL<|message|>BODY<|end|>``. A call has a recipient
(``to=functions.NAME``) after the role or after the channel, and ends with ``<|call|>``. Each marker is one special
token. Only these tokens count as markers. A body that spells a marker with ordinary tokens is text.

| message | in the environment's message |
| --- | --- |
| with a recipient | a native call |
| channel ``analysis``, or another role | a thought between ``<think>`` and ``</think>`` |
| channel ``final``, an unknown channel, or none | text |
| channel ``commentary`` without a recipient | text, but a thought if the turn has a ``final`` message |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wideseek_baselines.tokens.encoding import Encoder
from wideseek_env.messages import Message

_START, _CHANNEL, _CONSTRAIN, _MESSAGE = "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"
_END, _RETURN, _CALL = "<|end|>", "<|return|>", "<|call|>"
_NEEDED = frozenset((_START, _CHANNEL, _MESSAGE, _END, _CALL))
_CHANNELS = re.compile(r"\s*(analysis|commentary|final|\S+)")
_RECIPIENT = re.compile(r"to\s*=\s*([^\s<>]+)")
_FUNCTION = re.compile(r"(?<![\w.])(functions\.[\w.-]+)")
_PEOPLE = frozenset(("user", "assistant", "all", "system", "developer"))
_ROLES = ("user", "system", "developer", "tool")
_CUT_OFF = '{"'
"""Arguments of a call that has none, because the turn ended before them. They are an error, so nothing runs."""


def writes_harmony(encoder: Encoder, rendered: str) -> bool:
    """Whether a model writes harmony. `rendered` is an assistant's turn as the chat template renders it."""
    return encoder.specials >= _NEEDED and _CHANNEL in rendered and _MESSAGE in rendered


@dataclass(slots=True)
class _Part:
    """One message of a turn. `header` has a text for the role and for each channel or constraint after it."""

    header: list[tuple[str, list[int]]] = field(default_factory=lambda: [("", [])])
    body: list[int] | None = None
    end: str = ""


class HarmonyReader:
    """Turns sampled ids into messages.

    Args:
        encoder: The encoder of the model's tokenizer.
        harmless: Changes what a text spells of special tokens or of tags of thoughts.
    """

    def __init__(self, encoder: Encoder, harmless: Callable[[str], str]) -> None:
        self._encoder = encoder
        self._harmless = harmless
        markers = (*_NEEDED, _RETURN, _CONSTRAIN)
        self._markers = {encoder.id_of(marker): marker for marker in markers if marker in encoder.specials}
        self._start = encoder.id_of(_START)

    def read(self, prompt: Sequence[int], ids: Sequence[int]) -> Message:
        """The assistant's message in these ids. The end of the prompt may have begun the message already."""
        began = next((at + 1 for at in range(len(prompt) - 1, -1, -1) if prompt[at] == self._start), None)
        parts = self._parts([*(prompt[began:] if began is not None else ()), *ids])
        final = any(self._channel(part) == "final" and part.body is not None for part in parts)
        content: list[str] = []
        calls: list[Message] = []
        for part in parts:
            recipient = self._recipient(part)
            if recipient:
                arguments = _CUT_OFF if part.body is None else self._encoder.decode(part.body).strip()
                calls.append(_native(recipient, arguments, len(calls)))
            elif text := self._text(part):
                hidden = self._is_thought(part) or (final and self._channel(part) == "commentary")
                if not hidden:
                    content.append(f"{text}\n\n")
                elif part.end or part is not parts[-1]:
                    content.append(f"<think>\n{text}\n</think>\n\n")
                else:
                    content.append(f"<think>\n{text}")
        message: Message = {"role": "assistant", "content": "".join(content).rstrip()}
        if calls:
            message["tool_calls"] = calls
        return message

    def _parts(self, ids: Sequence[int]) -> list[_Part]:
        """The messages in these ids. A marker that is missing at the end of a message is no error."""
        parts: list[_Part] = []
        part = _Part()
        for token_id in ids:
            marker = self._markers.get(token_id)
            if marker is None:
                (part.header[-1][1] if part.body is None else part.body).append(token_id)
            elif marker in (_CHANNEL, _CONSTRAIN):
                if part.body is not None and marker == _CHANNEL:
                    parts.append(part)
                    part = _Part()
                if part.body is None:
                    part.header.append((marker, []))
            elif marker == _MESSAGE:
                part.body = part.body or []
            else:
                part.end = "" if marker == _START else marker
                parts.append(part)
                part = _Part()
        return [*parts, part]

    def _header(self, part: _Part, marker: str = "") -> str:
        """The last text in the header after `marker`. "" gives the role."""
        return next((self._encoder.decode(ids) for mark, ids in reversed(part.header) if mark == marker), "")

    def _channel(self, part: _Part) -> str:
        found = _CHANNELS.match(self._header(part, _CHANNEL))
        return found[1] if found is not None else ""

    def _role(self, part: _Part) -> str:
        words = self._header(part).split()
        return words[0] if words else ""

    def _recipient(self, part: _Part) -> str:
        """The name of the tool that the message calls, or ""."""
        if (
            part.body is None
            and len(part.header) == 1
            and not self._role(part).startswith(("assistant", "to="))
        ):
            return ""  # text without a header
        header = " ".join(self._encoder.decode(ids) for _, ids in part.header)
        found = _RECIPIENT.search(header)
        named = _FUNCTION.search(header)
        if found is not None and found[1] not in _PEOPLE:
            return found[1].removeprefix("functions.")
        if named is None or (found is not None and part.end != _CALL):
            return ""
        return named[1].removeprefix("functions.")

    def _is_thought(self, part: _Part) -> bool:
        return self._channel(part) == "analysis" or self._role(part).startswith((*_ROLES, "functions."))

    def _text(self, part: _Part) -> str:
        """The text of a message without a recipient. A message without ``<|message|>`` has its text in the header."""
        if part.body is not None:
            text = self._encoder.decode(part.body)
        elif len(part.header) == 1:
            text = self._header(part).removeprefix("assistant")
        else:
            text = _CHANNELS.sub("", self._header(part, _CHANNEL), count=1)
        return self._harmless(text).strip()


def _native(name: str, arguments: str, number: int) -> Message:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_{number}", "type": "function", "function": function}
