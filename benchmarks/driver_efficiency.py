"""Compares the generated tokens per second of whole rollouts with those of the bare engine on the same requests.

    python -m wideseek_baselines.nano /tmp/nano --context 8192
    python benchmarks/driver_efficiency.py --model /tmp/nano [--engine vllm] [--episodes 64] [--width 4] [--repeats 1]

The rollouts are those of a language-model policy, including tools and scoring. An untrained model cannot finish a game.
So the benchmark substitutes the scripted team's messages: the engine generates as many tokens as the message has, and
the message's ids replace them. With ``--free`` the model writes its messages.

The benchmark records every request. Then the bare engine gets the same prompts with the same lengths, all at once, so
the engine never waits. Before each measurement the weights are loaded again, which clears the engine's caches. The two
measurements alternate. The result has the best value of each measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wideseek_baselines.agents.base import EpisodePolicy, FixedReply, GenerationRequest
from wideseek_baselines.engines.base import Engine, Generation, Request, Sampling
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_baselines.tokens.record import AgentRecord
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import Message
from wideseek_env.policy import Job, Turn
from wideseek_env.tasks.synthetic import synthetic_tasks

Noted = list[tuple[Request, int]]
"""Requests, each with the number of tokens that were generated for it."""


class GuidedTeam:
    """A language-model policy that records its requests.

    Unless `free` is set, its messages are those of the scripted team.
    """

    def __init__(self, inner: LLMPolicy, tokenizer: Any, free: bool) -> None:
        self.inner = inner
        self.name = inner.name
        self.records_tokens = True
        self.noted: Noted = []
        self._tokenizer = tokenizer
        self._free = free

    @property
    def engines(self) -> Sequence[Engine]:
        """The engines of the policy."""
        return self.inner.engines

    def episode_policy(self, seed: int) -> GuidedMind:
        """The episode policy for one episode."""
        return GuidedMind(self.inner.episode_policy(seed), self)

    def script(self, turn: Turn, sampling: Sampling) -> list[int] | None:
        """The ids of the scripted message for this turn, or None if the model writes it."""
        if self._free:
            return None
        (action,) = ScriptedPolicy(context=12_000).act([turn])
        ids = self._tokenizer(action, add_special_tokens=False)["input_ids"]
        return [*ids[: sampling.max_tokens - 1], sampling.stop_ids[0]]


class GuidedMind:
    """The episode policy of `GuidedTeam`, around that of the language-model policy."""

    def __init__(self, inner: EpisodePolicy, team: GuidedTeam) -> None:
        self._inner = inner
        self._team = team
        self._asked: dict[int, tuple[GenerationRequest, list[int] | None]] = {}

    def prepare(self, turn: Turn) -> GenerationRequest | FixedReply:
        """Prepare the request of a turn, with the length of the scripted message."""
        step = self._inner.prepare(turn)
        if isinstance(step, FixedReply):
            return step
        ids = self._team.script(turn, step.request.sampling)
        if ids is not None:
            step = dataclasses.replace(step, request=exactly(step.request, len(ids)))
        self._asked[turn.conversation] = step, ids
        return step

    def accept(self, turn: Turn, generation: Generation) -> Message:
        """Record the request, and replace the generated ids by those of the scripted message."""
        step, ids = self._asked.pop(turn.conversation)
        self._team.noted.append((step.request, generation.completion_tokens))
        if ids is not None:
            generation = dataclasses.replace(generation, ids=ids, finish_reason="stop")
        return self._inner.accept(turn, generation)

    def timed(self, conversation: int, turn: int, **times: Any) -> None:
        """Record the times of a turn."""
        self._inner.timed(conversation, turn, **times)

    def records(self, endings: Sequence[tuple[str, str, str]]) -> list[AgentRecord]:
        """The token records of all conversations."""
        return self._inner.records(endings)


def exactly(request: Request, tokens: int) -> Request:
    """The same request, changed so that the engine generates exactly `tokens` tokens."""
    return dataclasses.replace(
        request, sampling=dataclasses.replace(request.sampling, max_tokens=tokens, stop_ids=())
    )


def a_game(episodes: int, width: int) -> tuple[Game, list[Job]]:
    """A game in a synthetic world with small limits, and jobs in it."""
    world = SyntheticWorld.from_spec("synthetic:seed=11,pages=900,rows=6-8")
    game = GameConfig(
        tasks=synthetic_tasks(world, "train", 32),
        corpus=world.corpus(),
        rules="width-benchmark",
        width=width,
        profile="terse",
    ).open()
    return game, [Job(game.tasks[n % len(game.tasks)], seed=n) for n in range(episodes)]


def make_policy(arguments: argparse.Namespace) -> LLMPolicy:
    """The policy with the chosen engine."""
    from wideseek_baselines.policies import factories

    common = {"context": arguments.context, "turn_tokens": arguments.turn_tokens}
    if arguments.engine == "vllm":
        return factories.vllm_policy(
            arguments.model,
            max_requests=arguments.max_requests,
            dtype=arguments.dtype,
            enforce_eager=arguments.eager,
            engine_options={"block_size": arguments.block},
            **common,
        )
    return factories.transformers_policy(
        arguments.model, max_requests=arguments.max_requests or 16, dtype=arguments.dtype, **common
    )


async def rollout(team: GuidedTeam, game: Game, jobs: Sequence[Job], concurrency: int) -> dict[str, Any]:
    """Run all jobs. Returns seconds, tokens and the recorded requests."""
    team.noted = []
    driver = Driver(team, game, options=DriverOptions(concurrency=concurrency))
    began, work = time.perf_counter(), time.process_time()
    finished = [each async for each in driver.run(jobs)]
    seconds, work = time.perf_counter() - began, time.process_time() - work
    if errors := {each.error for each in finished if each.error}:
        raise SystemExit(f"episodes failed: {errors}")
    trajectories = [each.trajectory for each in finished if each.trajectory is not None]
    tokens = sum(count for _, count in team.noted)
    if tokens != sum(each.rollout.tokens for each in finished if each.rollout is not None):
        raise SystemExit("the tokens in the rollouts differ from the generated ones")
    cached = sum(each.meta["usage"]["cached_tokens"] for each in trajectories)
    return {
        "seconds": seconds,
        "tokens": tokens,
        "requests": len(team.noted),
        "prompt tokens": sum(len(request.ids) for request, _ in team.noted),
        "cached tokens": cached,
        "driver's work": work,
        "subagents": sum(each.outcome["subagents"] for each in trajectories),
        "item-F1": sum(each.score.f1_by_item for each in trajectories) / len(trajectories),
    }


async def bare(engine: Engine, noted: Noted) -> dict[str, Any]:
    """Run the same requests on the bare engine, all at once."""
    requests = [
        dataclasses.replace(exactly(request, count), id=f"bare-{number}", priority=0)
        for number, (request, count) in enumerate(noted)
    ]
    began = time.perf_counter()
    generations = await asyncio.gather(*(engine.generate(request) for request in requests))
    return {
        "seconds": time.perf_counter() - began,
        "tokens": sum(generation.completion_tokens for generation in generations),
        "cached tokens": sum(generation.cached_tokens for generation in generations),
    }


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run both measurements alternately."""
    from transformers import AutoTokenizer

    policy = make_policy(arguments)
    (engine,) = policy.engines
    team = GuidedTeam(policy, AutoTokenizer.from_pretrained(arguments.model), arguments.free)
    game, jobs = a_game(arguments.episodes, arguments.width)
    await engine.start()
    try:
        warm = Sampling(max_tokens=16)
        dice = random.Random(0)
        prompts = [[dice.randrange(100) for _ in range(200)] for _ in range(64)]
        await asyncio.gather(
            *(engine.generate(Request(f"warm-{n}", warm, ids=ids)) for n, ids in enumerate(prompts))
        )
        versions = itertools.count(1)
        rollouts, bares = [], []
        for _ in range(arguments.repeats):
            await engine.update_weights(Path(arguments.model), next(versions))
            rollouts.append(await rollout(team, game, jobs, arguments.concurrency or arguments.episodes))
            await engine.update_weights(Path(arguments.model), next(versions))
            bares.append(await bare(engine, team.noted))
            if bares[-1]["tokens"] != rollouts[-1]["tokens"]:
                raise SystemExit("the bare engine generated a different number of tokens")
    finally:
        await engine.close()
    ours = max(rollouts, key=lambda each: each["tokens"] / each["seconds"])
    theirs = max(bares, key=lambda each: each["tokens"] / each["seconds"])
    speeds = [each["tokens"] / each["seconds"] for each in (ours, theirs)]
    return {
        "model": Path(arguments.model).name,
        "engine": {
            "name": engine.info.name,
            **engine.info.versions,
            "max_requests": engine.info.max_requests,
        },
        "episodes": arguments.episodes,
        "rollout": _rounded(ours),
        "bare engine": _rounded(theirs),
        "tokens/s": {"rollout": round(speeds[0], 1), "bare engine": round(speeds[1], 1)},
        "share": round(speeds[0] / speeds[1], 3),
    }


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a model with its tokenizer")
    parser.add_argument("--engine", choices=["vllm", "transformers"], default="vllm")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument(
        "--concurrency", type=int, default=None, help="episodes that run at the same time; default: all"
    )
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--context", type=int, default=None)
    parser.add_argument("--turn-tokens", type=int, default=2048)
    parser.add_argument("--max-requests", type=int, default=None)
    parser.add_argument("--block", type=int, default=32, help="tokens per block of vLLM's cache")
    parser.add_argument("--eager", action="store_true", help="start vLLM without compilation")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--free", action="store_true", help="let the model write its messages")
    print(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
