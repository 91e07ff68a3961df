"""Trains whole teams with TRL's GRPOTrainer: `python examples/adapters/trl_grpo.py MODEL_FOLDER [STEPS]`.

Without a model, the program takes two training steps with an untrained tiny model on the CPU.
"""

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path


def main(model: str, out: str, steps: int, turn_tokens: int = 512, teams: int = 4, **options) -> None:
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # rollout_func may change between versions of TRL
    from trl import GRPOConfig, GRPOTrainer

    from wideseek_baselines.adapters.trl_rollouts import TeamRollouts, team_reward
    from wideseek_env import GameConfig

    game = GameConfig(
        tasks="synthetic:pages=900,rows=4-6", profile="terse", rules="width-benchmark", width=2
    ).open()
    rollouts = TeamRollouts(game, turn_tokens=turn_tokens)
    rows = teams * rollouts.sequences
    args = GRPOConfig(
        output_dir=out,
        num_generations=rows,
        per_device_train_batch_size=rows,
        max_steps=steps,
        loss_type="grpo",
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        **options,
    )
    trainer = GRPOTrainer(
        model, team_reward, args=args, train_dataset=rollouts.dataset(), rollout_func=rollouts
    )
    trainer.train()
    for entry in trainer.state.log_history:
        if "reward" in entry:
            print(
                f"reward {entry['reward']:.3f}, subagents {entry['team/subagents']:.1f}, "
                f"answered {entry['team/answered']:.2f}, loss {entry['loss']:.4f}"
            )


if __name__ == "__main__":
    missing = [name for name in ("trl", "torch", "transformers") if find_spec(name) is None]
    if missing:
        print(f"needs {', '.join(missing)}: pip install -e 'baselines[trl]'")
    elif len(sys.argv) > 1:
        main(sys.argv[1], "trl-out", int(sys.argv[2]) if len(sys.argv) > 2 else 100)
    else:
        from wideseek_baselines.nano.build import make_nano

        with tempfile.TemporaryDirectory() as folder:
            nano = make_nano(Path(folder) / "nano", vocab=2048, worlds=4).folder
            main(str(nano), folder, steps=2, turn_tokens=8, teams=2, use_cpu=True, bf16=False)
