"""`LLMPolicy`: a policy that uses language models. It works with all drivers, and records tokens for training."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wideseek_baselines.agents.base import GenerationRequest
from wideseek_baselines.agents.episode_policy import LLMEpisodePolicy
from wideseek_baselines.agents.model import AgentModel
from wideseek_baselines.agents.summariser import EngineSummariser
from wideseek_baselines.background import background
from wideseek_baselines.engines.base import Engine, EngineError, Generation
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.jobs import Finished
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.tokens import History
from wideseek_env.errors import ConfigError, WideSeekError
from wideseek_env.game import Game
from wideseek_env.llm.budget import Endpoint, TokenBudget
from wideseek_env.llm.usage import Meter, Usage
from wideseek_env.messages import Message, Role
from wideseek_env.policy import EpisodeResult, Job, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LLMPolicy:
    """A policy in which language models generate every agent's turn.

    The class has three interfaces. As a `wideseek_env.policy.Policy`, `act` generates all turns of a step at the same
    time. As an `EpisodeRunner`, `run_jobs` runs many episodes at the same time, and agents do not wait for each other.
    As a `TeamPolicy`, it works with custom drivers.

    Engines start on first use. They run on the event loop of a background thread until `close` is called. `close` is
    called automatically at the end of a ``with`` block and when the interpreter ends.

    Args:
        engine: The engine for all roles that have no separate engine. It is an `Engine` or an `AgentModel`. An `Engine`
            is used with the options below. An `AgentModel` has its options already.
        lead: The engine of the lead, or of the single agent.
        subagent: The engine of the subagents.
        episode_tokens: The largest number of tokens that the team may generate in one episode. None sets no limit.
        answer_tokens: How many of the `episode_tokens` are reserved for the last messages of agents.
        name: Name of the policy in records. Default: the names of engine and model.
        driver: Options of the driver that `run_jobs` uses: a `DriverOptions`, or a mapping with its fields.
        tokenizer: For engines that take tokens: a tokenizer, its folder or its hub name. Default: the model's
            tokenizer.
        thinking: Whether the model thinks before it answers, in chat templates that have such a switch. With None, the
            template decides.
        history: How a prompt shows an agent's earlier turns. "template" shows what the chat template makes of them.
            "keep" shows what was sampled.
        turn_tokens: The largest number of new tokens in one turn.
        context: The largest number of tokens of a prompt and its turn together. None means the limit of the engine.
        temperature: Temperature of sampling. Training needs 1, or the same value in engine and trainer.
        top_p: Sample only among the most probable tokens that together have this probability. Training needs 1.
        top_k: Sample only among this many most probable tokens. 0 switches it off. Training needs 0.
        seeded: Whether every request has a seed, so that an engine can repeat an episode.

    Raises:
        ConfigError: An option is wrong, or a role has no engine.
    """

    def __init__(
        self,
        engine: Engine | AgentModel | None = None,
        *,
        lead: Engine | AgentModel | None = None,
        subagent: Engine | AgentModel | None = None,
        episode_tokens: int | None = None,
        answer_tokens: int = 0,
        name: str = "",
        driver: DriverOptions | Mapping[str, Any] | None = None,
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
        if episode_tokens is not None and episode_tokens < 1:
            raise ConfigError(f"episode_tokens must be at least 1 or None, not {episode_tokens}")
        if not 0 <= answer_tokens <= (episode_tokens or 0):
            raise ConfigError(f"answer_tokens must be from 0 to episode_tokens, not {answer_tokens}")
        made: dict[int, AgentModel] = {}

        def model(chosen: Engine | AgentModel | None, role: str) -> AgentModel:
            chosen = engine if chosen is None else chosen
            if chosen is None:
                raise ConfigError(f"LLMPolicy has no engine for the {role}: pass engine=… or {role}=…")
            if isinstance(chosen, AgentModel):
                return chosen
            if id(chosen) not in made:
                made[id(chosen)] = AgentModel(
                    chosen,
                    tokenizer=tokenizer,
                    thinking=thinking,
                    history=history,
                    turn_tokens=turn_tokens,
                    context=context,
                    temperature=temperature,
                    top_p=top_p,
                    top_k=top_k,
                    seeded=seeded,
                )
            return made[id(chosen)]

        first, second = model(lead, "lead"), model(subagent, "subagent")
        apart = first.engine is not second.engine
        several = apart or first.adapter != second.adapter
        self.models: Mapping[Role, tuple[AgentModel, str]] = {
            "lead": (first, "lead" if several else ""),
            "single": (first, "lead" if several else ""),
            "subagent": (second, "subagent" if several else ""),
        }
        """The model of each role, with its name in records. The name is "" if all roles use the same weights."""
        self.engines: Sequence[Engine] = [first.engine, second.engine][: 1 + apart]
        """All engines, without duplicates."""
        names = [f"{e.info.name}:{Path(e.info.model).name or e.info.model}" for e in self.engines]
        self.name = name or "+".join(names)
        self.current_episode: LLMEpisodePolicy | None = None
        """The policy of the episode that the last `reset` began. It has the records of that episode."""
        self._episode_tokens = episode_tokens
        self._answer_tokens = answer_tokens
        self._driver = driver
        self._meter = Meter()
        self.token_budget: TokenBudget | None = None
        """The budget that `limit_tokens` set."""
        self._opened = False
        self._summariser: EngineSummariser | None = None

    @property
    def summariser(self) -> EngineSummariser:
        """Summarises pages with the engine of the subagents, for games with ``summariser="engine"``."""
        if self._summariser is None:
            self._summariser = EngineSummariser(self.models["subagent"][0])
        return self._summariser

    @summariser.setter
    def summariser(self, summariser: EngineSummariser) -> None:
        self._summariser = summariser

    @property
    def records_tokens(self) -> bool:
        """Whether all engines return token ids, so that episodes can be used for training."""
        return all(model.template is not None for model, _ in self.models.values())

    @property
    def usage(self) -> Usage:
        """The usage of all turns so far. Retries and cost are included if the engines measure them.

        The requests and tokens of summaries are not included.
        """
        metered = [
            usage for engine in self.engines if isinstance(usage := getattr(engine, "usage", None), Usage)
        ]
        total = sum(metered, self._meter.total)
        summariser = self._summariser
        if summariser is None or not isinstance(getattr(summariser.engine, "usage", None), Usage):
            return total
        return total - summariser.usage

    def engines_of(self, roles: Collection[Role]) -> list[Engine]:
        """The engines of these roles, without duplicates."""
        chosen = {id(model.engine) for role, (model, _) in self.models.items() if role in roles}
        return [engine for engine in self.engines if id(engine) in chosen]

    def at(self, temperature: float) -> LLMPolicy:
        """A policy with the same engines and another sampling temperature."""
        lead, subagent = (self.models[role][0] for role in ("lead", "subagent"))
        return LLMPolicy(
            lead=lead.at(temperature),
            subagent=subagent.at(temperature),
            episode_tokens=self._episode_tokens,
            answer_tokens=self._answer_tokens,
            name=self.name,
            driver=self._driver,
        )

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The services that the engines use. Engines in this process use none."""
        return tuple(each for engine in self.engines for each in getattr(engine, "endpoints", ()))

    def limit_tokens(self, budget: TokenBudget) -> None:
        """Count the tokens of all services in `budget`. When it is used up, the engines raise `EngineError`."""
        self.token_budget = budget
        for engine in self.engines:
            if (limit := getattr(engine, "limit_tokens", None)) is not None:
                limit(budget)

    def episode_policy(self, seed: int) -> LLMEpisodePolicy:
        """The policy of one episode with this seed."""
        return LLMEpisodePolicy(
            self.models,
            seed,
            episode_tokens=self._episode_tokens,
            answer_tokens=self._answer_tokens,
            on_generation=self._count,
        )

    # --- in lock-step ---------------------------------------------------------------------------------------------

    def reset(self, seed: int) -> None:
        """Begin an episode with this seed."""
        self.current_episode = self.episode_policy(seed)

    def act(self, turns: Sequence[Turn]) -> list[Message]:
        """Generate the turns of all acting agents at the same time. Returns one message for each turn.

        Raises:
            EngineError: A turn could not be generated. The other turns are cancelled.
        """
        self._open()
        return background().run(self._act(turns))

    async def _act(self, turns: Sequence[Turn]) -> list[Message]:
        episode_policy = self.current_episode
        if episode_policy is None:
            raise ConfigError("call reset(seed) before the first act")
        await asyncio.gather(*(engine.start() for engine in self.engines))
        steps = [episode_policy.prepare(turn) for turn in turns]
        asks = [step for step in steps if isinstance(step, GenerationRequest)]
        generations = iter(await generate_all(asks))
        return [
            episode_policy.accept(turn, next(generations))
            if isinstance(step, GenerationRequest)
            else step.message
            for turn, step in zip(turns, steps, strict=True)
        ]

    # --- many episodes --------------------------------------------------------------------------------------------

    def run_jobs(self, game: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        """Run whole episodes, many at the same time. Yields each episode when it has ended."""
        for finished in self.rollouts(game, jobs):
            yield EpisodeResult(finished.job, finished.trajectory, finished.error)

    def rollouts(self, game: Game, jobs: Iterable[Job]) -> Iterator[Finished]:
        """Like `run_jobs`, but with the token ids of every episode."""
        options = self._driver
        if isinstance(options, Mapping):
            try:
                options = DriverOptions(**options)
            except TypeError as error:
                raise ConfigError(f"wrong options of the driver: {error}") from error
        self._open()
        yield from background().iterate(Driver(self, game, options=options).run(jobs))

    # --- beginning and end ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the engines. Calls that wait for an engine raise `EngineLostError`. A second call of `close` does
        nothing.
        """
        if not self._opened:
            return
        self._opened = False
        atexit.unregister(self.close)
        background().run(self._close())

    async def _close(self) -> None:
        for engine in self.engines:
            with suppress(WideSeekError):  # a lost engine may fail to close
                await engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        """Mark the policy as open, and call `close` at the interpreter's exit."""
        if not self._opened:
            background()  # created first, so that it ends after the engines
            atexit.register(self.close)
            self._opened = True

    def _count(self, engine: Engine, generation: Generation) -> None:
        if not isinstance(getattr(engine, "usage", None), Usage):
            prompt, completion = generation.prompt_tokens, generation.completion_tokens
            self._meter.add(Usage(requests=1, prompt_tokens=prompt, completion_tokens=completion))


async def generate_all(asks: Sequence[GenerationRequest]) -> list[Generation]:
    """Generate several turns at the same time. If one fails, the others are cancelled.

    Raises:
        EngineError: A turn failed. The error is that of the first such turn. Other exceptions of an engine become an
            `EngineError`.
    """
    tasks = [asyncio.ensure_future(_generate(ask)) for ask in asks]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _generate(ask: GenerationRequest) -> Generation:
    try:
        return await ask.engine.generate(ask.request)
    except WideSeekError:
        raise
    except Exception as error:
        raise EngineError(f"{ask.engine.info.name} failed: {type(error).__name__}: {error}"[:500]) from error
