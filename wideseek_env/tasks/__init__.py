"""Tasks: questions with gold tables, files of tasks, and generators that make tasks from worlds."""

from wideseek_env.task import ColumnSpec, Language, Table, Task
from wideseek_env.tasks.jsonl import load_tasks, save_tasks
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tasks.widesearch import (
    download_widesearch,
    load_widesearch,
    save_widesearch,
    task_from_widesearch,
)
from wideseek_env.tasks.wideseek_r1 import load_wideseek_r1, save_wideseek_r1, task_from_wideseek_r1

__all__ = [
    "ColumnSpec",
    "Language",
    "Table",
    "Task",
    "TaskSet",
    "download_widesearch",
    "load_tasks",
    "load_widesearch",
    "load_wideseek_r1",
    "save_tasks",
    "save_widesearch",
    "save_wideseek_r1",
    "task_from_widesearch",
    "task_from_wideseek_r1",
]
