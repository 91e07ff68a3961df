"""`Opened`: the parts that `GameConfig.open` made, and how a pickle of a game opens them again."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from wideseek_env import catalog
from wideseek_env.copying import LivePart, copied_executor, live_parts
from wideseek_env.errors import TaskError
from wideseek_env.reprs import short
from wideseek_env.scoring.judged import quiet
from wideseek_env.tasks.benchmarks import ONE_FILE
from wideseek_env.tasks.taskset import TaskSet

_PATHS = ("tasks", "corpus", "judge")
"""The fields of a configuration whose names can contain paths."""


_READ: WeakValueDictionary[tuple[str | int, ...], TaskSet] = WeakValueDictionary()


class Opened:
    """The parts of a `Game` by the names of its fields, as `GameConfig.open` made them.

    A pickle has the configuration, with absolute paths. Loading it opens the configuration. Games that were derived
    from one opened game refer to the same `Opened`, so loading them opens everything once.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = dict(parts)
        try:
            self._folder: Path | None = Path.cwd()
        except OSError:  # the folder has been removed
            self._folder = None

    def __copy__(self) -> Opened:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Opened:
        copied = Opened(self.parts | {"executor": copied_executor(self.parts["executor"], memo)})
        copied._folder = self._folder
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        config, pool = self.parts["config"], self.parts["pool"]
        changes: dict[str, Any] = {}
        for name in _PATHS:
            value = getattr(config, name)
            if isinstance(value, str) and self._folder is not None:
                changes[name] = catalog.located(value, self._folder)
        executor = self.parts["executor"]
        corpus, name = getattr(executor, "corpus", None), changes.get("corpus", "")
        if corpus is not None and name.startswith(("remote:", "hybrid:")):
            # A remote corpus remembers passages that it cannot fetch again. A pickle of the corpus has them.
            changes["corpus"] = LivePart("corpus", corpus, name=name)
        if isinstance(config.executor, str):
            # A pickled executor keeps its state. One that cannot be pickled is opened again by its name.
            changes["executor"] = LivePart("executor", executor, name=config.executor)
        names = {"pool": pool.name, "tasks": self.parts["tasks"].name, "corpus": self.parts["corpus_name"]}
        return _open, (config, changes, names, _digest(pool), self._folder)


def reduced_game(game: Any, fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """The pickle of a game: what `GameConfig.open` made, and the fields that were replaced since."""
    opened: Opened | None = game.opened
    parts = opened.parts if opened is not None else {}
    changes = {name: value for name, value in fields.items() if name not in parts or value is not parts[name]}
    chosen = None
    if opened is not None and "tasks" in changes:
        pool = parts["pool"]
        known = {id(task) for task in pool}
        if all(id(task) in known for task in game.tasks):
            chosen = (game.tasks.name, game.tasks.ids)
            del changes["tasks"]
    return _game, (type(game), opened, live_parts(changes), chosen)


def _open(
    config: Any, changes: Mapping[str, Any], names: Mapping[str, str], digest: int, folder: Path | None
) -> Opened:
    with quiet():  # the process that made the game has warned
        opened: Opened = config.replace(**changes).open(read_tasks=_read_once).opened
    parts = opened.parts
    if _digest(parts["pool"]) != digest:
        raise TaskError(
            f"the tasks {short(config.tasks)} are not those of the pickled game: their ids have changed since, so the "
            "game cannot continue with them"
        )
    opened._folder = folder
    parts |= {"config": config, "corpus_name": names["corpus"]}
    for name in ("pool", "tasks"):
        if parts[name].name != names[name]:
            parts[name] = TaskSet(parts[name], names[name])
    return opened


def _game(
    kind: Any, opened: Opened | None, changes: Mapping[str, Any], chosen: tuple[str, tuple[str, ...]] | None
) -> Any:
    parts = {**(opened.parts if opened is not None else {}), **changes}
    if chosen is not None:
        name, ids = chosen
        parts["tasks"] = TaskSet((parts["pool"].get(each) for each in ids), name)
    return kind(**parts, opened=opened)


def _read_once(name: str, split: catalog.Split) -> tuple[TaskSet, str | None]:
    """The tasks with this name. Loaded games of one process share the tasks of a file, as long as it does not change.

    A vector of environments is often made by loading one pickle many times.
    """
    try:
        kind, colon, rest = name.partition(":")
        file = os.stat(rest if colon and kind in ONE_FILE else name)
    except (OSError, ValueError):
        return catalog.named_tasks(name, split)
    if not stat.S_ISREG(file.st_mode):
        return catalog.named_tasks(name, split)
    key = (name, file.st_mtime_ns, file.st_size, file.st_ino)
    if (tasks := _READ.get(key)) is None:
        tasks = _READ[key] = catalog.named_tasks(name, split)[0]
    return tasks, None


def _digest(tasks: TaskSet) -> int:
    return zlib.crc32("\n".join(tasks.ids).encode("utf-8", "surrogatepass"))
