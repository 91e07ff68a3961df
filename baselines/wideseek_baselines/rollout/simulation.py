"""`SimulatedTeam`: any policy played as if a model behind a simulated engine had written its messages.

For tests of drivers, and for planning: how many episodes an engine of given speed and cache should be given at a time,
and what width costs, without a model. What it plays well or badly says nothing about any model.
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
    """A request that carries the turn it is for."""

    turn: Turn | None = None


class SimulatedTeam:
    """A `TeamPolicy` over one `SimulatedEngine`.

    Args:
        policy: Writes the messages; one that decides from the conversation alone, such as the scripted policy.
        max_tokens: Of one turn.
        engine: Passed to `SimulatedEngine`: `takes`, `latency`, `faults`, `seed`, `max_requests` and so on.
    """

    def __init__(self, policy: Policy, *, max_tokens: int = 65_536, **engine: Any) -> None:
        self.name = f"simulated-{policy.name}"
        self._policy = policy
        self._max_tokens = max_tokens
        self._episode_policies = itertools.count()
        self.engine = SimulatedEngine(self.answer, **engine)

    @property
    def engines(self) -> list[Engine]:
        """See `TeamPolicy`."""
        return [self.engine]

    @property
    def records_tokens(self) -> bool:
        """See `TeamPolicy`."""
        return self.engine.info.takes == "tokens"

    def episode_policy(self, seed: int) -> SimulatedEpisodePolicy:
        """See `TeamPolicy`."""
        return SimulatedEpisodePolicy(self.engine, seed, next(self._episode_policies), self._max_tokens)

    def answer(self, request: Request) -> str:
        """The message of the turn that a request is for, for further engines of the same team."""
        if not isinstance(request, TurnRequest) or request.turn is None:
            raise TypeError("a simulated team answers only its own requests")
        (action,) = self._policy.act([request.turn])
        return action if isinstance(action, str) else str(action["content"])


class SimulatedEpisodePolicy:
    """The `EpisodePolicy` of one episode; records toy tokens where the engine takes them."""

    def __init__(self, engine: SimulatedEngine, seed: int, number: int, max_tokens: int) -> None:
        self._engine = engine
        self._seed = seed
        self._number = number
        self._max_tokens = max_tokens
        self._ids: dict[int, list[int]] = {}
        self._read: dict[int, int] = {}
        self._turns: dict[int, list[TurnRecord]] = {}

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """See `EpisodePolicy`."""
        number, taken = turn.conversation, _taken(turn)
        sampling = Sampling(self._max_tokens, seed=self._seed * 1_000_003 + number * 1009 + taken)
        name = f"{self._number}/{number}/{taken}"
        if self._engine.info.takes == "tokens":
            request = TurnRequest(name, sampling, ids=self._prompt(turn), turn=turn)
        else:
            request = TurnRequest(name, sampling, messages=turn.messages, tools=turn.tools, turn=turn)
        return GenerationRequest(self._engine, request)

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """See `EpisodePolicy`."""
        if generation.message is not None:
            return generation.message
        if generation.ids is None or generation.logprobs is None:
            raise EngineError(f"{self._engine.info.name} gave neither a message nor ids")
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
        """See `EpisodePolicy`."""
        if self._engine.info.takes == "tokens":
            record = self._turns[conversation][turn]
            self._turns[conversation][turn] = dataclasses.replace(
                record, queued=queued, generating=generating, tools=tools, errors=errors
            )

    def records(self, endings: Items[tuple[str, str, str]]) -> list[AgentRecord]:
        """See `EpisodePolicy`."""
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
        """The ids so far, what was said since, and the begin of the turn."""
        ids = self._ids.get(turn.conversation, [])
        closed = [] if not ids or ids[-1] == END else [END]
        new = turn.messages[self._read.get(turn.conversation, 0) :]
        return [*ids, *closed, *encode_messages(new), BEGIN["assistant"]]


def _taken(turn: Turn) -> int:
    return sum(message["role"] == "assistant" for message in turn.messages)
