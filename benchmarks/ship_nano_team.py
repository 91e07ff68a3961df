"""Makes the shipped models `nano-team` and `nano-team-warm` from a finished run of `benchmarks/train_nano_curve.py`.

    pip install -e . -e 'baselines[vllm]'
    python benchmarks/ship_nano_team.py runs/nano-curve --run grpo-lead-subagent-0 --out runs/ship

The program writes both folders into the package of the baselines. The weights are rounded to bfloat16. Each folder has
the game of the preset `nano-cpu` (`wideseek_baselines.model_settings`). Then the program measures the rounded models
with `wideseek bench width` on test tasks, and writes the numbers into the model cards. `--out` has the folders of these
runs. If you run the same command again, finished measurements are not repeated.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wideseek_baselines.engines.transformers_model import read_tensors
from wideseek_baselines.model_settings import NAME, settings_text
from wideseek_baselines.shipped_models import MODELS
from wideseek_baselines.train.config.loading import load_config, preset_file
from wideseek_baselines.train.config.run import policy_options
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.reporting.log import read_log

TEAM, WARM = "nano-team", "nano-team-warm"
COPIED = ("generation_config.json", "tokenizer.json", "tokenizer_config.json")
LARGEST = 8_000_000
"""The largest size of a shipped folder in bytes."""
CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# {name}

A language model of {weights:.1f} million weights that plays a WideSeek team: the lead and all subagents. It has the
architecture and the chat format of Qwen3. {which}

```sh
wideseek eval --policy {policy} --model {name} --limit 8
```

The file `{settings}` has the game of the model. Commands use it where you set nothing.

## Training

1. `wideseek nano --size small --copying` made the untrained model.
2. **Warm start.** A scripted team played training tasks in many worlds. The model learned to write the messages of that
   team in {warm_steps:,} steps (`wideseek train sft`). At large widths the scripted team is timid: after each subagent,
   it starts one more with a probability of 0.75.
{reinforced}
The command was `{trained_with}`.
The weights were rounded to bfloat16 after the training.

## Results

{limit} test tasks of the game, one episode for each. Neither training nor its evaluations used these tasks. The
interval is a 95 % bootstrap interval over tasks.

| width | item-F1 | 95 % | subagents | critical path in turns |
| --- | --- | --- | --- | --- |
{rows}

Command: `{command}`

## Limits

The model knows one form of page and one form of question. It plays other worlds badly, the default world `synthetic`
included. It is for tests, demonstrations and experiments on small computers.
"""
WHICH = {
    TEAM: f"GRPO trained it to use its width. `{WARM}` is the model before that.",
    WARM: f"It is a warm start: `{TEAM}` is the same model after reinforcement learning.",
}
REINFORCED = """3. **GRPO.** `wideseek train grpo` with the preset `nano-cpu` took {minutes:.0f} minutes
   for {steps} steps. The reward is item-F1.
"""


def main() -> None:
    """Write the folders, measure the models, and write the cards."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("curve", type=Path, help="the --out folder of train_nano_curve.py")
    parser.add_argument("--run", default="grpo-lead-subagent-0", help="the run whose model is shipped")
    parser.add_argument(
        "--trained-with",
        default="python benchmarks/train_nano_curve.py --algorithm grpo --seed 0",
        help="the command that trained the models, for the cards",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the measurements")
    parser.add_argument("--policy", choices=("vllm", "transformers"), default="vllm")
    parser.add_argument("--widths", default="1,2,4,8")
    parser.add_argument("--limit", type=int, default=48, help="number of test tasks")
    given = parser.parse_args()
    trained = {WARM: given.curve / "warm", TEAM: given.curve / given.run}
    for name, run in trained.items():
        write_model(run / "model", given.curve / "nano", MODELS / name)
    logs = {name: read_log(run / "metrics.jsonl") for name, run in trained.items()}
    for name in trained:
        sweep = measured(name, given)
        (MODELS / name / "README.md").write_text(card(name, sweep, logs, given), "utf-8")


def write_model(trained: Path, untrained: Path, folder: Path) -> None:
    """Write the files of a shipped model.

    Args:
        trained: Folder of the trained model. Its weights are taken.
        untrained: Folder of the model as `wideseek nano` made it. The other files are taken from there, because all
            versions of transformers can read them.
        folder: The folder to write. An earlier one is replaced.

    Raises:
        SystemExit: The folder is too large.
    """
    import torch
    from safetensors.torch import save_file

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in COPIED:
        shutil.copyfile(untrained / file, folder / file)
    about = json.loads((untrained / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**about, "dtype": "bfloat16"}, indent=1) + "\n", "utf-8")
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in read_tensors(trained).items()}
    save_file(rounded, folder / "model.safetensors", {"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes files readable for their owner only
    config = load_config(GrpoConfig, None, ["model.path=any", "out=any"], preset=preset_file("nano-cpu"))
    (folder / NAME).write_text(settings_text(config.game, policy_options("any", config.engine)), "utf-8")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size:,} bytes", flush=True)
    if size > LARGEST:
        sys.exit(f"{folder} has more than {LARGEST:,} bytes")


def measured(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """The width sweep of a shipped model, as `wideseek bench width` writes it."""
    out = given.out / name
    command = ["bench", "width", "--policy", given.policy, "--model", name, "--widths", given.widths]
    command += ["--limit", str(given.limit), "--out", str(out)]
    print(shlex.join(["wideseek", *command]), flush=True)
    subprocess.run([sys.executable, "-m", "wideseek_env.cli", *command], check=True)
    sweep: dict[str, Any] = json.loads((out / "width.json").read_text("utf-8"))
    return sweep


def card(
    name: str,
    sweep: Mapping[str, Any],
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
    given: argparse.Namespace,
) -> str:
    """The model card, with the measured numbers."""
    steps = [record for record in logs[TEAM] if "reward" in record]
    seconds = sum(step["rollout_seconds"] + step["train_seconds"] + step["update_seconds"] for step in steps)
    reinforced = REINFORCED.format(steps=len(steps), minutes=seconds / 60) if name == TEAM else ""
    tensors = read_tensors(MODELS / name)
    command = [
        "wideseek",
        "bench",
        "width",
        "--policy",
        given.policy,
        "--model",
        name,
        "--widths",
        given.widths,
    ]
    return CARD.format(
        name=name,
        which=WHICH[name],
        policy=given.policy,
        settings=NAME,
        weights=sum(tensor.numel() for tensor in tensors.values()) / 1e6,
        warm_steps=max(record["step"] for record in logs[WARM]),
        reinforced=reinforced,
        trained_with=given.trained_with,
        limit=given.limit,
        rows="\n".join(map(row, sweep["points"])),
        command=shlex.join([*command, "--limit", str(given.limit), "--out", str(given.out / name)]),
    )


def row(point: Mapping[str, Any]) -> str:
    """One row of the table of results."""
    interval = f"{100 * point['item_f1_low']:.1f}–{100 * point['item_f1_high']:.1f}"
    costs = f"{point['subagents']:.1f} | {point['critical_path']:.1f}"
    return f"| {point['width']} | {100 * point['item_f1']:.1f} | {interval} | {costs} |"


if __name__ == "__main__":
    main()
