"""A toy tokenization for simulated engines.

A token is a UTF-8 byte. Each role has an id that opens a turn of that role. One more id closes any turn.

If messages are added to a conversation, its ids stay the same and new ids follow them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wideseek_env.messages import Message

ROLES = ("system", "user", "assistant", "tool")
BEGIN = {role: 256 + number for number, role in enumerate(ROLES)}
"""The id that opens a turn of each role."""
END = 256 + len(ROLES)
"""The id that closes a turn. An engine samples this id at the end of a message."""


def encode_text(text: str) -> list[int]:
    """The bytes of a text."""
    return list(text.encode())


def decode_text(ids: Sequence[int]) -> str:
    """The text of sampled ids, without `END`. An incomplete character at the end becomes a replacement character."""
    return bytes(token for token in ids if token < 256).decode("utf-8", "replace")


def encode_messages(messages: Iterable[Message]) -> list[int]:
    """The ids of messages in a prompt. Each message begins with its role's id and ends with `END`."""
    ids: list[int] = []
    for message in messages:
        ids += [BEGIN[message["role"]], *encode_text(message["content"]), END]
    return ids
