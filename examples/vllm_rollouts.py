"""Generates groups of episodes with vLLM and records them for training.

python examples/vllm_rollouts.py MODEL_FOLDER [OUT.jsonl]
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import wideseek_env


def main(model: str, out: str, turn_tokens: int = 512) -> None:
    from wideseek_baselines.policies.factories import vllm_policy
    from wideseek_baselines.rollout.jobs import RolloutJob
    from wideseek_baselines.rollout.store import open_rollouts

    game = wideseek_env.GameConfig(
        tasks="synthetic:rows=6", profile="terse", rules="width-benchmark", width=4
    ).open()
    jobs = [
        RolloutJob(task, seed=seed, trial=seed, group=task.id, size=4)
        for task in game.tasks[:2]
        for seed in range(4)
    ]
    with (
        vllm_policy(model, turn_tokens=turn_tokens, enforce_eager=True) as policy,
        open_rollouts(out) as writer,
    ):
        for finished in policy.rollouts(game, jobs):
            if finished.rollout is not None:
                writer.write(finished.rollout)
            print(
                f"{finished.job.task.id}, seed {finished.job.seed}: {finished.error or finished.rollout.reward}"
            )
        print(f"{policy.usage.completion_tokens} tokens in {policy.usage.requests} turns")


if __name__ == "__main__":  # vLLM starts processes that import this file
    if find_spec("vllm") is None:
        print("needs vLLM: pip install -e 'baselines[vllm]'")
    elif len(sys.argv) > 1:
        main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "rollouts.jsonl")
    else:
        from wideseek_baselines.nano.build import make_nano

        with tempfile.TemporaryDirectory() as folder:
            nano = make_nano(Path(folder) / "nano", vocab=2048, worlds=4).folder
            main(str(nano), str(Path(folder) / "rollouts.jsonl"), turn_tokens=24)
