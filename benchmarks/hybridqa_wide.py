"""Draws wide tasks for reading: questions, columns, gold rows, and the sentences of pages that state their values.

    wideseek tasks build hybridqa:DATA --mode wide --out wide.jsonl
    python benchmarks/hybridqa_wide.py --tasks wide.jsonl --count 60 --seed 20 --data DATA

The same file and seed give the same tasks. `--pages` draws only tasks with values that no list shows.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from wideseek_env.corpus.hybridqa.pages import page_url
from wideseek_env.corpus.hybridqa.reader import DataFolder
from wideseek_env.corpus.hybridqa.text import detokenize
from wideseek_env.task import Task
from wideseek_env.tasks.jsonl import load_tasks

AROUND = 100
"""Characters to print before and after a value."""


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
    parser.add_argument("--pages", action="store_true", help="Only tasks with values that no list shows.")
    parser.add_argument("--data", type=Path, help="The data folder. With it, sentences of pages are printed.")
    options = parser.parse_args()
    tasks = sorted(load_tasks(options.tasks), key=lambda task: task.id)
    tasks = [task for task in tasks if options.split in (None, task.meta["split"])]
    tasks = [task for task in tasks if not options.pages or "from_pages" in task.meta]
    dice = Random(options.seed)
    drawn = dice.sample(tasks, min(options.count, len(tasks)))
    texts = page_texts(drawn, options.data, options.rows) if options.data else {}
    for number, task in enumerate(drawn, 1):
        assert task.gold is not None
        meta = task.meta
        print(f"\n{number}. {task.id} ({meta['split']}, values on {meta['values']}): {meta['rows']} of "
              f"{meta['list_rows']} rows, {meta['lists']} lists, values on {meta['pages']} pages")  # fmt: skip
        print(task.question)
        print("   ", task.gold.header)
        for row, entity in zip(task.gold.rows[: options.rows], meta["entities"], strict=False):
            print("   ", row)
            for name in meta.get("from_pages", ()):
                value = row[task.columns.index(name)]
                print(f"        {name}: {sentence(texts.get(str(entity), ''), value)}")


def page_texts(tasks: Sequence[Task], data: Path, rows: int) -> Mapping[str, str]:
    """The texts of the pages of the first `rows` entries of each task, by URL."""
    wanted = {entity for task in tasks for entity in task.meta["entities"][:rows] if entity}
    found = {page_url(passage.path): passage.text for passage in DataFolder.find(data).passages()}
    return {url: detokenize(found[url]) for url in wanted if url in found}


def sentence(text: str, value: str) -> str:
    """The part of `text` around `value`."""
    at = text.find(value)
    if at < 0:
        return f"(not found) {text[: 2 * AROUND]}"
    return f"…{text[max(0, at - AROUND) : at + len(value) + AROUND]}…"


if __name__ == "__main__":
    main()
