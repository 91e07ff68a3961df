"""`check_task_source`: whether a task source of one's own keeps the promises of `TaskSource`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from wideseek_env.errors import WideSeekError
from wideseek_env.scoring import Judge, score_response
from wideseek_env.scoring.text import is_empty, lenient_key
from wideseek_env.task import Task
from wideseek_env.tasks.jsonl import task_from_dict, task_to_dict
from wideseek_env.tasks.source import TaskSource
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.testing.conformance import Checker, global_chance


def check_task_source(
    source: TaskSource | TaskSet,
    *,
    splits: Sequence[str] = ("train", "validation", "test"),
    judge: Judge | None = None,
    columns_in_question: bool = True,
) -> None:
    """Check a task source, or a `TaskSet` (which has no splits).

    - each split has tasks, all of them `Task`, each id once; asked again, and with other global random numbers, it has
      the same ones in the same order; no two splits share an id or a question;
    - every task has gold: a table with rows whose keys are there and differ, or accepted answers; its own gold, given
      as the answer, is entirely right (under `judge`, by default the offline one);
    - the question names every required column (unless `columns_in_question` is False) and does not give the gold away;
    - a task can be written as JSON and read back.

    Raises `ConformanceError` for the first promise that is broken.
    """
    check = Checker("the task source")
    if isinstance(source, TaskSet):
        splits = ("all",)
    else:
        check.require(
            callable(source), "protocol", f"{type(source).__name__} cannot be called",
            "A task source is called with a split and gives its tasks",
        )  # fmt: skip
    seen: dict[str, str] = {}
    for split in splits:
        with global_chance(1):
            tasks = _tasks(check, source, split)
        for task in tasks:
            _check_task(check, task, judge, columns_in_question)
        with global_chance(2):
            again = _tasks(check, source, split)
        check.require(
            _texts(tasks) == _texts(again), "determinism", f"the tasks of {split} are others the second time",
            "Draw them with random.Random(a seed of your own), and sort what comes from sets and folders",
        )  # fmt: skip
        for task in tasks:
            for mark in (f"id {task.id!r}", f"question {task.question!r:.80}"):
                check.require(
                    seen.setdefault(mark, split) == split, "splits", f"{seen[mark]} and {split} share the {mark}",
                    "A task belongs to one split: what is trained on says nothing when it is tested",
                )  # fmt: skip


def _texts(tasks: Sequence[Task]) -> list[str]:
    return [json.dumps(task_to_dict(task), sort_keys=True) for task in tasks]


def _tasks(check: Checker, source: TaskSource | TaskSet, split: str) -> list[Task]:
    found: Any = (
        source
        if isinstance(source, TaskSet)
        else check.call(
            f"the split {split!r}", "It gives the tasks of train, validation and test", lambda: source(split)
        )
    )
    todo = "Return a TaskSet or a list of wideseek_env.Task"
    check.require(
        isinstance(found, Iterable) and not isinstance(found, str | bytes), "types",
        f"the split {split!r} is {type(found).__name__} {found!r:.80}", todo,
    )  # fmt: skip
    tasks = check.call(f"the split {split!r}", todo, lambda: list(found))
    check.require(tasks, "tasks", f"the split {split!r} has no tasks", "Give at least one for every split")
    ids: set[str] = set()
    for task in tasks:
        check.require(
            isinstance(task, Task), "types", f"{split} has {type(task).__name__} {task!r:.80}", todo
        )
        check.require(
            task.id not in ids,
            "ids",
            f"{split} has the id {task.id!r} twice",
            "Give each task an id of its own",
        )
        ids.add(task.id)
    return list(tasks)


def _check_task(check: Checker, task: Task, judge: Judge | None, columns_in_question: bool) -> None:
    try:
        written = json.dumps(task_to_dict(task))
        same = task_to_dict(task_from_dict(json.loads(written))) == json.loads(written)
    except (TypeError, ValueError) as error:  # a TaskError is a ValueError
        same, written = False, str(error)
    check.require(
        same, "JSON", f"task {task.id} cannot be written and read back ({written:.120})",
        "Gold, answers and meta hold text, numbers, lists and dicts with text as keys",
    )  # fmt: skip
    if task.gold is None:
        answer = f"\\boxed{{{task.answers[0]}}}"
    else:
        _check_gold(check, task)
        answer = task.gold.to_markdown()
        if columns_in_question:
            asked = lenient_key(task.question)
            missing = [name for name in task.columns if lenient_key(name) not in asked]
            check.require(
                not missing, "question", f"the question of {task.id} does not name the columns {missing}",
                "Nobody can fill columns that are not asked for: end the question with 'Columns: | A | B |', or pass "
                "columns_in_question=False where it describes them in other words",
            )  # fmt: skip
    try:
        score = score_response(answer, task, judge)
    except WideSeekError as error:
        check.require(False, "gold", f"the gold of {task.id} cannot be scored: {error}", "Correct its specs")
        raise
    check.require(
        score.score == 1.0, "gold", f"the gold of {task.id}, given as the answer, is not right: {score.message}",
        "Look at the specs of its columns, and at cells that Markdown cannot hold",
    )  # fmt: skip


def _check_gold(check: Checker, task: Task) -> None:
    assert task.gold is not None
    rows = task.gold.rows
    check.require(
        rows, "gold", f"the gold table of {task.id} has no rows", "Leave out questions without an answer"
    )
    places = [task.gold.header.index(name) for name in task.key_columns]
    keys = [tuple(lenient_key(row[at]) for at in places) for row in rows]
    for row, key in zip(rows, keys, strict=True):
        check.require(
            not all(is_empty(row[at]) for at in places), "keys", f"a gold row of {task.id} has no key: {row}",
            "Every row needs a name to be found by",
        )  # fmt: skip
        check.require(
            keys.count(key) == 1, "keys", f"two gold rows of {task.id} have the key {key}",
            "Make one row of them, or add a key column that tells them apart",
        )  # fmt: skip
    others = {cell for row in rows for at, cell in enumerate(row) if at not in places and not is_empty(cell)}
    told = others and all(cell in task.question for cell in others)
    check.require(
        not told, "question", f"the question of {task.id} has every cell of its gold",
        "Ask for what has to be found",
    )  # fmt: skip
