"""The wire format of chat completions: URLs, messages and replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wideseek_env.addresses import key_place, without_keys
from wideseek_env.errors import ConfigError

_MOST_TOKENS = 10**12

Message = Mapping[str, Any]
"""One message of a conversation: ``{"role": …, "content": …}``."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One answer of the model.

    `text` is the content of the answer. `text` is empty when the model wrote no text, for example only tool calls.
    `finish_reason` is the reason that the server gives (``length`` means that the text was cut off). `message` is the
    whole message that the server sent.
    """

    text: str
    finish_reason: str
    message: Mapping[str, Any]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """The prompt tokens that the server had in its cache, if it says so."""


def checked_address(base_url: str) -> str:
    """`base_url` without the path that the client adds itself. Raises `ConfigError` when `base_url` is not a valid URL
    of an API."""
    try:
        parts = urlsplit(base_url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(
            f"{without_keys(base_url)!r} is not the address of an API, such as http://127.0.0.1:8000/v1"
        )
    if (
        parts.username is not None
        or parts.password is not None
        or parts.query
        or parts.fragment
        or key_place(base_url)
    ):
        raise ConfigError(
            "the address of an API must not have credentials, a query or a fragment; keys belong in the environment"
        )
    return base_url.rstrip("/").removesuffix("/chat/completions")


def is_spent(content: bytes) -> bool:
    """Whether the server refused a request because the account has no credit left. In this case a retry is useless."""
    return b"insufficient_quota" in content or b"billing_hard_limit" in content


def reply_of(data: Any) -> ChatReply:
    """The reply in a decoded response. Raises an error such as `KeyError` or `TypeError` when the response has no
    reply."""
    choice = data["choices"][0]
    message = choice["message"]
    content = message.get("content")
    if isinstance(content, list):  # some servers send a list of parts
        content = "".join(
            part if isinstance(part, str) else part["text"]
            for part in content
            if isinstance(part, str) or part.get("type") == "text"
        )
    if not isinstance(content, str | None):
        raise TypeError("content is not text")
    usage = data.get("usage") or {}
    return ChatReply(
        text=content or "",
        finish_reason=str(choice.get("finish_reason") or ""),
        message=message,
        prompt_tokens=_tokens(usage, "prompt_tokens"),
        completion_tokens=_tokens(usage, "completion_tokens"),
        cached_tokens=_tokens(usage.get("prompt_tokens_details"), "cached_tokens"),
    )


def _tokens(usage: Any, name: str) -> int:
    """A number of tokens, or 0 if the server does not say it. No server has counted `_MOST_TOKENS`."""
    number = usage.get(name) if isinstance(usage, Mapping) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return 0
    return int(number) if 0 < number < _MOST_TOKENS else 0
