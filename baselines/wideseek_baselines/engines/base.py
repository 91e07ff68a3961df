"""What an engine is: token ids go in, sampled ids with their log-probabilities come out, each as it finishes.

An `Engine` serves any number of requests at once on one asyncio event loop, the one that `start` ran on. Cancelling
the task that awaits `generate` frees what the request held. Engines differ in what they take: `tokens` engines get
`Request.ids` and return ids, which can be trained on; `messages` engines (chat servers that show no ids) get
`Request.messages` and return text, which cannot.
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
    """An engine could not answer a request; the episode that asked fails, others go on."""


class EngineLostError(EngineError):
    """The engine is gone (its process died, its server is down) and answers nothing any more."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next tokens are drawn. Nothing is left to an engine's or a model folder's defaults.

    Training needs the plain distribution: temperature above 0, `top_p` 1 and no `top_k` (see `unbiased`).
    """

    max_tokens: int = 1024
    """New tokens at most."""
    temperature: float = 1.0
    """0 takes the most probable token each time."""
    top_p: float = 1.0
    top_k: int = 0
    """0 is off."""
    seed: int | None = None
    """Of this request; the same engine, batch and seed draw the same tokens."""
    stop_ids: tuple[int, ...] = ()
    """Tokens that end the generation; the one that did is kept as its last id."""

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
        """Whether tokens are drawn from the whole distribution, as policy gradients assume."""
        return self.temperature > 0 and self.top_p == 1 and self.top_k == 0


@dataclass(frozen=True, slots=True)
class Request:
    """One turn of one agent to be generated."""

    id: str
    """Unique among the requests under way."""
    sampling: Sampling
    ids: Sequence[int] = ()
    """The whole prompt as token ids, for engines that take tokens."""
    messages: Sequence[Message] = ()
    """The conversation, for engines that take messages."""
    tools: Sequence[Mapping[str, Any]] = ()
    """Tool schemas for engines that take messages; empty where the prompt describes the tools itself."""
    priority: int = 0
    """Lower goes first where an engine has to choose."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What came of a request. `ids` and `logprobs` are equally long, and None from engines that show no ids.

    A log-probability is of the sampled id under the distribution it was drawn from, in nats (float32 or better),
    after temperature. `versions` says which policy versions made the tokens: pairs (version, number of tokens),
    in order; more than one only where weights were replaced on the way.
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
    """Prompt tokens whose keys and values were still cached."""
    queued: float = 0.0
    """Seconds between the request and the engine's first work on it."""
    generating: float = 0.0
    """Seconds from the engine's first work on it to the last token."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a started engine is and can hold. None is "unknown" or "no limit"."""

    name: str
    model: str
    takes: Literal["tokens", "messages"]
    context: int | None = None
    """Tokens of prompt and generation together that one request may have."""
    kv_tokens: int | None = None
    """Tokens of all sequences together whose keys and values fit into its cache."""
    max_requests: int | None = None
    """Requests that are worked on at the same time; more wait."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries behind it, for records."""


@runtime_checkable
class Engine(Protocol):
    """Whatever generates. Methods other than `info` and `version` are called on the loop that `start` ran on."""

    @property
    def info(self) -> EngineInfo:
        """Facts about the engine; complete once it has started."""
        ...

    @property
    def version(self) -> int:
        """The policy version of its weights: 0 as loaded, then what `update_weights` said."""
        ...

    async def start(self) -> None:
        """Load the model; harmless when started. `ConfigError` for a model that cannot be loaded."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Generate one turn. `EngineError` when this request failed, `EngineLostError` when all will."""
        ...

    async def update_weights(self, weights: Weights, version: int) -> None:
        """Replace the weights in place, drop every cache made with the old ones, and be `version` from then on.

        Requests under way wait meanwhile and go on with the new weights; `Generation.versions` says so. An engine
        that sleeps wakes up with it: first what holds its weights, and the rest when they have been replaced.
        """
        ...

    async def pause(self) -> None:
        """Stop working on requests, keeping those under way; new ones wait."""
        ...

    async def resume(self) -> None:
        """Go on after `pause`."""
        ...

    async def sleep(self) -> None:
        """Give accelerator memory back between phases where the platform can; harmless where not.

        No request may be under way (`EngineError`), and none may come before `update_weights` or `wake`."""
        ...

    async def wake(self) -> None:
        """Take the memory again after `sleep`, with the weights as they were where the engine has kept them."""
        ...

    async def close(self) -> None:
        """End it, its processes and its requests; harmless when closed or never started."""
        ...
