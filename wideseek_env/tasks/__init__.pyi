"""The names that `wideseek_env.tasks` exports; each is imported when it is first used."""

from .jsonl import load_tasks as load_tasks
from .jsonl import save_tasks as save_tasks
from .task import ColumnSpec as ColumnSpec
from .task import Table as Table
from .task import Task as Task
from .taskset import TaskSet as TaskSet
