"""Compares strict scoring with the WideSearch benchmark's own evaluation, which runs from a checkout that you name.

    git clone https://github.com/ByteDance-Seed/WideSearch
    python benchmarks/widesearch_parity.py --checkout WideSearch --data FOLDER

FOLDER has ``widesearch.jsonl`` and ``widesearch_gold/``. For every task, the script writes a perfect answer and answers
with several kinds of errors, and scores each of them twice. The benchmark's code runs in a subprocess. A model decides
some cells in that code. In both scorings, the offline judge decides them instead, and no model aligns keys. The script
needs pandas, dateparser and loguru. It ends with status 1 if any of the seven numbers differs. If it cannot
use the checkout or the data, it prints one line and ends with status 2.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring import OfflineJudge, score_response
from wideseek_env.scoring.widesearch.verdicts import judge_cells
from wideseek_env.task import Task
from wideseek_env.tasks.widesearch import load_widesearch

MEASURES = (
    *("score", "precision_by_row", "recall_by_row", "f1_by_row"),
    *("precision_by_item", "recall_by_item", "f1_by_item"),
)
TOLERANCE = 1e-9
NEEDED = ("data_loader.py", "evaluation.py")
"""The files of the checkout's folder ``src/evaluation`` that the script imports."""
Cells = list[list[str]]


def table(names: Sequence[str], rows: Cells, fence: bool = True) -> str:
    """The table in Markdown. Pipes in cells become slashes, because the benchmark's code cannot read them."""
    lines = [names, ["---"] * len(names), *rows]
    text = "\n".join(
        "| " + " | ".join(" ".join(c.replace("|", "/").split()) for c in line) + " |" for line in lines
    )
    return f"```markdown\n{text}\n```" if fence else f"The answer is:\n\n{text}\n\nThat is all."


