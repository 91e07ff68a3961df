"""`EpisodeTask` runs one attempt at one episode. Agents take their turns independently of each other.

Every turn is an asyncio task. The task gets a request from the episode policy, waits for the engine, and applies the
message to the episode. Each tool call of the turn is a task too. When a result or a report makes an agent ready, its
next turn starts at once. The first failure cancels all tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol

from wideseek_baselines.agents.base import EpisodePolicy, FixedReply, GenerationRequest
from wideseek_baselines.engines.base import Generation
from wideseek_baselines.rollout.engine_pool import context_tokens
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.messages import Message, ToolCall, ToolResult


class Services(Protocol):
    """The functions of the driver that an episode uses."""

    async def generate(self, ask: GenerationRequest, number: int, attempt: int) -> tuple[Generation, float]:
        """Send a request to its engine when the engine has room. The request belongs to attempt `attempt` at episode
        `number`. Returns the generation, and the seconds that the request queued in the driver.
        """
        ...

    async def tool(self, call: ToolCall) -> ToolResult:
        """Run one tool call, and return its result."""
        ...

    def grown(self, number: int, tokens: int) -> None:
        """Tell the driver that the running conversations of episode `number` now have `tokens` tokens in total."""
        ...


@dataclass(slots=True)
class Usage:
    """How many requests and tokens of the engines an episode has used."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def add(self, generation: Generation) -> None:
        """Count one generation."""
        self.requests += 1
        self.prompt_tokens += generation.prompt_tokens
        self.completion_tokens += generation.completion_tokens
        self.cached_tokens += generation.cached_tokens

    def to_dict(self) -> dict[str, int]:
        """The sums by name."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
        }


@dataclass(slots=True)
class _Open:
    """A generated turn whose results or reports have not all arrived."""

    turn: int
    queued: float
    generating: float
    since: float
    errors: int


class EpisodeTask:
    """One running episode. `usage` counts its requests and tokens so far."""

    def __init__(
        self,
        episode_run: EpisodeRun,
        episode_policy: EpisodePolicy,
        services: Services,
        number: int,
        attempt: int,
    ) -> None:
        self.episode_run = episode_run
        self.episode_policy = episode_policy
        self.usage = Usage()
        self._services = services
        self._number = number
        self._attempt = attempt
        self._group = asyncio.TaskGroup()
        self._moving: set[int] = set()
        self._open: dict[int, _Open] = {}
        self._live: dict[int, int] = {}

    async def run(self) -> None:
        """Run the episode to its end. Raises the first error."""
        try:
            async with self._group:
                self._move()
        except BaseExceptionGroup as failures:
            raise first_failure(failures) from None
        self._close_turns(self._time())

    async def score(self, scorers: Executor) -> None:
        """Score the ended episode on a thread of `scorers`, because a judge may wait."""
        await asyncio.get_running_loop().run_in_executor(scorers, self.episode_run.finish)

    def abort(self, detail: str) -> None:
        """End the episode without an answer, after `run` failed or was cancelled."""
        self.episode_run.abort(detail)
        self._close_turns(self._time())

    def _move(self) -> None:
        """Start a turn for every agent that is ready and has no running turn."""
        episode = self.episode_run.episode
        for agent in episode.ready():
            conversation = episode.conversation(agent)
            if conversation.started in self._moving:
                continue
            self._moving.add(conversation.started)
            self._close_turn(conversation.started, self._time())
            self._start(self._turn(agent))

    async def _turn(self, agent: str) -> None:
        conversation = self.episode_run.episode.conversation(agent)
        number, turn_number = conversation.started, conversation.turns
        turn = self.episode_run.turn(agent)
        step = self.episode_policy.prepare(turn)
        opened: _Open | None = None
        if isinstance(step, FixedReply):
            message: Message = step.message
        else:
            generation, waited = await self._services.generate(step, self._number, self._attempt)
            self.usage.add(generation)
            message = self.episode_policy.accept(turn, generation)
            self._live[number] = context_tokens(step, generation)
            opened = _Open(turn_number, waited + generation.queued, generation.generating, self._time(), 0)
        before = conversation.errors
        calls = self.episode_run.act(agent, message)
        self._moving.discard(number)
        if opened is not None:
            opened.errors = conversation.errors - before
            self._open[number] = opened
        if conversation.status == "done":
            self._close_turn(number, self._time())
            self._live.pop(number, None)
        self._services.grown(self._number, sum(self._live.values()))
        for call in calls:
            self._start(self._tool(call))
        self._move()

    async def _tool(self, call: ToolCall) -> None:
        result = await self._services.tool(call)
        self.episode_run.deliver(call, result)
        self._move()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._group.create_task(coroutine)

    def _close_turn(self, number: int, now: float) -> None:
        opened = self._open.pop(number, None)
        if opened is not None:
            self.episode_policy.timed(
                number,
                opened.turn,
                queued=opened.queued,
                generating=opened.generating,
                tools=now - opened.since,
                errors=opened.errors,
            )

    def _close_turns(self, now: float) -> None:
        for number in list(self._open):
            self._close_turn(number, now)

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()


def first_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group, even if groups are nested."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
