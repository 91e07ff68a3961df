"""Writes the bodies of requests to an OpenAI-compatible server, and reads its answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wideseek_baselines.engines.base import EngineError, FinishReason, Sampling
from wideseek_baselines.engines.openai_reply import read_message, split_thought
from wideseek_env.llm.wire import reply_of
from wideseek_env.messages import Message

_FINISHES: Mapping[str, FinishReason] = {
    **dict.fromkeys(("stop", "tool_calls", "function_call", "eos", "eos_token", "end_turn", ""), "stop"),
    # A text that a content filter cut off counts like one that was too long.
    **dict.fromkeys(("length", "max_tokens", "model_length", "content_filter"), "length"),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of tokens as the server counted them."""

    prompt: int
    completion: int
    cached: int


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """An answer of ``/chat/completions``. The message has the form that the environment uses."""

    message: Message
    finish_reason: FinishReason
    counts: Counts
    thought_field: str = ""
    """The name of the field in which the server sent a thought, or ""."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer of ``/completions`` to a prompt of token ids: the sampled ids and their log-probabilities in nats."""

    ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason
    counts: Counts


def chat_messages(messages: Sequence[Message], thought_field: str = "") -> list[Message]:
    """A conversation in a form that strict servers accept.

    If the server sends thoughts in a separate field, `thought_field` is its name. Then earlier thoughts go back in this
    field. Without it, contents go back as they are.

    Messages keep only the keys of OpenAI's API, and `content` is always text. The result of a native tool call keeps
    the role "tool". The result of a call that the agent wrote as text gets the role "user", because there is no native
    call that it could refer to. Neighbouring messages of the user are joined, because some chat templates require
    alternating roles.
    """
    clean: list[Message] = []
    open_calls: set[str] = set()
    for message in messages:
        role, content = message["role"], message["content"] or ""
        if role == "assistant":
            entry: Message = {"role": role, "content": content}
            if thought_field:
                thought, entry["content"] = split_thought(content)
                if thought:
                    entry[thought_field] = thought
            calls = [_native_call(call) for call in message.get("tool_calls", ())]
            if calls:
                entry["tool_calls"] = calls
            open_calls = {call["id"] for call in calls}
            clean.append(entry)
        elif role == "tool" and message.get("tool_call_id") in open_calls:
            clean.append({"role": role, "tool_call_id": message["tool_call_id"], "content": content})
        elif role == "system":
            clean.append({"role": role, "content": content})
        elif clean and clean[-1]["role"] == "user":
            clean[-1]["content"] += f"\n\n{content}"
        else:
            clean.append({"role": "user", "content": content})
    return clean


def _native_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """The call with arguments that are a JSON object. Some servers refuse other arguments, even if the model wrote
    them.
    """
    function = call["function"]
    arguments = function["arguments"]
    try:
        fine = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        fine = False
    if not fine:
        arguments = json.dumps({"malformed": arguments}, ensure_ascii=False)
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def sampling_fields(sampling: Sampling, *, every: bool) -> dict[str, Any]:
    """The fields of a request for its sampling settings. `every` adds the fields that only vLLM knows."""
    fields: dict[str, Any] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        fields["seed"] = sampling.seed
    if every or sampling.top_k:
        fields["top_k"] = sampling.top_k
    if every:
        fields |= {
            "min_p": 0.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
            "min_tokens": 0,
        }
    return fields


def token_fields(ids: Sequence[int], sampling: Sampling) -> dict[str, Any]:
    """The fields of a request with token ids. They make the server return ids and log-probabilities. Only `stop_ids`
    end the text.
    """
    return {
        "prompt": list(ids),
        **sampling_fields(sampling, every=True),
        "stop_token_ids": list(sampling.stop_ids),
        "ignore_eos": True,
        "logprobs": 0,  # of the sampled token only
        "return_tokens_as_token_ids": True,  # `return_token_ids` would return the prompt's ids as well
    }


def read_chat(data: Any) -> ChatAnswer:
    """Read the answer of a chat completion. Other data raise an error in `wideseek_env.llm.exchange.UNREADABLE`."""
    reply = reply_of(data)
    message, field = read_message(reply)
    return ChatAnswer(message, finish_of(reply.finish_reason), _counts(data), field)


def read_tokens(data: Any) -> TokenAnswer:
    """Read the answer to token ids. Other data raise an error in `wideseek_env.llm.exchange.UNREADABLE`."""
    choice = data["choices"][0]
    tokens, logprobs = choice["logprobs"]["tokens"], choice["logprobs"]["token_logprobs"]
    if len(tokens) != len(logprobs) or not all(math.isfinite(value) for value in logprobs):
        raise ValueError("token_logprobs are not one log-probability for each token")
    return TokenAnswer(
        [_id_of(token) for token in tokens],
        [float(value) for value in logprobs],
        finish_of(str(choice.get("finish_reason") or "")),
        _counts(data),
    )


def _id_of(token: str) -> int:
    mark, _, number = token.partition(":")
    if mark != "token_id" or not number.isdecimal():
        raise ValueError(f"{token!r} is not a token id")
    return int(number)


def read_models(data: Any) -> list[Mapping[str, Any]]:
    """The entries of the list of models at ``/models``."""
    return [entry for entry in data["data"] if isinstance(entry["id"], str)]


def top_logprobs(data: Any) -> dict[str, float]:
    """The most probable tokens at the first position of a completion, with their log-probabilities in nats."""
    return {
        str(token): float(value) for token, value in data["choices"][0]["logprobs"]["top_logprobs"][0].items()
    }


def finish_of(reason: str) -> FinishReason:
    """The `FinishReason` for a server's finish reason. Raises `EngineError` if the reason is a failure."""
    if reason in _FINISHES:
        return _FINISHES[reason]
    raise EngineError(f"the server ended the generation with {reason!r}")


def _counts(data: Any) -> Counts:
    usage = data.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    return Counts(
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        int(details.get("cached_tokens") or 0),
    )
