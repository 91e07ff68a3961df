"""Measures which share of the reusable prompt tokens a rollout reads from the prefix cache.

    python -m wideseek_baselines.nano /tmp/nano --context 8192
    python benchmarks/prefix_cache.py --model /tmp/nano [--episodes 64] [--width 4] [--block 32]

A prefix cache keeps the keys and values of earlier tokens, so that a prompt with the same beginning is read faster. A
turn's prompt repeats the conversation so far, and all conversations of a role begin with the same system prompt.

The reusable part of a prompt is its longest beginning of whole blocks that an earlier request put into the cache. The
blocks come from the prompt or the generated text of that request. The last token of a prompt is always computed. If two
prompts are sent at the same moment, each counts as reusable by the other. No engine can do that, so the share is always
below 1.

The rollout is that of ``driver_efficiency.py``: a language model with the asynchronous driver. The benchmark replaces
the messages of the model by those of the scripted team. So an untrained model also runs full games.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from driver_efficiency import GuidedTeam, a_game, make_policy

from wideseek_baselines.rollout.driver import Driver
from wideseek_baselines.rollout.options import DriverOptions
from wideseek_baselines.tokens.record import Rollout


class Reusable:
    """The blocks that a cache without a size limit would contain."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._blocks: set[int] = set()

    def prompt(self, ids: Sequence[int]) -> int:
        """The number of tokens of this prompt in blocks seen before."""
        hits = 0
        for known in (chain in self._blocks for chain in self._chains(ids[:-1])):
            if not known:
                break
            hits += 1
        return hits * self._block

    def add(self, ids: Sequence[int]) -> None:
        """Add the blocks of these ids."""
        self._blocks.update(self._chains(ids))

    def _chains(self, ids: Sequence[int]) -> Iterable[int]:
        """A hash for every whole block, together with everything before it."""
        chain = 0
        for start in range(0, len(ids) - self._block + 1, self._block):
            chain = hash((chain, *ids[start : start + self._block]))
            yield chain


def reusable_tokens(rollouts: Iterable[Rollout], block: int) -> tuple[int, int, int]:
    """The number of prompt tokens of all turns: all tokens, the reusable tokens and the cached tokens.

    The turns are taken in the order in which episodes ended.
    """
    cache = Reusable(block)
    prompts = reusable = cached = 0
    for rollout in rollouts:
        for agent in rollout.agents:
            for sequence in agent.sequences:
                for turn in sequence.turns:
                    prompt = sequence.ids[: turn.start]
                    prompts += len(prompt)
                    reusable += cache.prompt(prompt)
                    cached += turn.cached_tokens
                    cache.add(sequence.ids[: turn.stop])
    return prompts, reusable, cached


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the episodes and count."""
    from transformers import AutoTokenizer

    policy = make_policy(arguments)
    (engine,) = policy.engines
    team = GuidedTeam(policy, AutoTokenizer.from_pretrained(arguments.model), free=False)
    game, jobs = a_game(arguments.episodes, arguments.width)
    await engine.start()
    try:
        driver = Driver(team, game, options=DriverOptions(concurrency=arguments.concurrency))
        finished = [each async for each in driver.run(jobs)]
    finally:
        await engine.close()
    if errors := {each.error for each in finished if each.error}:
        raise SystemExit(f"episodes failed: {errors}")
    rollouts = [each.rollout for each in finished if each.rollout is not None]
    prompts, reusable, cached = reusable_tokens(rollouts, arguments.block)
    return {
        "engine": {"name": engine.info.name, **engine.info.versions, "kv_tokens": engine.info.kv_tokens},
        "episodes": len(rollouts),
        "turns": sum(len(agent.turns) for rollout in rollouts for agent in rollout.agents),
        "prompt tokens": prompts,
        "reusable": reusable,
        "cached": cached,
        "share of reusable": round(cached / reusable, 3),
        "share of all": round(cached / prompts, 3),
    }


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a model with its tokenizer")
    parser.add_argument("--engine", choices=["vllm"], default="vllm")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument(
        "--concurrency",
        type=int,
        default=None,
        help="episodes that run at the same time; default: as many as the cache has room for",
    )
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--block", type=int, default=32, help="tokens per block of the cache")
    parser.add_argument("--context", type=int, default=None)
    parser.add_argument("--turn-tokens", type=int, default=2048)
    parser.add_argument("--max-requests", type=int, default=None)
    parser.add_argument("--eager", action="store_true", help="start vLLM without compilation")
    print(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
