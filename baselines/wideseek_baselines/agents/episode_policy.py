"""`LLMEpisodePolicy`: the policy of one episode, with token ids of conversations, seeds, and a token budget."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wideseek_baselines.agents.base import FixedReply, GenerationRequest
from wideseek_baselines.agents.model import AgentModel, chat_messages, template_tools
from wideseek_baselines.engines.base import Engine, EngineError, Generation, Request, Sampling
from wideseek_baselines.tokens import Thread
from wideseek_baselines.tokens.record import AgentRecord, TurnRecord
from wideseek_env.errors import ConfigError
from wideseek_env.messages import ROLES, Message, Role
from wideseek_env.policy import Turn

_numbers = itertools.count()

FULL: Message = {"role": "assistant", "content": "", "finish_reason": "context"}
"""The message of an agent whose context is full. The agent ends without a report."""

SPENT: Message = {"role": "assistant", "content": "", "finish_reason": "budget"}
"""The message of an agent if the team's token budget is used up. The agent ends without a report. Agents that still
have tokens may write one last message.
"""


@dataclass(slots=True)
class AgentState:
    """The state of one conversation. `thread` has its token ids, and is None for engines that take messages."""

    model: AgentModel
    label: str
    thread: Thread | None
    turn: int = -1
    step: GenerationRequest | FixedReply | None = None
    prompt_tokens: int = 0
    """The number of prompt tokens of the current request. For engines that take messages, it is an estimate."""
    read: int = 0
    """For engines that take messages: how many messages the engine has counted. `read_tokens` is their number of
    tokens."""
    read_tokens: int = 0


class LLMEpisodePolicy:
    """An `EpisodePolicy` that uses a model for each role.

    Args:
        models: The model of each role, and a name for it, which differs between models.
        seed: Seed of the episode.
        episode_tokens: The largest number of tokens that the whole team may generate. While an engine generates a turn,
            the largest length of that turn is reserved. A subagent's turn gets a quarter of the free tokens, or twice
            the length of the longest turn so far if that is more. If no tokens are left when an agent acts, the agent
            ends without a report.
        answer_tokens: The part of `episode_tokens` that is reserved for last messages. When only these tokens are left,
            every agent is told to write its last message. Half of the reserve is for the lead only. The reserve grows
            if it is too small for one message of every agent, each as long as the longest so far. It is at most half of
            `episode_tokens`.
        on_generation: A function that is called with every generation, to measure usage.
    """

    def __init__(
        self,
        models: Mapping[Role, tuple[AgentModel, str]],
        seed: int,
        *,
        episode_tokens: int | None = None,
        answer_tokens: int = 0,
        on_generation: Callable[[Engine, Generation], None] | None = None,
    ) -> None:
        self._models = models
        self._seed = seed
        self._left = self._budget = episode_tokens
        self._ending = answer_tokens
        self._held: dict[int, int] = {}
        self._together = 0
        self._longest = 0
        self._tell = on_generation
        self._name = next(_numbers)
        self._voices: dict[int, AgentState] = {}

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """The request for this turn, or the fixed reply that ends an agent without room or budget."""
        number = sum(message["role"] == "assistant" for message in turn.messages)
        voice = self._voice(turn)
        if voice.step is None or voice.turn != number:
            voice.turn = number
            voice.step = self._step(voice, turn)
        return voice.step

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """Record the generation, and return the agent's message. Raises `EngineError` if the generation has no ids or
        message.
        """
        voice = self._voices.get(turn.conversation)
        if voice is None or not isinstance(voice.step, GenerationRequest):
            raise ConfigError(f"{turn.agent}'s turn does not wait for a generation: call prepare first")
        step, voice.step = voice.step, None
        self._held.pop(turn.conversation, None)
        if self._tell is not None:
            self._tell(step.engine, generation)
        sampling = step.request.sampling
        if voice.thread is None:
            return self._accept_message(voice, step, len(turn.messages), generation)
        ids, logprobs = generation.ids, generation.logprobs
        if ids is None or logprobs is None or len(ids) != len(logprobs):
            raise EngineError(
                f"the engine {step.engine.info.name} returned no ids with log-probabilities for {step.request.id}"
            )
        cut = generation.finish_reason == "length" or len(ids) > sampling.max_tokens
        ids, logprobs = ids[: sampling.max_tokens], logprobs[: sampling.max_tokens]
        self._spend(len(ids))
        voice.thread.add(
            ids,
            TurnRecord(
                turn=voice.turn,
                start=0,
                stop=0,
                logprobs=list(logprobs),
                versions=_first(generation.versions, len(ids)),
                finish_reason="length" if cut else "stop",
                temperature=sampling.temperature,
                trainable=sampling.unbiased,
                cached_tokens=generation.cached_tokens,
                queued=generation.queued,
                generating=generation.generating,
            ),
        )
        message = {**voice.thread.message, "completion_tokens": len(ids)}
        return self._finished(voice, message, cut, voice.prompt_tokens + len(ids))

    def timed(
        self, conversation: int, turn: int, *, queued: float, generating: float, tools: float, errors: int
    ) -> None:
        """Record the times of a turn in seconds, and the number of calls that could not run."""
        voice = self._voices.get(conversation)
        if voice is not None and voice.thread is not None:
            voice.thread.amend(turn, queued=queued, generating=generating, tools=tools, errors=errors)

    def records(self, endings: Sequence[tuple[str, str, str]]) -> list[AgentRecord]:
        """The records of all conversations, in order. `endings` has (agent, role, ending) for each of them."""
        records = []
        for number, (agent, role, ending) in enumerate(endings):
            voice = self._voices.get(number)
            sequences = voice.thread.sequences if voice is not None and voice.thread is not None else []
            label = voice.label if voice is not None else ""
            records.append(AgentRecord(agent, _role(role), number, ending, sequences, label))
        return records

    def _voice(self, turn: Turn) -> AgentState:
        voice = self._voices.get(turn.conversation)
        if voice is None:
            model, label = self._models[turn.role]
            thread = model.template.thread(template_tools(turn)) if model.template is not None else None
            voice = self._voices[turn.conversation] = AgentState(model, label, thread)
        return voice

    def _step(self, voice: AgentState, turn: Turn) -> GenerationRequest | FixedReply:
        model = voice.model
        ids: list[int] = []
        if voice.thread is not None:
            ids = voice.thread.prompt(turn.messages)
            voice.prompt_tokens = len(ids)
        else:
            voice.prompt_tokens = voice.read_tokens + _estimate(turn, voice.read)
        room = model.turn_tokens
        if model.context is not None:
            room = min(room, model.context - voice.prompt_tokens)
        if self._left is not None:
            self._held.pop(turn.conversation, None)
            free = self._free(turn.role)
            if free < 1 and self._ending:
                return FixedReply(dict(SPENT))
            room = min(room, free)
        if room < 1:
            return FixedReply(dict(FULL))
        if self._left is not None:
            self._held[turn.conversation] = room
            self._together = max(self._together, len(self._held))
        sampling = model.sampling(room, request_seed(self._seed, turn.conversation, voice.turn))
        return GenerationRequest(model.engine, self._request(voice, turn, sampling, ids), voice.label)

    def _request(self, voice: AgentState, turn: Turn, sampling: Sampling, ids: list[int]) -> Request:
        name = f"episode-{self._name}/{turn.conversation}/{voice.turn}"
        if voice.thread is not None:
            return Request(name, sampling, ids=ids, adapter=voice.model.adapter)
        return Request(name, sampling, messages=chat_messages(turn), tools=template_tools(turn))

    def _accept_message(
        self, voice: AgentState, step: GenerationRequest, messages: int, generation: Generation
    ) -> Message:
        if generation.message is None:
            raise EngineError(f"the engine {step.engine.info.name} returned no message for {step.request.id}")
        self._spend(generation.completion_tokens)
        message: Message = {"role": "assistant", "content": ""}
        message |= {
            key: generation.message[key] for key in ("content", "tool_calls") if key in generation.message
        }
        if generation.completion_tokens:
            message["completion_tokens"] = generation.completion_tokens
        used = generation.prompt_tokens + generation.completion_tokens
        if generation.prompt_tokens:
            voice.read, voice.read_tokens = messages + 1, used
        return self._finished(voice, message, generation.finish_reason == "length", used)

    def _finished(self, voice: AgentState, message: Message, cut: bool, used: int) -> Message:
        """The message. It gets a finish reason if it was cut off, or if it was the agent's last message within the
        budget.
        """
        if cut:
            full = voice.model.context is not None and used >= voice.model.context
            message["finish_reason"] = "context" if full else "length"
        elif self._ending and self._left is not None and self._left <= self._reserve():
            message["finish_reason"] = "budget"
        return message

    def _free(self, role: Role) -> int:
        """The number of tokens of the episode's budget that a turn in this role may use now."""
        free = (self._left or 0) - sum(self._held.values())
        if role != "subagent":
            return free
        free = max(0, free - (self._reserve() // 2 if self._ending else 0))
        return min(free, max(-(-free // 4), 2 * self._longest))

    def _reserve(self) -> int:
        """The number of tokens that all agents may need for their last messages."""
        needed = (self._together + 1) * self._longest
        return max(self._ending, min(needed, (self._budget or 0) // 2))

    def _spend(self, tokens: int) -> None:
        if self._left is not None:
            self._left = max(0, self._left - tokens)
            self._longest = max(self._longest, tokens)


def request_seed(seed: int, conversation: int, turn: int) -> int:
    """The seed of one request, from 0 to 2**31 - 1. It depends only on the three arguments."""
    digest = hashlib.sha256(f"{seed}/{conversation}/{turn}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _estimate(turn: Turn, read: int) -> int:
    """Estimate how many tokens a chat server counts for the messages from number `read` on. The estimate is rather too
    high.

    Without an estimate a conversation would grow until the server refuses it, and the episode would fail.
    """
    texts = [message["content"] for message in turn.messages[read:]]
    if not read:
        texts.append(json.dumps(template_tools(turn), ensure_ascii=False))
    plain = sum(len(text) if text.isascii() else sum(map(str.isascii, text)) for text in texts)
    other = sum(map(len, texts)) - plain
    return plain // 3 + other + 8 * len(texts)


def _first(versions: Sequence[tuple[int, int]], tokens: int) -> tuple[tuple[int, int], ...]:
    """The policy versions of the first `tokens` tokens, as pairs (version, number of tokens)."""
    kept: list[tuple[int, int]] = []
    for version, count in versions:
        if tokens > 0:
            kept.append((version, min(count, tokens)))
        tokens -= count
    return tuple(kept)


def _role(role: str) -> Role:
    for known in ROLES:
        if role == known:
            return known
    raise ConfigError(f"unknown role {role!r}: use one of {', '.join(ROLES)}")
