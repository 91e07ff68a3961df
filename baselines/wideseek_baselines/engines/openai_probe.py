"""What an OpenAI-compatible server is and can do, found out once with a few small requests."""

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
_FLATTER = 2.0  # a temperature that changes any distribution; servers take no higher one
_SAME = 0.01  # nats


@dataclass(frozen=True, slots=True)
class Found:
    """Facts about a server. `vllm`: it knows vLLM's own settings. `context`: tokens of a request, if it says so."""

    vllm: bool
    context: int | None


async def look(link: Link, model: str) -> Found:
    """Ask for the list of models, which not every server has.

    `ConfigError` when the server refuses the key, or is a vLLM that does not serve `model`.
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
        raise ConfigError(f"{link.base_url} does not serve {model!r}; it serves: {', '.join(names)}")
    context = names.get(model, {}).get("max_model_len")
    return Found(vllm, context if isinstance(context, int) else None)


async def check_tokens(link: Link, model: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether reported log-probabilities are those after temperature, once token ids are sure to work.

    `ConfigError` when the server takes or shows no token ids, or when `tokenizer` is not its own.
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
            f"{link.base_url} does not take token ids and show those it samples, as vLLM does: leave the tokenizer "
            f"out, and it is used with messages, for evaluation only ({type(error).__name__}: {error})"
        ) from None
    if shown != ids:
        raise ConfigError(
            f"the server's tokenizer makes other tokens than the one given ({shown[:8]} and {ids[:8]}, …): pass the "
            "folder of the model that it serves"
        )
    both = first.keys() & second.keys()
    return not both or max(abs(first[token] - second[token]) for token in both) > _SAME


async def _raw(link: Link, body: Mapping[str, Any]) -> Any:
    return (await link.ask("POST", "/completions", lambda data: data, body)).value
