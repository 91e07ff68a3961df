"""Records episodes of a timid scripted team: it starts at most two subagents at once, although the rules allow eight.

    python benchmarks/gpu/record_experts.py OUT.jsonl --tasks synthetic:rows=16-24,columns=2,hops=1 --episodes 300

A model that learns from these episodes does not know that more subagents cover more rows. Reinforcement learning has to
discover that. The file is created when all episodes are recorded. The program prints the mean item-F1 as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_env.episode_run import run_episode
from wideseek_env.game import GameConfig
from wideseek_env.rules import Rules
from wideseek_env.trajectory import TrajectoryWriter

AT_ONCE = 2


def main() -> None:
    """Run the episodes and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tasks", required=True)
    parser.add_argument("--episodes", type=int, required=True)
    parser.add_argument("--width", type=int, default=8)
    arguments = parser.parse_args()
    game = GameConfig(
        tasks=arguments.tasks,
        split="train",
        rules=Rules.preset("width-benchmark", width=arguments.width),
        profile="terse",
    ).open()
    unfinished = arguments.out.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    scores = []
    with TrajectoryWriter(unfinished) as writer:
        for number, task in enumerate(game.tasks[: arguments.episodes]):
            play = run_episode(game, ScriptedPolicy(delegate_limit=AT_ONCE), task, seed=number)
            trajectory = play.trajectory()
            writer.write(trajectory)
            scores.append(trajectory.score.f1_by_item)
    unfinished.rename(arguments.out)
    print(json.dumps({"episodes": len(scores), "item_f1": round(sum(scores) / len(scores), 4)}))


if __name__ == "__main__":
    main()
