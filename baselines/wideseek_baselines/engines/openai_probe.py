"""Sends a few small requests to an OpenAI-compatible server to find out what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wideseek_baselines.engines.base import Sampling
from wideseek_baselines.engines.openai_http import Link, RefusedError
from wideseek_baselines.engines.openai_wire import read_models, read_tokens, token_fields, top_logprobs
from wideseek_env.errors import ConfigError
from wideseek_env.llm.exchange import UNREADABLE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TEXT = 'Museums & châteaux: | 1876 | 博物馆 |\n<tool_call>{"name": "search"}</tool_call>'
_FLATTER = 2.0  # a temperature that changes any distribution, and the highest that servers accept
_SAME = 0.01  # nats


@dataclass(frozen=True, slots=True)
class Found:
    """Facts about a server. `vllm` tells whether it accepts settings that only vLLM has. `context` is the largest
    number of tokens of one request, or None if the server does not report it.
    """

    vllm: bool
    context: int | None


async def look(link: Link, model: str) -> Found:
    """Read the server's list of models. Not every server has one.

    Raises `ConfigError` if the server refuses the key, or is a vLLM server that does not serve `model`.
    """
    try:
        entries = (await link.ask("GET", "/models", read_models)).value
    except RefusedError as error:
        if error.status in (401, 403):
            raise ConfigError(str(error)) from None
        return Found(False, None)
    vllm = any(entry.get("owned_by") == "vllm" for entry in entries)
    names = {entry["id"]: entry for entry in entries}
    if vllm and model not in names:
        raise ConfigError(f"{link.shown} does not serve {model!r}; it serves: {', '.join(names)}")
    context = names.get(model, {}).get("max_model_len")
    return Found(vllm, context if isinstance(context, int) else None)


async def check_tokens(link: Link, model: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Check that the server works with token ids. Returns whether its log-probabilities are computed after temperature.

    Raises `ConfigError` if the server does not accept or show token ids, or if its tokenizer is not `tokenizer`.
    """
    ids = list(tokenizer.encode(_TEXT, add_special_tokens=False))
    sampling = Sampling(max_tokens=1)
    try:
        read_tokens(await _raw(link, {"model": model, **token_fields(ids, sampling)}))
        whole = {"prompt": _TEXT, "add_special_tokens": False, "return_token_ids": True}
        theirs = await _raw(link, {"model": model, **token_fields([], sampling), **whole})
        shown = theirs["choices"][0]["prompt_token_ids"]
        first, second = [
            top_logprobs(
                await _raw(
                    link,
                    {"model": model, **token_fields(ids, Sampling(1, temperature)), "logprobs": 5},
                )
            )
            for temperature in (1.0, _FLATTER)
        ]
    except (RefusedError, *UNREADABLE) as error:
        raise ConfigError(
            f"{link.shown} does not accept token ids and return sampled ones, as vLLM does: omit the tokenizer "
            f"to use the server with messages, for evaluation only ({type(error).__name__}: {error})"
        ) from None
    if shown != ids:
        raise ConfigError(
            f"the server's tokenizer returns other ids than the given one ({shown[:8]} and {ids[:8]}, …): pass the "
            "folder of the model that it serves"
        )
    both = first.keys() & second.keys()
    return not both or max(abs(first[token] - second[token]) for token in both) > _SAME


async def _raw(link: Link, body: Mapping[str, Any]) -> Any:
    return (await link.ask("POST", "/completions", lambda data: data, body)).value
