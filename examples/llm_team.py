"""A language model answers one task: `python examples/llm_team.py MODEL_FOLDER`.

Without a folder, the program uses an untrained tiny model.
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import wideseek_env
from wideseek_env.episode_run import run_episode


def main(model: str, turn_tokens: int = 512) -> None:
    from wideseek_baselines.policies.factories import transformers_policy

    game = wideseek_env.GameConfig(tasks="synthetic:rows=6", profile="terse", rules="width-benchmark").open()
    with transformers_policy(model, turn_tokens=turn_tokens) as policy:
        play = run_episode(game, policy, game.tasks[0], seed=1)
        print(f"{policy.usage.completion_tokens} tokens in {policy.usage.requests} turns")
    for conversation in play.episode.conversations:
        print(f"{conversation.agent}: {conversation.turns} turns, {conversation.ending}")
    print(f"item-F1 {play.reward:.3f}")


if __name__ == "__main__":
    missing = [name for name in ("torch", "transformers", "jinja2") if find_spec(name) is None]
    if missing:
        print(f"needs {', '.join(missing)}: pip install -e 'baselines[transformers]'")
    elif len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        from wideseek_baselines.nano.build import make_nano

        with tempfile.TemporaryDirectory() as folder:
            main(str(make_nano(Path(folder) / "nano", vocab=2048, worlds=4).folder), turn_tokens=24)
