"""The files of published benchmarks by name: ``widesearch:FOLDER``, ``gisa:FILE,gold=FOLDER`` and so on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.tasks.browsecomp_plus import load_browsecomp_plus
from wideseek_env.tasks.gisa import load_gisa
from wideseek_env.tasks.question_answering import load_question_answering
from wideseek_env.tasks.rows import OnError
from wideseek_env.tasks.taskset import TaskSet
from wideseek_env.tasks.widesearch import load_widesearch
from wideseek_env.tasks.wideseek_r1 import load_wideseek_r1

BENCHMARKS = {
    "widesearch": "widesearch:PATH[,gold=FOLDER]",
    "wideseek-r1": "wideseek-r1:FILE",
    "gisa": "gisa:PATH[,gold=FOLDER]",
    "browsecomp-plus": "browsecomp-plus:FILE",
    "qa": "qa:PATH",
}
"""The kinds of files, and how tasks of each kind are named."""

_WITH_GOLD: dict[str, Callable[..., TaskSet]] = {
    "widesearch": load_widesearch,
    "gisa": load_gisa,
}
_ALONE: dict[str, Callable[..., TaskSet]] = {
    "wideseek-r1": load_wideseek_r1,
    "browsecomp-plus": load_browsecomp_plus,
    "qa": load_question_answering,
}
ONE_FILE = frozenset(_ALONE)
"""The kinds whose tasks may be in one file."""


def load_benchmark(kind: str, rest: str, gold: Path | None = None, *, on_error: OnError = "raise") -> TaskSet:
    """The tasks that ``kind:rest`` names. `gold` is the folder of gold tables, if `rest` does not name it.
    `on_error` says what to do with a bad row.

    Raises:
        ConfigError: There is no path, or a kind without gold tables has a folder of them.
        TaskError: The files cannot be read, or a row is bad.
    """
    path, named = split_gold(rest)
    folder = named or (str(gold) if gold is not None else None)
    if not path.strip():
        raise ConfigError(f"{kind}: needs a path: {BENCHMARKS[kind]}")
    if kind in _WITH_GOLD:
        return _WITH_GOLD[kind](path, folder, on_error=on_error)
    if folder is not None:
        raise ConfigError(
            f"{kind} has its answers in its file, so it has no folder of gold tables: {BENCHMARKS[kind]}"
        )
    return _ALONE[kind](path, on_error=on_error)


def split_gold(rest: str) -> tuple[str, str]:
    """The path in ``PATH,gold=FOLDER``, and the folder, which is empty if it is not named."""
    path, comma, folder = rest.rpartition(",gold=")
    return (path, folder) if comma else (rest, "")
