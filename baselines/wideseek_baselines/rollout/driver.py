"""`Driver` runs many episodes at the same time on a policy's engines. No agent waits for agents of other episodes.

Within an episode, an agent waits for another agent only if the game requires it. For example, a lead waits for the
reports of its subagents. If the engines generate the same texts, the records of an episode are the same as with the
lock-step driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from typing import cast

from wideseek_baselines.agents.base import GenerationRequest, TeamPolicy
from wideseek_baselines.agents.summariser import EngineSummariser
from wideseek_baselines.engines.base import Engine, EngineLostError, Generation, Weights
from wideseek_baselines.rollout.admission import EpisodeGate
from wideseek_baselines.rollout.attempts import Attempts, describe
from wideseek_baselines.rollout.engine_pool import EnginePool, OnLost
from wideseek_baselines.rollout.jobs import Finished, Grouping
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.rollout.tools import ToolPool
from wideseek_env.errors import ConfigError
from wideseek_env.game import Game
from wideseek_env.messages import Role, ToolCall, ToolResult
from wideseek_env.policy import Job
from wideseek_env.summaries.policy_engine import PolicyEngine, attached_engine


class Driver:
    """Runs jobs with a policy. Call its methods on the event loop on which its engines run or will start.

    Args:
        policy: The policy with its engines.
        game: The game. The driver does not close its tools.
        options: Settings of the driver.
        on_lost: A function that is called when an engine is lost. It may return another engine, which then gets the
            requests that were in flight. Without this function, the run ends with `EngineLostError`.
    """

    def __init__(
        self,
        policy: TeamPolicy,
        game: Game,
        *,
        options: DriverOptions | None = None,
        on_lost: OnLost | None = None,
    ) -> None:
        self.policy = policy
        self.game = game
        self.options = options or DriverOptions()
        self._pool = EnginePool(policy.engines, timeout=self.options.request_timeout, on_lost=on_lost)
        summariser = (
            getattr(policy, "summariser", None) if isinstance(game.summariser, PolicyEngine) else None
        )
        self._summariser = summariser if isinstance(summariser, EngineSummariser) else None
        self._scheduler: Scheduler | None = None
        self._running = False

    @property
    def engines(self) -> list[Engine]:
        """The policy's engines, or the engines that replaced them."""
        return self._pool.engines

    def engines_of(self, roles: Collection[Role]) -> Sequence[Engine] | None:
        """The policy's engines of these roles, as `update_weights` takes them. None means all, and so does no role.

        Raises:
            ConfigError: The policy does not tell which engines its roles have.
        """
        if not roles:
            return None
        engines_of = getattr(self.policy, "engines_of", None)
        if engines_of is None:
            raise ConfigError(
                f"the policy {self.policy.name} has no engines_of(roles): use an LLMPolicy, or give all engines the "
                "same weights"
            )
        return cast(Sequence[Engine], engines_of(roles))

    async def run(self, jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncIterator[Finished]:
        """Run every job. Yields each result when its episode has ended.

        The driver takes one group of jobs at a time from `jobs`, when there is room for it. The iterable may be
        endless. A synchronous iterable must not block. Closing the returned iterator cancels the running jobs.

        Raises:
            EngineLostError: An engine was lost and not replaced. Before the error is raised, the episodes in flight are
                yielded with this error. Other jobs are not run.
            RuntimeError: This driver is already running.
        """
        if self._running:
            raise RuntimeError("this driver is already running: make another one for other jobs")
        self._running = True
        stack = ExitStack()
        try:
            await self._pool.start()
            stack.enter_context(attached_engine(self.game.summariser, self.policy))
            if self._summariser is not None:
                stack.enter_context(self._summariser.through(self._summary, self._summary_engine))
            self._scheduler = scheduler = Scheduler(self.policy, self.game, self.options, self._pool)
            scheduler.begin(jobs)
            while (finished := await scheduler.next()) is not None:
                yield finished
        finally:
            if self._scheduler is not None:
                await self._scheduler.close()
            stack.close()
            self._scheduler = None
            self._running = False

    def cancel(self, job: Job) -> bool:
        """Cancel a running job. `run` then yields it with the error "cancelled". Returns False if the job is not
        running.
        """
        return self._scheduler is not None and self._scheduler.cancel(job)

    @property
    def waiting(self) -> int:
        """The number of requests that wait in the driver."""
        return self._pool.waiting

    async def update_weights(
        self, weights: Weights, version: int, *, engines: Sequence[Engine] | None = None
    ) -> None:
        """Replace the weights of the policy's engines, between runs or during a run. By default this affects all
        engines.

        During the replacement, the driver sends no new requests. Requests in flight continue with the new weights.
        Their records tell which version generated which tokens. If an engine raises an `EngineError`, this method
        raises it after all engines have finished. Summaries in flight end before the replacement, and no other begins
        during it.
        """
        async with self._no_summaries():
            await self._pool.update_weights(weights, version, engines=engines)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Pause all engines during an ``async with`` block. Requests in flight continue after it."""
        async with self._no_summaries(), self._pool.paused():
            yield

    def _no_summaries(self) -> AbstractAsyncContextManager[None]:
        return self._summariser.held() if self._summariser is not None else nullcontext()

    async def _summary(self, ask: GenerationRequest) -> Generation:
        """Make a summary. Summaries come before turns, because agents wait for them in the middle of a turn."""
        generation, _ = await self._pool.generate(ask, -1, 0)
        return generation

    def _summary_engine(self) -> Engine:
        assert self._summariser is not None
        return self._pool.engine(self._summariser.engine)


class Scheduler:
    """Starts groups of jobs when there is room for them. After an episode was returned, no data of it are kept."""

    def __init__(
        self,
        policy: TeamPolicy,
        game: Game,
        options: DriverOptions,
        pool: EnginePool,
    ) -> None:
        self._policy = policy
        self._game = game
        self._options = options
        self._pool = pool
        self._gate = EpisodeGate(
            [engine.info for engine in pool.engines],
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
        pool.tell(self.lose)

    def begin(self, jobs: Iterable[Job] | AsyncIterable[Job]) -> None:
        """Begin taking jobs."""
        loop = asyncio.get_running_loop()
        self._taker = loop.create_task(self._take(jobs))
        self._ender = loop.create_task(self._end(self._taker))

    async def next(self) -> Finished | None:
        """Wait for the next ended job. Returns None after the last job, or raises the error that ended the run
        early.
        """
        finished = await self._results.get()
        self._gate.look()
        if finished is None and self._failure is not None:
            raise self._failure
        return finished

    def cancel(self, job: Job) -> bool:
        """Cancel a running job. Returns False if it is not running."""
        for attempts, task in self._episodes.values():
            if attempts.job is job and not attempts.stopped:
                attempts.stopped = "cancelled"
                task.cancel()
                return True
        return False

    def lose(self, error: EngineLostError) -> None:
        """Cancel all jobs, because an engine is lost."""
        self._failure = error
        if self._taker is not None:
            self._taker.cancel()
        for attempts, task in self._episodes.values():
            if not attempts.stopped:
                attempts.stopped = describe(error)
                task.cancel()

    async def close(self) -> None:
        """Cancel all running jobs and wait until they have ended. Does nothing if all have."""
        tasks = [task for _, task in self._episodes.values()]
        tasks += [task for task in (self._taker, self._ender) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.tell(None)
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
        """Wait until all jobs have started and all episodes have ended. If the iterable of jobs raises an error, the
        run ends.
        """
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

    async def _run(self, attempts: Attempts) -> None:
        try:
            finished = await attempts.run(self._scorers)
        except (
            Exception
        ) as error:  # its record could not be made, for example because a reward raised an error
            finished = Finished(attempts.job, None, None, describe(error))
        finally:
            self._gate.end(attempts.number)
            del self._episodes[attempts.number]
        self._results.put_nowait(finished)

    # --- what episodes need ---------------------------------------------------------------------------------------

    async def generate(self, ask: GenerationRequest, number: int, attempt: int) -> tuple[Generation, float]:
        """Send a request to its engine when the engine has room. Returns the generation, and the seconds that it
        queued.
        """
        return await self._pool.generate(ask, number, attempt)

    async def tool(self, call: ToolCall) -> ToolResult:
        """Run one tool call, and return its result."""
        return await self._tools.run(call)

    def grown(self, number: int, tokens: int) -> None:
        """Tell the gate that the running conversations of an episode now have `tokens` tokens in total."""
        self._gate.grown(number, tokens)


async def groups(jobs: Iterable[Job] | AsyncIterable[Job]) -> AsyncIterator[list[Job]]:
    """The jobs in groups that start together."""
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
