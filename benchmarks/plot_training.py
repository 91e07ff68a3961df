"""Draws learning curves: held-out item-F1 of training runs by minutes, one line for each kind of run.

    python benchmarks/plot_training.py runs/nano-curve/{grpo,ppo}-lead-subagent-{0,1,2} --out docs/images/nano-learning

Runs whose folders differ only in the last number (their seed) are one line. The line shows their mean, and a band
from the lowest to the highest run. Minutes are those of rollouts and training, without evaluations. The program writes
SVG, PNG and the numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wideseek_baselines.train.reporting.log import read_log
from wideseek_env.evaluation.drawing import COLUMN, picture, stroke

SPENT = ("rollout_seconds", "train_seconds", "update_seconds")


def main() -> None:
    """Read the runs, draw them, and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of training runs")
    parser.add_argument("--out", type=Path, required=True, help="files to write, without suffix")
    parser.add_argument(
        "--figure", default="eval_item_f1@8", help="metric to draw, by its name in metrics.jsonl"
    )
    arguments = parser.parse_args()
    groups: dict[str, list[list[dict[str, float]]]] = {}
    for run in arguments.runs:
        name = re.sub(r"-\d+$", "", run.name)
        groups.setdefault(name, []).append(looks(run / "metrics.jsonl", arguments.figure))
    numbers = {name: summed_up(runs) for name, runs in groups.items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    drawn = picture(COLUMN, 2.3 + 0.15 * len(numbers), lambda figure: draw(figure, numbers))
    for ending in (".svg", ".png"):
        drawn.save(arguments.out.with_suffix(ending))
    arguments.out.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(json.dumps(numbers, indent=1))


def looks(path: Path, figure: str) -> list[dict[str, float]]:
    """The evaluations in a log: the step, the minutes until then, and the metric."""
    found = []
    seconds = 0.0
    for record in read_log(path):
        seconds += sum(record.get(name, 0.0) for name in SPENT)
        if figure in record:
            found.append({"step": record["step"], "minutes": seconds / 60, "value": record[figure]})
    return found


def summed_up(runs: Sequence[list[dict[str, float]]]) -> dict[str, Any]:
    """Mean, lowest and highest value of the runs at each evaluation that all of them have."""
    length = min(map(len, runs))
    values = np.array([[look["value"] for look in run[:length]] for run in runs])
    minutes = np.array([[look["minutes"] for look in run[:length]] for run in runs])
    return {
        "runs": len(runs),
        "step": [int(look["step"]) for look in runs[0][:length]],
        "minutes": minutes.mean(0).round(2).tolist(),
        "mean": values.mean(0).round(4).tolist(),
        "lowest": values.min(0).round(4).tolist(),
        "highest": values.max(0).round(4).tolist(),
    }


def draw(figure: Any, numbers: dict[str, dict[str, Any]]) -> None:
    """Draw the only panel of the figure."""
    axes = figure.subplots()
    for number, (name, found) in enumerate(numbers.items()):
        look = stroke(number)
        label = f"{name} ({found['runs']})" if found["runs"] > 1 else name
        percent = {key: 100 * np.array(found[key]) for key in ("mean", "lowest", "highest")}
        axes.plot(
            found["minutes"],
            percent["mean"],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            markersize=3,
            linewidth=1.2,
            label=label,
        )
        axes.fill_between(
            found["minutes"], percent["lowest"], percent["highest"], color=look.colour, alpha=0.18, lw=0
        )
    axes.set_xlabel("minutes of playing and training")
    axes.set_ylabel("held-out item-F1 (0–100)")
    axes.set_ylim(0, 100)
    figure.legend(loc="outside lower center", ncols=1)


if __name__ == "__main__":
    main()
