"""Compares the episodes per second of the asynchronous driver and of two lock-step drivers on the same episodes.

    python benchmarks/driver_vs_lockstep.py [--episodes 96] [--concurrency 32] [--width 8] [--mean 1.0]
        [--sigmas 0.4,0.8,1.2] [--max-requests N] [--clock virtual|real]

- *lock-step, all*: in one step every acting agent of all running episodes takes one turn. Then all their tools run as
  one batch. When an episode ends, the next episode begins at the next step.
- *lock-step, each*: each episode steps separately (all its acting agents, then their tools). The same number of
  episodes run at the same time.
- *asynchronous*: `wideseek_baselines.rollout.driver.Driver`.

The scripted team acts in a synthetic world behind a simulated engine. The times of its generations are log-normal and
depend only on the request, so all three drivers get the same times. With the virtual clock (the default) only these
times count, and the results are exact. With the real clock, the work of drivers and tools counts too. The benchmark
checks that all rewards are equal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from wideseek_baselines.agents.base import EpisodePolicy, GenerationRequest
from wideseek_baselines.engines.base import Generation
from wideseek_baselines.engines.simulated import LogNormal
from wideseek_baselines.engines.virtual_time import VirtualLoop
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.rollout.simulation import SimulatedTeam
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.corpus.synthetic import SyntheticWorld
from wideseek_env.episode_run import EpisodeRun
from wideseek_env.game import Game, GameConfig
from wideseek_env.messages import Message, ToolCall
from wideseek_env.policy import Job, Turn
from wideseek_env.tasks.synthetic import synthetic_tasks

Rewards = dict[int, float]


async def generate(episode_policy: EpisodePolicy, turn: Turn) -> Message:
    """Generate one turn of one agent."""
    step = episode_policy.prepare(turn)
    if not isinstance(step, GenerationRequest):
        return step.message
    generation: Generation = await step.engine.generate(step.request)
    return episode_policy.accept(turn, generation)


async def lockstep_all(policy: SimulatedTeam, game: Game, jobs: Sequence[Job], concurrency: int) -> Rewards:
    """Lock-step driver: every acting agent of every running episode takes one turn, then all tools run."""
    loop = asyncio.get_running_loop()
    waiting, rewards = list(reversed(jobs)), {}
    running: list[tuple[Job, EpisodeRun, EpisodePolicy]] = []
    while waiting or running:
        while waiting and len(running) < concurrency:
            job = waiting.pop()
            running.append((job, EpisodeRun(game, job.task, job.seed), policy.episode_policy(job.seed)))
        turns = [
            (play, episode_policy, play.turn(agent))
            for _, play, episode_policy in running
            for agent in play.episode.ready()
        ]
        messages = await asyncio.gather(
            *(generate(episode_policy, turn) for _, episode_policy, turn in turns)
        )
        calls: list[tuple[EpisodeRun, ToolCall]] = []
        for (play, _, turn), message in zip(turns, messages, strict=True):
            calls += [(play, call) for call in play.act(turn.agent, message)]
        if calls:
            results = await loop.run_in_executor(None, game.executor.run, [call for _, call in calls])
            for (play, call), result in zip(calls, results, strict=True):
                play.deliver(call, result)
        for job, play, _ in running:
            if play.done:
                play.finish()
                rewards[job.seed] = play.reward
        running = [each for each in running if not each[1].done]
    return rewards


async def lockstep_each(policy: SimulatedTeam, game: Game, jobs: Sequence[Job], concurrency: int) -> Rewards:
    """Lock-step driver in which each of the running episodes steps separately."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(concurrency)
    rewards: Rewards = {}

    async def one(job: Job) -> None:
        async with room:
            play, episode_policy = EpisodeRun(game, job.task, job.seed), policy.episode_policy(job.seed)
            while not play.done:
                turns = [play.turn(agent) for agent in play.episode.ready()]
                messages = await asyncio.gather(*(generate(episode_policy, turn) for turn in turns))
                actions = {turn.agent: message for turn, message in zip(turns, messages, strict=True)}
                await loop.run_in_executor(None, play.step, actions)
            rewards[job.seed] = play.reward

    await asyncio.gather(*(one(job) for job in jobs))
    return rewards


async def asynchronous(policy: SimulatedTeam, game: Game, jobs: Sequence[Job], concurrency: int) -> Rewards:
    """The asynchronous driver."""
    driver = Driver(policy, game, options=DriverOptions(concurrency=concurrency))
    return {f.job.seed: f.trajectory.reward async for f in driver.run(jobs) if f.trajectory is not None}


Player = Callable[[SimulatedTeam, Game, Sequence[Job], int], Awaitable[Rewards]]
PLAYERS: dict[str, Player] = {
    "lock-step, all": lockstep_all,
    "lock-step, each": lockstep_each,
    "asynchronous": asynchronous,
}


def measure(
    player: Player, game: Game, jobs: Sequence[Job], sigma: float, arguments: argparse.Namespace
) -> tuple[float, float, Rewards]:
    """Measure one driver. Returns seconds of the clock, CPU seconds of this process, and the rewards."""
    loop = VirtualLoop() if arguments.clock == "virtual" else asyncio.new_event_loop()
    try:
        policy = SimulatedTeam(
            ScriptedPolicy(),
            latency=LogNormal(arguments.mean, sigma),
            max_requests=arguments.max_requests,
        )

        async def main() -> tuple[float, Rewards]:
            await policy.engine.start()
            began = loop.time()
            rewards = await player(policy, game, jobs, arguments.concurrency)
            return loop.time() - began, rewards

        work = time.process_time()
        seconds, rewards = loop.run_until_complete(main())
        return seconds, time.process_time() - work, rewards
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def compare(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare the drivers. Returns one row of results per sigma."""
    world = SyntheticWorld.from_spec("synthetic:seed=11,pages=900,rows=20-30")
    tasks = synthetic_tasks(world, "train", min(arguments.episodes, 24))
    game = GameConfig(
        tasks=tasks, corpus=world.corpus(), rules="width-benchmark", width=arguments.width
    ).open()
    jobs = [Job(game.tasks[n % len(game.tasks)], seed=n) for n in range(arguments.episodes)]
    rows = []
    for sigma in map(float, arguments.sigmas.split(",")):
        row: dict[str, Any] = {"sigma": sigma}
        rewards: list[Rewards] = []
        for name, player in PLAYERS.items():
            seconds, work, paid = measure(player, game, jobs, sigma, arguments)
            rewards.append(paid)
            row[name] = {
                "seconds": round(seconds, 2),
                "episodes/s": round(len(jobs) / seconds, 4),
                "work": round(work, 2),
            }
        if any(paid != rewards[0] or len(paid) != len(jobs) for paid in rewards):
            raise SystemExit("the drivers gave different rewards")
        for name in list(PLAYERS)[:2]:
            row[f"speed-up over {name}"] = round(row[name]["seconds"] / row["asynchronous"]["seconds"], 2)
        rows.append(row)
    return rows


def main() -> None:
    """Print one line of JSON per sigma."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=96)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--mean", type=float, default=1.0, help="mean seconds of a generation")
    parser.add_argument(
        "--sigmas",
        default="0.4,0.8,1.2",
        help="standard deviations of the logarithm of these seconds, with commas",
    )
    parser.add_argument(
        "--max-requests",
        type=int,
        default=None,
        help="largest number of requests that the engine processes at the same time",
    )
    parser.add_argument("--clock", choices=["virtual", "real"], default="virtual")
    for row in compare(parser.parse_args()):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
