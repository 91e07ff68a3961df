"""Plays thousands of random episodes through every shell. Memory must not grow, and no episode may be lost.

    python benchmarks/shells_soak.py [--episodes 10000] [--seed 0]

A fifth of the messages are malformed. The shells take turns: the PettingZoo environments (parallel and AEC), the
Gymnasium environment, the numeric vector, `wideseek serve agents` over HTTP, its MCP server, and the asynchronous
driver. The program prints a line after every twentieth of the episodes. The first fifth is the warm-up. Memory is read
after the caches of texts, which are bounded, have been emptied.

The exit code is 1 if one of these is found:

- A shell raised an error, or an HTTP answer has a status of 500 or more.
- An episode that a server or the driver ended has no record, or has two.
- Resident memory grew by more than 10 % from the end of the warm-up to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from driver_soak import memory
from mcp import Client
from starlette.testclient import TestClient

from wideseek_baselines.engines.simulated import Faults, LogNormal
from wideseek_baselines.policies.random import RandomPolicy
from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.rollout.simulation import SimulatedTeam
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.aec import OrderedAECEnv, WideSeekAECEnv
from wideseek_env.game import Game, GameConfig
from wideseek_env.parallel import WideSeekEnv
from wideseek_env.policy import Job, Turn
from wideseek_env.serve.agents import DeskSettings, EpisodeDesk, PolicyPool, create_agents_app, mcp_server
from wideseek_env.single import WideSeekSingleEnv
from wideseek_env.wrappers import Symbolic, SymbolicVec

WORLD = "synthetic:seed=3,pages=120,rows=3-6"
RULES = {"lead_turns": 3, "subagent_turns": 3, "single_turns": 4, "width": 2, "calls_per_turn": 2}
BLOCK = 20
"""Episodes that one shell plays before the next."""


class Soak:
    """The shells, and what they have done."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.config = GameConfig(tasks=WORLD, split="train", limit=20, rules=RULES)
        self.game: Game = self.config.open()
        self.folder = folder
        self.policy = RandomPolicy()
        self.played: Counter[str] = Counter()
        self.recorded: Counter[str] = Counter()
        self.number = seed * 1_000_000
        self._client: Any = None

    def shells(self) -> dict[str, Callable[[], None]]:
        """A function for each shell. It plays `BLOCK` episodes."""
        return {
            "parallel": self.parallel,
            "aec": self.aec,
            "gymnasium": self.gymnasium,
            "vector": self.vector,
            "http": self.http,
            "mcp": self.mcp,
            "driver": self.driver,
        }

    def _seeds(self) -> Iterator[int]:
        for _ in range(BLOCK):
            self.number += 1
            self.policy.reset(self.number)
            yield self.number

    def _say(self, turn: Turn) -> Any:
        (action,) = self.policy.act([turn])
        return action

    def parallel(self) -> None:
        """The PettingZoo parallel environment, with every second episode recorded as text."""
        env = WideSeekEnv(self.game)
        for seed in self._seeds():
            env.reset(seed=seed)
            while env.agents:
                run = env.episode_run
                env.step({agent: self._say(run.turn(agent)) for agent in env.acting_agents})
            env.trajectory().to_json().encode()
            self.played["parallel"] += 1
        env.close()

    def aec(self) -> None:
        """The PettingZoo AEC environment."""
        env: Any = OrderedAECEnv(WideSeekAECEnv(WideSeekEnv(self.game)))
        for seed in self._seeds():
            env.reset(seed=seed)
            for agent in env.agent_iter():
                _, _, ended, cut, _ = env.last()
                if ended or cut:
                    env.step(None)
                else:
                    env.step(self._say(env.unwrapped.parallel.episode_run.turn(agent)))
            self.played["aec"] += 1
        env.close()

    def gymnasium(self) -> None:
        """The Gymnasium environment of a single agent."""
        env = WideSeekSingleEnv(tasks=WORLD, split="train", limit=20, rules=RULES)
        for seed in self._seeds():
            env.reset(seed=seed)
            done = False
            while not done:
                _, _, ended, cut, _ = env.step(self._say(env.episode_run.turn("agent")))
                done = ended or cut
            self.played["gymnasium"] += 1
        env.close()

    def vector(self) -> None:
        """Numeric episodes in a batch, with random valid actions."""
        ended: list[int] = []
        vector = SymbolicVec(
            Symbolic(WideSeekEnv(self.config.replace(roster="fixed").open())),
            4,
            on_end=lambda run: ended.append(1),
        )
        dice = np.random.default_rng(self.number)
        observations, _ = vector.reset(seed=self.number)
        while len(ended) < BLOCK:
            mask = observations["action_mask"]
            chances = dice.random(mask.shape) * (mask + 1e-9)
            observations, *_ = vector.step(chances.argmax(-1))
        self.number += BLOCK
        vector.close()
        self.played["vector"] += len(ended)

    def http(self) -> None:
        """Episodes over HTTP: the single agent, as another program plays it."""
        out = self.folder / f"http-{self.number}.jsonl"
        desk = EpisodeDesk(self.game, policies=None, settings=DeskSettings(seat="single"), out=out)
        with TestClient(create_agents_app(desk), raise_server_exceptions=False) as client:
            for _ in self._seeds():
                state = _json(client.post("/v1/episodes", json={}))
                where = f"/v1/episodes/{state['id']}"
                while state["status"] == "open":
                    (turn,) = state["turns"]
                    said = self._say(
                        Turn(turn["agent"], turn["role"], turn["messages"][-1]["content"], turn["messages"],
                             turn["tools"], turn["turns_left"])
                    )  # fmt: skip
                    message = said if isinstance(said, dict) else {"role": "assistant", "content": said}
                    _json(client.post(f"{where}/messages", json={"agent": turn["agent"], "message": message}))
                    state = _json(client.get(where))
                self.played["http"] += 1
        self._count(out, "http")

    def mcp(self) -> None:
        """Episodes over MCP: random calls of the listed tools, then an answer."""
        out = self.folder / f"mcp-{self.number}.jsonl"

        def desk() -> EpisodeDesk:  # a process of the server has one client
            settings = DeskSettings(seat="lead")
            return EpisodeDesk(self.game, policies=PolicyPool("scripted"), settings=settings, out=out)

        async def play() -> None:
            for seed in self._seeds():
                async with Client(mcp_server(desk(), window=0.0)) as client:
                    tools = [tool.name for tool in (await client.list_tools()).tools]
                    dice = np.random.default_rng(seed)
                    for _ in range(int(dice.integers(0, 2))):
                        name = str(dice.choice(tools))
                        odd: Any = [
                            {},
                            {"subtasks": ["a \0", ""]},
                            {"text": 3},
                            {"subtasks": "x"},
                            {"query": []},
                        ]
                        await client.call_tool(name, odd[int(dice.integers(len(odd)))])
                    await client.call_tool("answer", {"text": "| a |\n|---|\n| b |"})
                self.played["mcp"] += 1

        asyncio.run(play())
        self._count(out, "mcp")

    def driver(self) -> None:
        """Episodes of the asynchronous driver behind a simulated engine that fails and writes malformed text."""
        faults = Faults(error=0.004, malformed=0.05, cut=0.05)
        team = SimulatedTeam(
            ScriptedPolicy(), takes="tokens", latency=LogNormal(0.001, 0.5), faults=faults, seed=self.number
        )
        jobs = [
            Job(self.game.tasks[seed % len(self.game.tasks)], seed=seed, trial=0) for seed in self._seeds()
        ]
        seen: Counter[int] = Counter()

        async def play() -> None:
            driver = Driver(team, self.game, options=DriverOptions(concurrency=10, retries=1))
            async for finished in driver.run(iter(jobs)):
                seen[finished.job.seed] += 1

        asyncio.run(play())
        self.played["driver"] += len(jobs)
        self.recorded["driver"] += sum(count == 1 for count in seen.values())

    def _count(self, out: Path, shell: str) -> None:
        self.recorded[shell] += sum(1 for line in out.open("rb") if json.loads(line)["outcome"])
        out.unlink()


