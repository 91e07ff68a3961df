"""`AgentModel`: an engine, with the settings that are needed to make a request from an agent's turn."""

from __future__ import annotations

import copy
import dataclasses
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
    """A language model for agents. Several `AgentModel`s may share an engine. Several roles may share an `AgentModel`.

    Args:
        engine: The engine that generates tokens.
        tokenizer: For engines that take tokens: a tokenizer, its folder or its hub name. None uses the tokenizer of the
            engine's model. Engines that take messages need no tokenizer.
        thinking: Whether the model thinks before it answers, in chat templates that have such a switch. With None, the
            template decides.
        history: How a prompt shows an agent's earlier turns. "template" shows what the chat template makes of them.
            "keep" shows what was sampled.
        turn_tokens: The largest number of new tokens in one turn.
        context: The largest number of tokens of a prompt and its turn together. None means the limit of the engine.
        temperature: Temperature of sampling. Training needs 1, or the same value in engine and trainer.
        top_p: Sample only among the most probable tokens that together have this probability. Training needs 1.
        top_k: Sample only among this many most probable tokens. 0 switches it off. Training needs 0.
        seeded: Whether every request has a seed, so that an engine can repeat an episode. With seeds, engines sample
            each request separately. On a GPU this is slower if there are many requests.

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
        self.adapter = ""
        """The LoRA adapter of the engine that generates the turns. With "", the model has no adapter."""
        self.turn_tokens = turn_tokens
        self.seeded = seeded
        self._sampling = Sampling(turn_tokens, temperature, top_p, top_k)
        self._context = context
        self.template: ChatTemplate | None = None
        """The chat template. None for engines that take messages."""
        if engine.info.takes == "tokens":
            self.template = ChatTemplate(
                engine.info.model if tokenizer is None else tokenizer, thinking=thinking, history=history
            )
        elif thinking is not None or history != "template" or tokenizer is not None:
            raise ConfigError(
                f"the engine {engine.info.name} takes messages and its server applies the chat template, so "
                "tokenizer, thinking and history have no effect: leave them out"
            )

    def at(self, temperature: float) -> AgentModel:
        """The same model on the same engine, with another sampling temperature."""
        other = copy.copy(self)
        other._sampling = dataclasses.replace(self._sampling, temperature=temperature)
        return other

    def with_adapter(self, adapter: str) -> AgentModel:
        """The same model on the same engine, with a LoRA adapter of the engine.

        Raises:
            ConfigError: The engine has no such adapter.
        """
        if adapter and adapter not in self.engine.info.adapters:
            raise ConfigError(
                f"the engine {self.engine.info.name} has no adapter {adapter!r}; it has: "
                f"{', '.join(self.engine.info.adapters) or 'none'}"
            )
        other = copy.copy(self)
        other.adapter = adapter
        return other

    @property
    def context(self) -> int | None:
        """The largest number of tokens of a prompt and its turn together. None if it is unknown. It may change when the
        engine starts.
        """
        limits = [limit for limit in (self._context, self.engine.info.context) if limit is not None]
        return min(limits, default=None)

    def sampling(self, room: int, seed: int) -> Sampling:
        """The sampling settings of the next turn, for which `room` tokens are left."""
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
    """The tool schemas for the chat template or the chat server. Empty if the prompt already describes the tools."""
    return [] if turn.tools_in_prompt else list(turn.tools)


def chat_messages(turn: Turn) -> list[Message]:
    """The conversation without keys that a chat server does not know."""
    known = ("role", "content", "tool_calls", "tool_call_id")
    return [{key: message[key] for key in known if key in message} for message in turn.messages]
