"""The interface of engines. An engine takes requests and returns sampled tokens with their log-probabilities.

An `Engine` serves any number of requests at once and returns each as soon as it is done. All of them run on one asyncio
event loop, the one that called `start`. Cancelling the task that awaits `generate` frees the request's resources.

There are two kinds of engines. `tokens` engines get `Request.ids` and return token ids, which a trainer can use.
`messages` engines are chat servers that do not show token ids. They get `Request.messages` and return text, which
cannot be trained on.
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
"""`stop`: the model ended its turn. `length`: it was cut off at `Sampling.max_tokens` or the end of its context."""

Weights: TypeAlias = "Path | Iterable[tuple[str, Tensor]]"
"""New weights: a Hugging Face folder with safetensors, or named tensors (names as in that folder)."""


class EngineError(WideSeekError):
    """An engine could not answer a request. The episode that sent it fails. Other episodes continue."""


class EngineLostError(EngineError):
    """The engine is gone and answers no more requests, for example because its process died or its server is down."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next tokens are sampled. These settings replace all defaults of the engine and of the model folder.

    Training needs samples from the whole distribution: temperature above 0, `top_p` 1 and `top_k` 0. The property
    `unbiased` tells whether that is so.
    """

    max_tokens: int = 1024
    """The largest number of new tokens."""
    temperature: float = 1.0
    """0 always takes the most probable token."""
    top_p: float = 1.0
    top_k: int = 0
    """Sample among this many most probable tokens. 0 switches it off."""
    seed: int | None = None
    """The seed of this request. With the same engine, batch and seed the same tokens are sampled."""
    stop_ids: tuple[int, ...] = ()
    """Tokens that end the generation. The one that ended it is kept as the last id."""

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
    """Unique among the requests in flight."""
    sampling: Sampling
    ids: Sequence[int] = ()
    """The whole prompt as token ids, for engines that take tokens."""
    messages: Sequence[Message] = ()
    """The conversation, for engines that take messages."""
    tools: Sequence[Mapping[str, Any]] = ()
    """Tool schemas, for engines that take messages. Empty if the prompt already describes the tools."""
    priority: int = 0
    """When requests have to wait, the engine takes the one with the lowest number first."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The result of a request. `ids` and `logprobs` have the same length. Both are None if the engine shows no ids.

    A log-probability belongs to the sampled id, in nats and with at least float32 precision. It is taken from the
    distribution that the id was sampled from, after temperature.

    `versions` tells which policy versions generated the tokens, as pairs (version, number of tokens), in order. There
    are several pairs only if the weights were replaced during the generation.
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
    """Prompt tokens whose keys and values were already in the cache."""
    queued: float = 0.0
    """Seconds between the request and the engine's first work on it."""
    generating: float = 0.0
    """Seconds from the engine's first work on it to the last token."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Facts and capacities of a started engine. None means "unknown" or "no limit"."""

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


@runtime_checkable
class Engine(Protocol):
    """Generates tokens for requests. Call all methods on the event loop that `start` ran on. `info` and `version` can
    be read from anywhere.
    """

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine. They are complete once it has started."""
        ...

    @property
    def version(self) -> int:
        """The policy version of the weights: 0 after loading, then the version of the latest `update_weights`."""
        ...

    async def start(self) -> None:
        """Load the model. Does nothing if it has started. Raises `ConfigError` for a model that cannot be loaded."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Generate one turn. Raises `EngineError` if this request failed, `EngineLostError` if all others will fail
        too.
        """
        ...

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Replace the weights in place, drop every cache made with the old ones, and set `version`.

        Requests in flight wait and then continue with the new weights, as `Generation.versions` shows. A sleeping
        engine wakes up: first it takes the memory for its weights, and after the replacement the rest.
        """
        ...

    async def pause(self) -> None:
        """Stop generating. Requests in flight are kept, new ones wait."""
        ...

    async def resume(self) -> None:
        """Continue after `pause`."""
        ...

    async def sleep(self) -> None:
        """Release accelerator memory between phases. Does nothing where the platform cannot do that.

        Raises `EngineError` if a request is in flight. After it, send no request before `update_weights` or `wake`.
        """
        ...

    async def wake(self) -> None:
        """Take the memory again after `sleep`. If the engine kept its weights, they are as before."""
        ...

    async def close(self) -> None:
        """End the engine, its processes and its requests. Does nothing if it is closed or was never started."""
        ...