def forget_texts() -> None:
    """Empty the caches of texts, which have up to 32,768 entries each, and collect garbage.

    Random episodes never repeat a cell, so these caches would grow during the whole run.
    """
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper) and (each.cache_info().maxsize or 0) > 1000:
            each.cache_clear()
    gc.collect()


def _json(answer: Any) -> Any:
    if answer.status_code >= 500:
        raise RuntimeError(f"status {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def soak(episodes: int, seed: int, quiet: bool = False) -> dict[str, Any]:
    """Run and check. Returns the metrics of the run, with the problems under "failures"."""
    began = time.perf_counter()
    curve: list[float] = []
    with tempfile.TemporaryDirectory(prefix="wideseek-soak-") as folder:
        run = Soak(Path(folder), seed)
        shells = run.shells()
        step = max(1, episodes // 20)
        while run.played.total() < episodes:
            for play in shells.values():
                play()
            if run.played.total() >= step * (len(curve) + 1):
                forget_texts()
                curve.append(round(memory(), 1))
                if not quiet:
                    seconds = time.perf_counter() - began
                    print(
                        f"{run.played.total():6d} episodes  {seconds:6.1f} s  {curve[-1]:7.1f} MiB",
                        flush=True,
                    )
    warm = curve[len(curve) // 5 :]
    growth = warm[-1] / warm[0] - 1 if len(warm) > 1 else 0.0
    lost = {name: run.played[name] - run.recorded[name] for name in ("http", "mcp", "driver")}
    failures = {f"records lost or doubled: {name}": count for name, count in lost.items() if count}
    if growth > 0.1:
        failures["memory grew"] = 1
    return {
        "episodes": run.played.total(),
        "seconds": round(time.perf_counter() - began, 1),
        "played": dict(run.played),
        "recorded": dict(run.recorded),
        "memory": curve,
        "memory growth": round(growth, 4),
        "failures": failures,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns the exit code: 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    figures = soak(given.episodes, given.seed)
    print(json.dumps(figures, indent=2))
    return 1 if figures["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
