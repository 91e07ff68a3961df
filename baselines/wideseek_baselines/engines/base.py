"""The interface of engines. An engine gets requests and returns sampled tokens with their log-probabilities.

An `Engine` works on any number of requests at the same time and returns each result as soon as it is complete. Call all
its methods on the asyncio event loop on which `start` was called. If the task that awaits `generate` is cancelled, the
engine frees the resources of the request.

There are two kinds of engines. A `tokens` engine gets `Request.ids` and returns token ids, on which a model can be
trained. A `messages` engine is a chat server that does not show token ids. It gets `Request.messages` and returns text,
on which a model cannot be trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.messages import Message

if TYPE_CHECKING:
    from torch import Tensor

FinishReason: TypeAlias = Literal["stop", "length"]
"""`stop`: the model ended its turn. `length`: the turn was cut off at `Sampling.max_tokens` or at the end of the
context."""

Weights: TypeAlias = "Path | Iterable[tuple[str, Tensor]]"
"""New weights: a Hugging Face folder with safetensors, or pairs of name and tensor with the names in such a folder."""


class EngineError(WideSeekError):
    """An engine could not answer a request. The episode that sent the request fails. Other episodes continue."""


class EngineLostError(EngineError):
    """The engine is gone and answers no more requests, for example because its process died or its server is down."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next tokens are sampled. The defaults of the engine and of the model folder have no effect.

    Training needs samples from the whole distribution: temperature above 0, `top_p` 1 and `top_k` 0. The property
    `unbiased` tells whether the settings meet this condition.
    """

    max_tokens: int = 1024
    """The largest number of new tokens."""
    temperature: float = 1.0
    """0 always takes the most probable token."""
    top_p: float = 1.0
    top_k: int = 0
    """Sample only among this number of most probable tokens. 0 switches this off."""
    seed: int | None = None
    """The seed of this request. With the same engine, batch and seed, the engine samples the same tokens."""
    stop_ids: tuple[int, ...] = ()
    """Tokens that end the generation. The token that ended it is the last id of the result."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if not 0 <= self.temperature <= 10:
            raise ConfigError(f"temperature must be from 0 to 10, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.top_k < 0:
            raise ConfigError(f"top_k must be 0 (off) or more, not {self.top_k}")

    @property
    def unbiased(self) -> bool:
        """Whether tokens are sampled from the whole distribution, as policy gradients assume."""
        return self.temperature > 0 and self.top_p == 1 and self.top_k == 0


@dataclass(frozen=True, slots=True)
class Request:
    """A request to generate one turn of one agent."""

    id: str
    """An id that no other request in flight has."""
    sampling: Sampling
    ids: Sequence[int] = ()
    """The whole prompt as token ids, for engines that take tokens."""
    messages: Sequence[Message] = ()
    """The conversation, for engines that take messages."""
    tools: Sequence[Mapping[str, Any]] = ()
    """Tool schemas, for engines that take messages. Empty if the prompt already describes the tools."""
    priority: int = 0
    """If several requests wait, the engine starts with the one that has the lowest number."""
    adapter: str = ""
    """The LoRA adapter that generates the turn, one of `EngineInfo.adapters`. With "", the model has no adapter."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The result of a request. `ids` and `logprobs` have the same length. Both are None for engines that take messages.

    `logprobs` are the log-probabilities of the sampled ids, in nats and with at least float32 precision. They are those
    of the distribution from which the id was sampled, after temperature.

    `versions` tells which versions of the policy generated the tokens: pairs (version, number of tokens), in order.
    There are several pairs only if the weights were replaced during the generation.
    """

    finish_reason: FinishReason
    ids: list[int] | None = None
    logprobs: list[float] | None = None
    message: Message | None = None
    """The assistant's message, from engines that take messages."""
    versions: tuple[tuple[int, int], ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """The number of prompt tokens whose keys and values were already in the cache."""
    queued: float = 0.0
    """Seconds from the arrival of the request to the start of the work on it."""
    generating: float = 0.0
    """Seconds from the start of the work on the request to the last token."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Facts about a started engine and its limits. None means "unknown" or "no limit"."""

    name: str
    model: str
    takes: Literal["tokens", "messages"]
    context: int | None = None
    """The largest number of tokens of one request, prompt and generation together."""
    kv_tokens: int | None = None
    """Capacity of the key-value cache in tokens, for all sequences together."""
    max_requests: int | None = None
    """The largest number of requests that the engine processes at the same time. Further requests wait."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that the engine uses, for records."""
    adapters: tuple[str, ...] = ()
    """The names of the LoRA adapters that the engine serves."""


@runtime_checkable
class Engine(Protocol):
    """Generates tokens for requests. Call all methods on the event loop on which `start` was called. Any thread may
    read `info` and `version`.
    """

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine. They are complete when the engine has started."""
        ...

    @property
    def version(self) -> int:
        """The policy version of the weights: 0 after loading, then the version of the latest `update_weights`."""
        ...

    async def start(self) -> None:
        """Load the model. A second call does nothing. Raises `ConfigError` if the model cannot be loaded."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Generate one turn. Raises `EngineError` if this request failed, and `EngineLostError` if all other requests
        will fail too.
        """
        ...

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Replace the weights in place, drop every cache that was computed with the old weights, and set `version`.

        Requests in flight wait and then continue with the new weights, as `Generation.versions` shows. A sleeping
        engine wakes up. It takes the memory for its weights before the replacement, and the rest of its memory after
        it.
        """
        ...

    async def pause(self) -> None:
        """Stop generating. Requests in flight and new requests wait until `resume`."""
        ...

    async def resume(self) -> None:
        """Continue after `pause`."""
        ...

    async def sleep(self) -> None:
        """Release accelerator memory, for example while a trainer works. Does nothing if the platform does not support
        it.

        Raises `EngineError` if a request is in flight. After `sleep`, send no request before `update_weights` or
        `wake`.
        """
        ...

    async def wake(self) -> None:
        """Take the memory again after `sleep`. The weights are the same as before, unless `sleep` dropped them."""
        ...

    async def close(self) -> None:
        """End the engine, its processes and its requests. Does nothing if the engine is closed or was never started."""
        ...
