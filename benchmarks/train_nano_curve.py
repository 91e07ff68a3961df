"""Trains a small team on CPU cores to use its width: warm start from a timid expert, then reinforcement learning.

    pip install -e . -e 'baselines[vllm]'
    python benchmarks/train_nano_curve.py --out runs/nano-curve --algorithm grpo --seed 0

1. The program makes a nano model whose initial weights can copy (`wideseek_baselines.nano.copying`).
2. A scripted team, the expert, answers training tasks in many worlds, at several widths and sometimes as a single
   agent. If the width is small, the expert starts as many subagents as it may. If the width is large, it is timid:
   after each subagent it draws at random whether to start one more.
3. The model learns to write the expert's messages (warm start).
4. GRPO or PPO continues from there, with vLLM for the episodes. Every few steps the model is evaluated on held-out
   tasks. The model can discover what the expert did not show: more subagents at a large width give a better score.

The results of every stage are stored in `--out`. If you run the same command again, finished stages are skipped and an
interrupted stage resumes. At the end the program prints JSON: the held-out item-F1 of the warm start and of the trained
model by width, and the minutes of reinforcement learning. The settings are those of the preset `nano-cpu`. Arguments
`key=value` change them.

`--roles lead` or `--roles subagent` trains only one role. With `--weights frozen`, the other role keeps the weights of
the warm start. `--weights adapters` and `--weights separate` train weights for each role. `--single` trains the single
agent.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wideseek_baselines.nano import make_nano
from wideseek_baselines.nano.team import BriefTeam
from wideseek_baselines.train.config.loading import load_config, preset_file
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.ppo import PpoConfig, run_ppo
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.sft import SftConfig, run_sft
from wideseek_env.episode_run import run_episode
from wideseek_env.game import GameConfig
from wideseek_env.trajectory import TrajectoryWriter

EAGERNESS = 0.75
"""Probability with which the expert starts one more subagent at a large width."""
LARGE = 8
"""The smallest width at which the expert is timid. It uses the whole of a smaller one."""
WORLDS = 32
"""The number of worlds of the expert: that of the training tasks, and similar ones."""
GAMES: Sequence[dict[str, Any]] = (
    *({"width": width} for width in (2, 8, 6, 16, 1, 8, 4, 16, 7, 3, 5)),
    *({"team": False, "single_turns": turns} for turns in (8, 4, 6, 8)),
)
"""The forms of the game for the expert's tasks, in turn."""
PPO = ("tasks=32", "group=1", "mini_batch=32", "critic_optim.lr=1e-3", "kl.coefficient=0")
"""PPO's settings where they differ from the preset. The critic is the baseline, so each task gets one episode. One
optimiser step uses all episodes of a training step, to average out their noise.
"""


