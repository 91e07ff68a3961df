"""A toy tokenization for simulated engines: UTF-8 bytes, and one id for the begin of each role's turn and its end.

It only ever appends: the ids of a conversation are a prefix of those of the same conversation with more messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wideseek_env.messages import Message

ROLES = ("system", "user", "assistant", "tool")
BEGIN = {role: 256 + number for number, role in enumerate(ROLES)}
"""The id that opens a turn of each role."""
END = 256 + len(ROLES)
"""The id that closes a turn; an engine samples it."""


def encode_text(text: str) -> list[int]:
    """The bytes of a text."""
    return list(text.encode())


def decode_text(ids: Sequence[int]) -> str:
    """The text of sampled ids without the end; half a character at a cut becomes a replacement character."""
    return bytes(token for token in ids if token < 256).decode("utf-8", "replace")


def encode_messages(messages: Iterable[Message]) -> list[int]:
    """Messages as a prompt would hold them, each from its role's id to the end."""
    ids: list[int] = []
    for message in messages:
        ids += [BEGIN[message["role"]], *encode_text(message["content"]), END]
    return ids
