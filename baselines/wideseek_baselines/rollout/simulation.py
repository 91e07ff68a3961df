"""`SimulatedTeam` runs any policy as if a model behind a simulated engine wrote its messages.

Use it to test drivers, or to plan without a model. For example, it can show how many episodes an engine with a given
speed and cache should run at the same time. The scores are those of the policy, not of a model.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any, cast

from wideseek_baselines.agents.base import FixedReply, GenerationRequest
from wideseek_baselines.engines.base import Engine, EngineError, Generation, Request, Sampling
from wideseek_baselines.engines.simulated import SimulatedEngine
from wideseek_baselines.engines.toy_tokens import BEGIN, END, decode_text, encode_messages
from wideseek_baselines.tokens.record import AgentRecord, Sequence, TurnRecord
from wideseek_env.messages import Message, Role
from wideseek_env.policy import Policy, Turn


@dataclass(frozen=True, slots=True)
class TurnRequest(Request):
    """A request together with its turn."""

    turn: Turn | None = None


class SimulatedTeam:
    """A `TeamPolicy` with one `SimulatedEngine`.

    Args:
        policy: The policy that writes the messages. Its decisions must depend only on the conversation, like those of
            the scripted policy.
        max_tokens: The largest number of tokens of one turn.
        engine: Arguments of `SimulatedEngine`, such as `takes`, `latency`, `faults`, `seed` or `max_requests`.
    """

    def __init__(self, policy: Policy, *, max_tokens: int = 65_536, **engine: Any) -> None:
        self.name = f"simulated-{policy.name}"
        self._policy = policy
        self._max_tokens = max_tokens
        self._episode_policies = itertools.count()
        self.engine = SimulatedEngine(self.answer, **engine)

    @property
    def engines(self) -> list[Engine]:
        """The engine."""
        return [self.engine]

    @property
    def records_tokens(self) -> bool:
        """Whether the engine returns token ids."""
        return self.engine.info.takes == "tokens"

    def episode_policy(self, seed: int) -> SimulatedEpisodePolicy:
        """The policy of one episode."""
        return SimulatedEpisodePolicy(self.engine, seed, next(self._episode_policies), self._max_tokens)

    def answer(self, request: Request) -> str:
        """The policy's message for the turn of a request. Other engines of the same team can use this method too."""
        if not isinstance(request, TurnRequest) or request.turn is None:
            raise TypeError("a simulated team answers only its own requests")
        (action,) = self._policy.act([request.turn])
        return action if isinstance(action, str) else str(action["content"])


class SimulatedEpisodePolicy:
    """The `EpisodePolicy` of one episode. It records toy tokens if the engine takes tokens."""

    def __init__(self, engine: SimulatedEngine, seed: int, number: int, max_tokens: int) -> None:
        self._engine = engine
        self._seed = seed
        self._number = number
        self._max_tokens = max_tokens
        self._ids: dict[int, list[int]] = {}
        self._read: dict[int, int] = {}
        self._turns: dict[int, list[TurnRecord]] = {}

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """The request that the engine must answer for this turn."""
        number, taken = turn.conversation, _taken(turn)
        sampling = Sampling(self._max_tokens, seed=self._seed * 1_000_003 + number * 1009 + taken)
        name = f"{self._number}/{number}/{taken}"
        if self._engine.info.takes == "tokens":
            request = TurnRequest(name, sampling, ids=self._prompt(turn), turn=turn)
        else:
            request = TurnRequest(name, sampling, messages=turn.messages, tools=turn.tools, turn=turn)
        return GenerationRequest(self._engine, request)

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """Record the generation, and return the agent's message."""
        if generation.message is not None:
            return generation.message
        if generation.ids is None or generation.logprobs is None:
            raise EngineError(f"{self._engine.info.name} returned neither a message nor ids")
        number, prompt = turn.conversation, self._prompt(turn)
        self._ids[number] = [*prompt, *generation.ids]
        self._read[number] = len(turn.messages) + 1
        self._turns.setdefault(number, []).append(
            TurnRecord(
                turn=_taken(turn),
                start=len(prompt),
                stop=len(prompt) + len(generation.ids),
                logprobs=generation.logprobs,
                versions=generation.versions,
                finish_reason=generation.finish_reason,
                cached_tokens=generation.cached_tokens,
            )
        )
        message: Message = {"role": "assistant", "content": decode_text(generation.ids)}
        return {**message, "finish_reason": "length"} if generation.finish_reason == "length" else message

    def timed(
        self, conversation: int, turn: int, *, queued: float, generating: float, tools: float, errors: int
    ) -> None:
        """Record the times of a turn in seconds, and the number of calls that could not run."""
        if self._engine.info.takes == "tokens":
            record = self._turns[conversation][turn]
            self._turns[conversation][turn] = dataclasses.replace(
                record, queued=queued, generating=generating, tools=tools, errors=errors
            )

    def records(self, endings: Items[tuple[str, str, str]]) -> list[AgentRecord]:
        """The records of all conversations, in order. `endings` has (agent, role, ending) for each of them."""
        return [
            AgentRecord(
                agent=agent,
                role=cast(Role, role),
                conversation=number,
                ending=ending,
                sequences=[Sequence(self._ids[number], self._turns[number])] if number in self._ids else [],
            )
            for number, (agent, role, ending) in enumerate(endings)
        ]

    def _prompt(self, turn: Turn) -> list[int]:
        """The ids of the conversation so far, the ids of the new messages, and the id that opens the assistant's
        turn.
        """
        ids = self._ids.get(turn.conversation, [])
        closed = [] if not ids or ids[-1] == END else [END]
        new = turn.messages[self._read.get(turn.conversation, 0) :]
        return [*ids, *closed, *encode_messages(new), BEGIN["assistant"]]


def _taken(turn: Turn) -> int:
    return sum(message["role"] == "assistant" for message in turn.messages)