def some_cells(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Replace a fifth of the cells by other cells of their column, or by odd values."""
    for row in rows:
        for at in range(len(row)):
            if rng.random() < 0.2:
                row[at] = rng.choice([rng.choice(rows)[at], "", "n/a", "12.50%", "1,234", "2020-03-14", "x"])


def fewer_rows(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Drop about half of the rows."""
    rows[:] = [row for row in rows if rng.random() < 0.5] or rows[:1]


def more_rows(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Repeat some rows and add some that are not in the gold table."""
    rows += [list(rng.choice(rows)) for _ in range(3)] + [[f"new {at}" for at in range(len(names))]]


def swapped_keys(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Exchange the first cells of two rows."""
    one, other = rng.choice(rows), rng.choice(rows)
    one[0], other[0] = other[0], one[0]


def other_columns(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Put the columns into another order."""
    order = rng.sample(range(len(names)), len(names))
    names[:] = [names[at] for at in order]
    rows[:] = [[row[at] for at in order] for row in rows]


def fewer_columns(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Leave out the last column."""
    if len(names) > 1:
        del names[-1]
        rows[:] = [row[:-1] for row in rows]


def numbers_with_units(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Write numbers with a unit, or slightly larger."""
    for row in rows:
        for at, cell in enumerate(row):
            with contextlib.suppress(ValueError):
                row[at] = rng.choice([f"{cell} km", f"{float(cell) * 1.03:.2f}", f"about {cell}"])


def markup(names: list[str], rows: Cells, rng: random.Random) -> None:
    """Write cells in bold and in upper case."""
    rows[:] = [[rng.choice([cell, f"**{cell}**", cell.upper(), f" {cell} "]) for cell in row] for row in rows]


ERRORS: dict[str, Callable[[list[str], Cells, random.Random], None]] = {
    "perfect": lambda names, rows, rng: None,
    "wrong cells": some_cells,
    "missing rows": fewer_rows,
    "repeated and further rows": more_rows,
    "swapped keys": swapped_keys,
    "columns in another order": other_columns,
    "a missing column": fewer_columns,
    "numbers with units": numbers_with_units,
    "markup": markup,
}


def answers(task: Task, seed: int) -> Iterator[tuple[str, str]]:
    """The kind and the text of each answer to `task`."""
    assert task.gold is not None
    for kind, spoil in ERRORS.items():
        rng = random.Random(f"{seed} {task.id} {kind}")
        names, rows = list(task.columns), [list(row) for row in task.gold.rows]
        spoil(names, rows, rng)
        yield kind, table(names, rows, fence=rng.random() < 0.7)


def fail(reason: object) -> NoReturn:
    """End with status 2 after one line on stderr."""
    print(f"Error: {reason}", file=sys.stderr)
    raise SystemExit(2)


def evaluate(checkout: Path, data: Path) -> None:
    """The subprocess: read ``{"id", "response"}`` in lines and write the seven numbers of the benchmark's code."""
    sys.path.insert(0, str(checkout))
    pandarallel: Any = types.ModuleType("pandarallel")
    pandarallel.pandarallel = types.SimpleNamespace(initialize=lambda **options: None)
    llm: Any = types.ModuleType("src.utils.llm")
    llm.llm_completion = lambda **arguments: None
    sys.modules |= {"pandarallel": pandarallel, "src.utils.llm": llm}
    for name, names in {
        "datasets": ("load_dataset",),
        "huggingface_hub": ("snapshot_download", "try_to_load_from_cache"),
    }.items():
        try:
            __import__(name)
        except ImportError:
            module = sys.modules[name] = types.ModuleType(name)
            for each in names:
                setattr(module, each, None)
    try:
        from loguru import logger

        logger.remove()
        import src.evaluation.data_loader as loading  # type: ignore[import-not-found,unused-ignore]
        import src.evaluation.evaluation as official  # type: ignore[import-not-found,unused-ignore]

        loader = loading.WideSearchDataLoader.__new__(loading.WideSearchDataLoader)
        _ = official.evaluate_single_query, loading.WideSearchQuery, loading.WideSearchResponse
    except (ImportError, AttributeError, SyntaxError) as error:
        fail(f"the code of the checkout {checkout} cannot be used: {error}; check that it is complete")

    def judge(responses: list[str], targets: list[str], criterion: Any, *rest: Any) -> Any:
        verdicts, _ = judge_cells("", criterion, list(zip(responses, targets, strict=True)), OfflineJudge())
        return [float(right) for right in verdicts], [""] * len(verdicts)

    official.llm_judge_column = judge
    official.primary_key_preprocess = lambda *arguments: {}
    lines = (data / "widesearch.jsonl").read_text("utf-8-sig").splitlines()
    rows = {row["instance_id"]: row for row in map(json.loads, lines)}
    for line in sys.stdin:
        wanted = json.loads(line)
        row = rows[wanted["id"]]
        evaluation = row["evaluation"]
        evaluation = json.loads(evaluation) if isinstance(evaluation, str) else evaluation
        gold = loader.load_answer(
            str(data / "widesearch_gold" / f"{wanted['id']}.csv"), evaluation["required"]
        )
        query = loading.WideSearchQuery(
            wanted["id"], row["query"], evaluation, gold, row.get("language", "en")
        )
        try:
            result = official.evaluate_single_query(
                query, loading.WideSearchResponse(wanted["id"], wanted["response"])
            )
            numbers = [float(getattr(result, name)) for name in MEASURES]
        except Exception:  # the benchmark's script counts such a response as 0
            numbers = [0.0] * len(MEASURES)
        print(json.dumps(numbers), flush=True)


def compare(checkout: Path, data: Path, seed: int) -> int:
    """Score every answer in both ways, print a table, and return the number of answers whose scores differ."""
    cases = [(task, kind, text) for task in load_widesearch(data) for kind, text in answers(task, seed)]
    asked = "".join(json.dumps({"id": task.id, "response": text}) + "\n" for task, _, text in cases)
    command = [sys.executable, __file__, "--checkout", str(checkout), "--data", str(data), "--evaluate"]
    if not cases:
        fail(f"{data} has no tasks")
    done = subprocess.run(command, input=asked, capture_output=True, text=True, encoding="utf-8")
    lines = done.stdout.splitlines()
    if done.returncode == 2:  # `fail` has told the reason
        fail(done.stderr.strip().rpartition("Error: ")[2])
    if done.returncode or len(lines) != len(cases):
        raise SystemExit(f"the evaluation of {checkout} failed:\n{done.stderr[-2000:]}")
    counts = {kind: [0, 0, 0.0] for kind in ERRORS}
    for (task, kind, text), line in zip(cases, lines, strict=True):
        score = score_response(text, task, strict=True)
        expected = json.loads(line)
        given = [getattr(score, name) for name in MEASURES]
        same = all(abs(one - other) <= TOLERANCE for one, other in zip(given, expected, strict=True))
        count = counts[kind]
        counts[kind] = [count[0] + 1, count[1] + same, count[2] + expected[-1]]
        if not same:
            print(f"{task.id}, {kind}: {dict(zip(MEASURES, zip(given, expected, strict=True), strict=True))}")
    print("| answers | number | equal scores | mean item-F1 |\n| --- | ---: | ---: | ---: |")
    for kind, (number, same, f1) in counts.items():
        print(f"| {kind} | {number} | {same} | {f1 / number if number else 0:.3f} |")
    total = sum(int(count[0]) for count in counts.values())
    equal = sum(int(count[1]) for count in counts.values())
    print(f"| all | {total} | {equal} | |")
    return total - equal


def main() -> None:
    """Read the options and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkout", type=Path, required=True, help="folder of ByteDance-Seed/WideSearch")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with widesearch.jsonl and widesearch_gold/"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the errors")
    parser.add_argument("--evaluate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    missing = [name for name in NEEDED if not (options.checkout / "src" / "evaluation" / name).is_file()]
    if missing:
        fail(f"{options.checkout} is not a checkout of WideSearch: it has no src/evaluation/{missing[0]}")
    if not (options.data / "widesearch.jsonl").is_file():
        fail(f"{options.data} is no folder with the data of WideSearch: it has no widesearch.jsonl")
    if options.evaluate:
        evaluate(options.checkout, options.data)
        return
    try:
        differing = compare(options.checkout, options.data, options.seed)
    except WideSeekError as error:
        fail(error)
    if differing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
