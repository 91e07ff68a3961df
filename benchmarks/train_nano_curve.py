"""Does a small team learn to use its width? Warm start from a timid expert, then reinforcement, on processor cores.

    pip install 'wideseek-baselines[vllm]'
    python benchmarks/train_nano_curve.py --out runs/nano-curve --algorithm grpo --seed 0

1. A nano model is made.
2. The scripted team plays training tasks with at most two subagents a delegation, although the rules allow eight.
3. The model learns to write what that team wrote (supervised warm start).
4. GRPO or PPO goes on from there, with vLLM for the episodes; every few steps the model plays held-out tasks at several
   widths. What it could find and the expert did not show is that more subagents cover more rows.

Every stage is kept in `--out` and not done again by the same command; an interrupted run goes on. At the end the
held-out item-F1 of the warm start and of the trained model are printed by width as JSON, with the hours that the
reinforcement took. `--roles lead` or `--roles subagent` trains one role alone, `--single` the single agent.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from wideseek_baselines.nano import make_nano
from wideseek_baselines.scripted import ScriptedPolicy
from wideseek_baselines.train.config import load_config
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.log import read_log
from wideseek_baselines.train.players import game_arguments
from wideseek_baselines.train.ppo import PpoConfig, run_ppo
from wideseek_baselines.train.presets import preset_file
from wideseek_baselines.train.reinforce import GameOptions
from wideseek_baselines.train.sft import SftConfig, run_sft
from wideseek_env.runner import play_episode
from wideseek_env.setup import Setup
from wideseek_env.trajectory import TrajectoryWriter

TIMID = 2
"""Subagents that the expert starts at once at most."""


def main() -> None:
    """All stages, then the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of all stages")
    parser.add_argument("--algorithm", choices=("grpo", "ppo"), default="grpo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", choices=("tiny", "small", "base"), default="tiny", help="of the nano model")
    parser.add_argument("--episodes", type=int, default=400, help="of the expert")
    parser.add_argument("--epochs", type=int, default=6, help="of the warm start")
    parser.add_argument("--steps", type=int, default=100, help="of reinforcement")
    parser.add_argument("--roles", nargs="+", default=["lead", "subagent"])
    parser.add_argument("--single", action="store_true", help="the single agent instead of a team")
    parser.add_argument("settings", nargs="*", help="key=value for the reinforcement, such as optim.lr=2e-4")
    arguments = parser.parse_args()
    team = not arguments.single
    model = arguments.out / "nano"
    if not (model / "config.json").is_file():
        make_nano(model, size=arguments.size, seed=arguments.seed)
    kind: Any = GrpoConfig if arguments.algorithm == "grpo" else PpoConfig
    name = "-".join([arguments.algorithm, *(arguments.roles if team else ["single"]), str(arguments.seed)])
    config = load_config(
        kind,
        None,
        [
            f"model.path={arguments.out / ('sft' if team else 'sft-single') / 'model'}",
            f"out={arguments.out / name}",
            f"steps={arguments.steps}",
            f"seed={arguments.seed}",
            f"game.team={str(team).lower()}",
            f"selection.roles={json.dumps(arguments.roles if team else ['single'])}",
            *([] if team else ["evaluation.widths=[]"]),
            *arguments.settings,
        ],
        preset=preset_file("nano-cpu"),
    )
    expert = record_expert(
        arguments.out / f"{'expert' if team else 'single'}.jsonl", config.game, arguments.episodes
    )
    warm = warm_start(expert, model, Path(config.model.path).parent, arguments.epochs, arguments.seed)
    run = run_grpo if arguments.algorithm == "grpo" else run_ppo
    run(config, report=lambda values: print(json.dumps(values), flush=True))
    print(json.dumps({"run": name, "warm_start": warm, **curve(Path(config.out))}, indent=1))


def record_expert(path: Path, game: GameOptions, episodes: int) -> Path:
    """Trajectories of the timid scripted team on training tasks; recorded once."""
    if path.is_file():
        return path
    setup = Setup.resolve(**game_arguments(game))
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with TrajectoryWriter(unfinished) as writer:
        for number, task in enumerate(setup.tasks[:episodes]):
            writer.write(
                play_episode(setup, ScriptedPolicy(delegate_limit=TIMID), task, seed=number).trajectory()
            )
    unfinished.rename(path)
    return path


def warm_start(data: Path, model: Path, out: Path, epochs: int, seed: int) -> dict[str, Any]:
    """Train on the expert's episodes; goes on where it was, and does nothing when it is done."""
    settings = [
        f"data={data}",
        f"model.path={model}",
        f"out={out}",
        f"epochs={epochs}",
        f"seed={seed}",
        *("model.device=cpu", "optim.lr=2e-3", "optim.warmup=10", "batch_tokens=16384", "max_tokens=4096"),
    ]
    result = run_sft(load_config(SftConfig, None, settings))
    return {"steps": result.steps, "first_loss": result.first_loss, "best_loss": result.best_loss}


def curve(folder: Path) -> dict[str, Any]:
    """What a run's log says: held-out item-F1 by width, before and after, and the hours between."""
    records = read_log(folder / "metrics.jsonl")
    looks = [record for record in records if any(name.startswith("eval_") for name in record)]
    steps = [record for record in records if "reward" in record]
    names = [name for name in looks[0] if name.startswith("eval_item_f1")]
    seconds = sum(step["rollout_seconds"] + step["train_seconds"] + step["update_seconds"] for step in steps)
    return {
        "steps": len(steps),
        "hours": round(seconds / 3600, 3),
        "held_out": [{"step": look["step"], **{name: look[name] for name in names}} for look in looks],
        "reward_first": steps[0]["reward"],
        "reward_last": steps[-1]["reward"],
        "subagents_first": steps[0]["subagents"],
        "subagents_last": steps[-1]["subagents"],
    }


if __name__ == "__main__":
    main()
