"""Item-F1 of trained nano models at several widths of their team, and of a single agent with several numbers of turns.

    pip install -e '.[plot]' -e 'baselines[vllm]'
    python benchmarks/nano_width.py --out runs/nano-width --depth \
        warm=runs/nano-curve/warm/model grpo=runs/nano-curve/grpo-lead-subagent-0/model

The game is that of the preset `nano-cpu`, on test tasks that neither training nor its evaluations have used. The
program runs and prints a command `wideseek bench width` for each model. With `--depth` it also runs `wideseek bench
depth` for the first model, as a single agent.

Then it draws the teams in a figure against the width. With `--depth` it also draws teams and single agent in a figure
against the critical path. A report compares the models task by task. Ctrl-C keeps all finished results, and the same
command resumes.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from wideseek_baselines.train.config.loading import load_config, preset_file
from wideseek_baselines.train.grpo import GrpoConfig


def main() -> None:
    """Run all sweeps, then draw the figures and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER", help="models; the untrained model first")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the sweeps, the figures and the report"
    )
    parser.add_argument("--widths", default="1,2,4,8,16")
    parser.add_argument(
        "--turns", default="2,3,4,5,6,7,8", help="numbers of turns of the single agent, with --depth"
    )
    parser.add_argument("--depth", action="store_true", help="also run the first model as a single agent")
    parser.add_argument("--limit", default="48", help="number of test tasks, the same for all models")
    arguments = parser.parse_args()
    models = dict(model.partition("=")[::2] for model in arguments.models)
    if len(models) < len(arguments.models) or not all(name and folder for name, folder in models.items()):
        parser.error("give models as NAME=FOLDER, with different names")
    sweeps = {
        f"{name} team": ("width", "--widths", arguments.widths, model) for name, model in models.items()
    }
    if arguments.depth:
        first = next(iter(models))
        sweeps[f"{first} single"] = ("depth", "--turns", arguments.turns, models[first])
    folders = {}
    for name, (kind, option, sizes, model) in sweeps.items():
        folders[name] = str(arguments.out / name.replace(" ", "-"))
        wideseek(
            *("bench", kind, option, sizes, "--model", model, "--out", folders[name]),
            *("--limit", arguments.limit, *game()),
        )
    teams = {name: folder for name, folder in folders.items() if sweeps[name][0] == "width"}
    plot(teams, arguments.out / "nano-width")
    if arguments.depth:  # results at widths and at numbers of turns can only be drawn together against a cost
        plot(folders, arguments.out / "nano-depth", "--x", "critical-path")
    wideseek("bench", "report", *folders.values(), "-o", str(arguments.out / "report.html"))


def plot(folders: Mapping[str, str], out: Path, *options: str) -> None:
    """Draw sweeps in one figure, as SVG and PNG. `folders` has their folders by name."""
    names = [part for name in folders for part in ("--name", name)]
    drawn = [part for ending in ("svg", "png") for part in ("--out", f"{out}.{ending}")]
    wideseek("bench", "plot", *folders.values(), *names, *options, *drawn)


def game() -> Iterator[str]:
    """The options of `wideseek bench` for the preset's game and engine."""
    config = load_config(GrpoConfig, None, ["model.path=any", "out=any"], preset=preset_file("nano-cpu"))
    yield from ("--tasks", config.game.tasks, "--split", "test", "--profile", config.game.profile)
    for condition in config.game.where:
        yield from ("--where", condition)
    yield from ("--rules", config.game.rules)
    for name, value in config.game.limits.items():
        if name != "width":
            yield from ("--rule", f"{name}={value}")
    yield from ("--policy", config.engine.kind)
    for name in ("turn_tokens", "temperature", "context", "dtype", "kv_bytes"):
        yield from ("--policy-arg", f"{name}={getattr(config.engine, name)}")


def wideseek(*arguments: str) -> None:
    """Print and run one command.

    Raises:
        SystemExit: The command failed.
    """
    print(shlex.join(["wideseek", *arguments]), flush=True)
    done = subprocess.run([sys.executable, "-m", "wideseek_env.cli", *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