def main() -> None:
    """Run all stages, then print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of all stages")
    parser.add_argument("--algorithm", choices=("grpo", "ppo"), default="grpo")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of reinforcement learning; the warm start is the same for all seeds",
    )
    parser.add_argument(
        "--size", choices=("tiny", "small", "base"), default="small", help="size of the nano model"
    )
    parser.add_argument("--episodes", type=int, default=180, help="number of the expert's episodes per world")
    parser.add_argument("--warm-steps", type=int, default=1500, help="number of steps of the warm start")
    parser.add_argument("--roles", nargs="+", choices=("lead", "subagent"), default=["lead", "subagent"])
    parser.add_argument(
        "--weights",
        choices=("shared", "frozen", "adapters", "separate"),
        default="shared",
        help="which weights the roles have, as in roles.weights; adapters have rank 32 unless model.lora.rank is given",
    )
    parser.add_argument("--single", action="store_true", help="train the single agent instead of a team")
    parser.add_argument(
        "settings", nargs="*", help="key=value settings of reinforcement learning, such as optim.lr=2e-4"
    )
    arguments = parser.parse_args()
    roles = ["single"] if arguments.single else arguments.roles
    weights = [] if arguments.weights == "shared" else [arguments.weights]
    name = "-".join([arguments.algorithm, *roles, *weights, str(arguments.seed)])
    config = configure(arguments, roles, arguments.out / name)

    model = arguments.out / "nano"
    if not (model / "config.json").is_file():
        make_nano(model, size=arguments.size, copying=True)
    expert = record_expert(arguments.out / "expert.jsonl", config.game, arguments.episodes)
    warm = learn(expert, model, arguments.out / "warm", arguments.warm_steps)
    assert warm == Path(config.model.path)
    run: Any = run_grpo if arguments.algorithm == "grpo" else run_ppo
    run(config, on_step=lambda values: print(json.dumps(values), flush=True))
    print(json.dumps({"run": name, **curve(Path(config.out))}, indent=1))


def configure(arguments: argparse.Namespace, roles: Sequence[str], out: Path) -> RunConfig:
    """The settings of reinforcement learning."""
    kind: Any = GrpoConfig if arguments.algorithm == "grpo" else PpoConfig
    own = [
        f"model.path={arguments.out / 'warm' / 'model'}",
        f"out={out}",
        f"seed={arguments.seed}",
        f"selection.roles={json.dumps(roles)}",
        f"roles.weights={arguments.weights}",
        *(("model.lora.rank=32", "model.lora.alpha=32") if arguments.weights == "adapters" else ()),
        *(PPO if arguments.algorithm == "ppo" else ()),
        *(["game.team=false", "widths=[]", "evaluation.widths=[]"] if arguments.single else []),
    ]
    config: RunConfig = load_config(kind, None, [*own, *arguments.settings], preset=preset_file("nano-cpu"))
    return config


def record_expert(path: Path, game: GameConfig, episodes: int) -> Path:
    """Record trajectories of the expert on training tasks. Does nothing if the file exists."""
    if path.is_file():
        return path
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with TrajectoryWriter(unfinished) as writer:
        for seed in range(WORLDS):
            world = str(game.tasks).replace("synthetic:", f"synthetic:seed={seed},", 1)
            games = [expert_game(game, world, **changes).open() for changes in GAMES]
            for number, task in enumerate(games[0].tasks[:episodes]):
                played = games[number % len(games)]
                expert = BriefTeam(EAGERNESS if played.rules.width >= LARGE else 1.0)
                writer.write(run_episode(played, expert, task, seed=number).trajectory())
    unfinished.rename(path)
    return path


def expert_game(game: GameConfig, world: str, *, team: bool = True, **limits: int) -> GameConfig:
    """A game for the expert: the game of the training in another world, with some limits changed."""
    return game.replace(tasks=world, team=team, limits={**game.limits, **limits})


def learn(data: Path, model: Path, out: Path, steps: int) -> Path:
    """Train the model on the expert's messages. Resumes an interrupted run, and does nothing for a finished one."""
    told = out / "result.json"
    if told.is_file() and json.loads(told.read_text())["steps"] == steps:
        return out / "model"
    settings = [
        f"data={data}",
        f"model.path={model}",
        f"out={out}",
        f"max_steps={steps}",
        *("epochs=4", "batch_tokens=4096", "held_out=0.01", "evaluate_every=100", "patience=0"),
        "subagent_share=0.6",  # turns in which a lead reads several reports are harder to learn and less frequent
        *("model.device=cpu", "model.precision=float32"),
        *("optim.matrices=muon", "optim.lr=1e-3", "optim.lr_end=0.02", "optim.warmup=20"),
    ]
    result = run_sft(load_config(SftConfig, None, settings))
    record = json.dumps({"stage": out.name, "steps": result.steps, "held_out_loss": result.best_loss})
    told.write_text(record + "\n")
    print(record, flush=True)
    return result.model


def curve(folder: Path) -> dict[str, Any]:
    """Results in a run's log: held-out item-F1 by width after each evaluation, and the minutes of training steps."""
    records = read_log(folder / "metrics.jsonl")
    looks = [record for record in records if any(name.startswith("eval_") for name in record)]
    steps = [record for record in records if "reward" in record]
    names = [name for name in looks[0] if name.startswith("eval_item_f1")]
    seconds = sum(step["rollout_seconds"] + step["train_seconds"] + step["update_seconds"] for step in steps)
    return {
        "steps": len(steps),
        "minutes": round(seconds / 60, 1),
        "held_out": [{"step": look["step"], **{name: look[name] for name in names}} for look in looks],
        "reward_first": steps[0]["reward"],
        "reward_last": steps[-1]["reward"],
        "subagents_first": steps[0]["subagents"],
        "subagents_last": steps[-1]["subagents"],
    }


if __name__ == "__main__":
    # The engine runs in a separate process: exit normally, so that it ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main()
