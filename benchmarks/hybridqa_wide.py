"""Draws wide tasks for reading: questions, columns and a few gold rows with the pages that show them.

    wideseek tasks build hybridqa:DATA --mode wide --out wide.jsonl
    python benchmarks/hybridqa_wide.py --tasks wide.jsonl --count 60 --seed 20

The same file and seed give the same tasks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from wideseek_env.tasks.jsonl import load_tasks


def main() -> None:
    """Print the sample."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=Path, required=True, help="A file of wide tasks.")
    parser.add_argument("--count", type=int, default=60, help="How many tasks to draw.")
    parser.add_argument("--seed", type=int, default=20, help="Which tasks are drawn.")
    parser.add_argument("--rows", type=int, default=3, help="How many gold rows to print of each task.")
    parser.add_argument("--split", help="Only tasks of this split.")
    options = parser.parse_args()
    tasks = sorted(load_tasks(options.tasks), key=lambda task: task.id)
    tasks = [task for task in tasks if options.split in (None, task.meta["split"])]
    dice = Random(options.seed)
    for number, task in enumerate(dice.sample(tasks, min(options.count, len(tasks))), 1):
        assert task.gold is not None
        meta = task.meta
        print(f"\n{number}. {task.id} ({meta['split']}, values on {meta['values']}): {meta['rows']} of "
              f"{meta['list_rows']} rows, {meta['lists']} lists on {meta['list_pages']} pages")  # fmt: skip
        print(task.question)
        print("   ", task.gold.header)
        for row in task.gold.rows[: options.rows]:
            print("   ", row)


if __name__ == "__main__":
    main()
