"""`AgentModel`: an engine with everything that turns an agent's turn into a request and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wideseek_baselines.engines.base import Engine, Sampling
from wideseek_baselines.tokens import ChatTemplate, History
from wideseek_env.errors import ConfigError
from wideseek_env.messages import Message
from wideseek_env.policy import Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class AgentModel:
    """A language model as agents use it. Several may share an engine, and one may play several roles.

    Args:
        engine: Generates.
        tokenizer: For engines that take tokens: a tokenizer, its folder or its hub name; None for the engine's
            model. Engines that take messages need none.
        thinking: Switches thinking on or off in chat templates that can; None leaves it to the template.
        history: What a prompt keeps of earlier turns: one of `wideseek_baselines.tokens.History`.
        turn_tokens: New tokens of one turn at most.
        context: Tokens of prompt and turn together, if they should be fewer than the engine's limit.
        temperature: Of sampling. Training needs 1, or the same at both ends.
        top_p: Below 1, only the most probable tokens that make up this share are drawn. Training needs 1.
        top_k: Only as many of the most probable tokens are drawn; 0 is off. Training needs 0.
        seeded: Give every request a separate seed, so that an engine can repeat an episode. Engines then sample each
            request separately, which is slower with many on a GPU.

    Raises:
        ConfigError: A setting is out of range, or there is no such tokenizer.
        MissingDependencyError: transformers is not installed and the engine takes tokens.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        tokenizer: str | Path | PreTrainedTokenizerBase | None = None,
        thinking: bool | None = None,
        history: History = "template",
        turn_tokens: int = 2048,
        context: int | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seeded: bool = True,
    ) -> None:
        if context is not None and context < 2:
            raise ConfigError(f"context must be at least 2 tokens, not {context}")
        self.engine = engine
        self.turn_tokens = turn_tokens
        self.seeded = seeded
        self._sampling = Sampling(turn_tokens, temperature, top_p, top_k)
        self._context = context
        self.template: ChatTemplate | None = None
        """None for engines that take messages."""
        if engine.info.takes == "tokens":
            self.template = ChatTemplate(
                engine.info.model if tokenizer is None else tokenizer, thinking=thinking, history=history
            )
        elif thinking is not None or history != "template" or tokenizer is not None:
            raise ConfigError(
                f"the engine {engine.info.name} takes messages: its server applies the chat template, so that "
                "tokenizer, thinking and history cannot be set here"
            )

    @property
    def context(self) -> int | None:
        """Tokens of prompt and turn together; None for no known limit. Complete once the engine has started."""
        limits = [limit for limit in (self._context, self.engine.info.context) if limit is not None]
        return min(limits, default=None)

    def sampling(self, room: int, seed: int) -> Sampling:
        """How the next turn is sampled where there is `room` for so many tokens."""
        chosen = self._sampling
        return Sampling(
            max_tokens=min(self.turn_tokens, room),
            temperature=chosen.temperature,
            top_p=chosen.top_p,
            top_k=chosen.top_k,
            seed=seed if self.seeded else None,
            stop_ids=self.template.stop_ids if self.template is not None else (),
        )


def template_tools(turn: Turn) -> list[Mapping[str, Any]]:
    """The schemas that a chat template (or a chat server) is to show; none where the prompt describes them."""
    return [] if turn.tools_in_prompt else list(turn.tools)


def chat_messages(turn: Turn) -> list[Message]:
    """The conversation with the keys that a chat server knows."""
    known = ("role", "content", "tool_calls", "tool_call_id")
    return [{key: message[key] for key in known if key in message} for message in turn.messages]
