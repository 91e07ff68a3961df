"""`check_task_source`: checks that a custom task source keeps the rules of `TaskSource`."""

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
    """Check a task source, or a `TaskSet`, which has no splits.

    - Each split has tasks. All tasks are `Task` objects, and each id occurs once.
    - A second call, with other global random numbers, returns the same tasks in the same order.
    - No two splits have an id or a question in common.
    - Every task has gold (the right answer). This is a list of accepted answers, or a table with rows. No key of a row
      is empty, and all keys differ.
    - An answer that is equal to the gold gets the full score.
    - The question names every required column, and it does not contain all gold cells.
    - A task can be written as JSON and read again.

    Args:
        source: The task source or task set.
        splits: The splits to check.
        judge: Decides llm_judge columns. None means the offline judge.
        columns_in_question: Pass False if questions describe the columns in other words.

    Raises:
        ConformanceError: The source breaks one of these rules. The message is about the first broken rule.
    """
    check = Checker("the task source")
    if isinstance(source, TaskSet):
        splits = ("all",)
    else:
        check.require(
            callable(source), "protocol", f"{type(source).__name__} cannot be called",
            "A task source must be a function from a split to its tasks",
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
            _texts(tasks) == _texts(again), "determinism", f"the tasks of {split} are different the second time",
            "Draw them with random.Random and a fixed seed, and sort the content of sets and folders",
        )  # fmt: skip
        for task in tasks:
            for mark in (f"id {task.id!r}", f"question {task.question!r:.80}"):
                check.require(
                    seen.setdefault(mark, split) == split, "splits", f"{seen[mark]} and {split} share the {mark}",
                    "Put each task into one split: a test on training tasks measures nothing",
                )  # fmt: skip


def _texts(tasks: Sequence[Task]) -> list[str]:
    return [json.dumps(task_to_dict(task), sort_keys=True) for task in tasks]


def _tasks(check: Checker, source: TaskSource | TaskSet, split: str) -> list[Task]:
    found: Any = (
        source
        if isinstance(source, TaskSet)
        else check.call(
            f"the split {split!r}",
            "It must return the tasks of train, validation and test",
            lambda: source(split),
        )
    )
    todo = "Return a TaskSet or a list of wideseek_env.Task"
    check.require(
        isinstance(found, Iterable) and not isinstance(found, str | bytes), "types",
        f"the split {split!r} is {type(found).__name__} {found!r:.80}", todo,
    )  # fmt: skip
    tasks = check.call(f"the split {split!r}", todo, lambda: list(found))
    check.require(
        tasks, "tasks", f"the split {split!r} has no tasks", "Return at least one task for every split"
    )
    ids: set[str] = set()
    for task in tasks:
        check.require(
            isinstance(task, Task), "types", f"{split} has {type(task).__name__} {task!r:.80}", todo
        )
        check.require(
            task.id not in ids,
            "ids",
            f"{split} has the id {task.id!r} twice",
            "Give each task a different id",
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
        "Use only text, numbers, lists and dicts with text as keys in gold, answers and meta",
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
                "Agents cannot know columns that the question does not name: end it with 'Columns: | A | B |', or pass "
                "columns_in_question=False if it describes them in other words",
            )  # fmt: skip
    try:
        score = score_response(answer, task, judge)
    except WideSeekError as error:
        check.require(
            False,
            "gold",
            f"the gold of {task.id} cannot be scored: {error}",
            "Correct the specs of its columns",
        )
        raise
    check.require(
        score.score == 1.0, "gold", f"the gold of {task.id}, given as the answer, is not right: {score.message}",
        "Check the specs of its columns, and look for cells that Markdown cannot represent",
    )  # fmt: skip


def _check_gold(check: Checker, task: Task) -> None:
    assert task.gold is not None
    rows = task.gold.rows
    check.require(
        rows, "gold", f"the gold table of {task.id} has no rows", "Remove questions without an answer"
    )
    places = [task.gold.header.index(name) for name in task.key_columns]
    keys = [tuple(lenient_key(row[at]) for at in places) for row in rows]
    for row, key in zip(rows, keys, strict=True):
        check.require(
            not all(is_empty(row[at]) for at in places), "keys", f"a gold row of {task.id} has no key: {row}",
            "Give every row a value in its key columns, because rows are matched by key",
        )  # fmt: skip
        check.require(
            keys.count(key) == 1, "keys", f"two gold rows of {task.id} have the key {key}",
            "Merge the rows, or add a key column in which they differ",
        )  # fmt: skip
    others = {cell for row in rows for at, cell in enumerate(row) if at not in places and not is_empty(cell)}
    told = others and all(cell in task.question for cell in others)
    check.require(
        not told, "question", f"the question of {task.id} has every cell of its gold",
        "Do not put the answer into the question",
    )  # fmt: skip
