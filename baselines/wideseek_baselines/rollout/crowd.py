"""`Scheduler`: the episodes of one run of a driver, from the jobs that come in to those that are handed back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from wideseek_baselines.agents.base import GenerationRequest, TeamPolicy
from wideseek_baselines.engines.base import EngineInfo, EngineLostError, Generation
from wideseek_baselines.rollout.admission import EpisodeGate
from wideseek_baselines.rollout.attempts import Attempts, describe
from wideseek_baselines.rollout.grouping import Grouping
from wideseek_baselines.rollout.options import DriverOptions, Finished
from wideseek_baselines.rollout.tools import ToolPool
from wideseek_env.game import Game
from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.policy import Job

Generate = Callable[[GenerationRequest, int, int, int], Awaitable[tuple[Generation, float]]]
"""Generates for an episode's number and attempt a request of so many tokens; see `Driver`."""


class Scheduler:
    """Starts groups as there is room, and keeps nothing of an episode that has been handed back."""

    def __init__(
        self,
        policy: TeamPolicy,
        game: Game,
        options: DriverOptions,
        engines: Sequence[EngineInfo],
        generate: Generate,
    ) -> None:
        self._policy = policy
        self._game = game
        self._options = options
        self._generate = generate
        self._gate = EpisodeGate(
            engines,
            concurrency=options.concurrency,
            headroom=options.headroom,
            expected=options.first_guess(game),
        )
        self._tools = ToolPool(game.executor, batch=options.search_batch, workers=options.tool_workers)
        self._scorers = ThreadPoolExecutor(options.judge_workers, thread_name_prefix="wideseek-score")
        self._results: asyncio.Queue[Finished | None] = asyncio.Queue()
        self._episodes: dict[int, tuple[Attempts, asyncio.Task[None]]] = {}
        self._taker: asyncio.Task[None] | None = None
        self._ender: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    def begin(self, jobs: Iterable[Job] | AsyncIterable[Job]) -> None:
        """Begin to take jobs."""
        loop = asyncio.get_running_loop()
        self._taker = loop.create_task(self._take(jobs))
        self._ender = loop.create_task(self._end(self._taker))

    async def next(self) -> Finished | None:
        """The next job that has ended; None after the last. What ended the run early is raised then."""
        finished = await self._results.get()
        self._gate.look()
        if finished is None and self._failure is not None:
            raise self._failure
        return finished

    def cancel(self, job: Job) -> bool:
        """See `Driver.cancel`."""
        for attempts, task in self._episodes.values():
            if attempts.job is job and not attempts.stopped:
                attempts.stopped = "cancelled"
                task.cancel()
                return True
        return False

    def lose(self, error: EngineLostError) -> None:
        """End everything, because an engine is lost."""
        self._failure = error
        if self._taker is not None:
            self._taker.cancel()
        for attempts, task in self._episodes.values():
            if not attempts.stopped:
                attempts.stopped = describe(error)
                task.cancel()

    async def close(self) -> None:
        """Cancel what is under way and wait until it has ended; harmless when all has."""
        tasks = [task for _, task in self._episodes.values()]
        tasks += [task for task in (self._taker, self._ender) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._tools.close()
        self._scorers.shutdown(wait=False, cancel_futures=True)

    async def _take(self, jobs: Iterable[Job] | AsyncIterable[Job]) -> None:
        """Start groups in order, each when there is room."""
        number = 0
        async for group in groups(jobs):
            while self._results.qsize() >= self._options.backlog:
                await self._gate.changed()
            await self._gate.room(len(group))
            for job in group:
                self._start(job, number)
                number += 1

    async def _end(self, taker: asyncio.Task[None]) -> None:
        """Wait for the last job and then for the last episode. What the iterable of jobs raised ends the run."""
        await asyncio.wait([taker])
        if not taker.cancelled() and taker.exception() is not None:
            self._failure = self._failure or taker.exception()
        while self._episodes:
            await asyncio.wait([task for _, task in self._episodes.values()])
        self._results.put_nowait(None)

    def _start(self, job: Job, number: int) -> None:
        attempts = Attempts(job, number, self._policy, self._game, self._options.retries, self)
        self._gate.begin(number)
        task = asyncio.get_running_loop().create_task(self._run(attempts))
        self._episodes[number] = (attempts, task)

    async def _play(self, attempts: Attempts) -> None:
        try:
            finished = await attempts.play(self._scorers)
        except Exception as error:  # its record could not be made, for example because a reward raised
            finished = Finished(attempts.job, None, None, describe(error))
        finally:
            self._gate.end(attempts.number)
            del self._episodes[attempts.number]
        self._results.put_nowait(finished)

    # --- what episodes need ---------------------------------------------------------------------------------------

    async def generate(
        self, ask: GenerationRequest, number: int, attempt: int, tokens: int
    ) -> tuple[Generation, float]:
        """See `Driver`."""
        return await self._generate(ask, number, attempt, tokens)

    async def tool(self, call: ToolCall) -> ToolResult:
        """See `ToolPool.run`."""
        return await self._tools.run(call)

    def grown(self, number: int, tokens: int) -> None:
        """See `EpisodeGate.grown`."""
        self._gate.grown(number, tokens)


async def groups(jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncIterator[list[Job]]:
    """Jobs in lists that start together; see `Grouping`."""
    grouping = Grouping()
    async for job in _each(jobs):
        for group in grouping.add(job):
            yield group
    for group in grouping.rest():
        yield group


async def _each(jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncIterator[Job]:
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield job
    else:
        for job in jobs:
            yield job
