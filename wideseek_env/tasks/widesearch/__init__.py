"""The WideSearch benchmark's tasks: rows and gold tables in the form of its data set."""

from wideseek_env.tasks.widesearch.files import (
    download_widesearch,
    is_widesearch,
    load_widesearch,
    save_widesearch,
)
from wideseek_env.tasks.widesearch.rows import gold_csv, task_from_widesearch, widesearch_row

__all__ = [
    "download_widesearch",
    "gold_csv",
    "is_widesearch",
    "load_widesearch",
    "save_widesearch",
    "task_from_widesearch",
    "widesearch_row",
]
