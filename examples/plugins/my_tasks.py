"""A task source: any number of questions about squares and cubes, with their gold tables.

    wideseek tasks show my_tasks:powers --limit 1                                   (in this folder)
    wideseek eval --tasks my_tasks:powers,count=5 --corpus synthetic --policy scripted
    python my_tasks.py                                                              shows a task and checks the source

The function gets the split and must return the same tasks every time. So the function draws numbers from a generator
that is seeded with the split. Name the corpus for the tasks in an attribute `corpus`, or with --corpus.
"""

import random

from wideseek_env import Table, Task
from wideseek_env.tasks import ColumnSpec
from wideseek_env.testing import check_task_source

PARTS = {"train": (2, 400), "validation": (400, 500), "test": (500, 600)}  # no number is in two splits
COLUMNS = ("Number", "Square", "Cube")


def powers(split, count=3):
    rng = random.Random(f"powers-{split}")
    return [make_task(split, index, rng) for index in range(count)]


powers.corpus = "synthetic:pages=800"


def make_task(split, index, rng):
    numbers = sorted(rng.sample(range(*PARTS[split]), 4))
    question = f"Give square and cube of {', '.join(map(str, numbers))}. Columns: | {' | '.join(COLUMNS)} |"
    rows = tuple((str(n), str(n**2), str(n**3)) for n in numbers)
    return Task(
        id=f"powers-{split}-{index}",
        question=question,
        columns=COLUMNS,
        key_columns=("Number",),  # identifies a row
        gold=Table(COLUMNS, rows),
        specs={name: ColumnSpec(("number_near",), ("extract_number",), 0.0) for name in COLUMNS[1:]},
        source="powers",
    )


if __name__ == "__main__":
    task = powers("train")[0]
    print(f"{task.question}\n{task.gold.to_markdown()}")
    check_task_source(powers)
