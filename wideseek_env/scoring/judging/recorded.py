"""Verdicts in a file: `RecordingJudge` stores the verdicts of another judge, `RecordedJudge` repeats them.

A recording is JSON Lines. The first line names the judge. Each further line is a verdict, ``{"column", "criterion",
"predicted", "gold", "right"}``, or a matched key, ``{"column", "key", "among": [gold keys], "match": gold key or
null}``.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError, TrajectoryError, UnknownVerdictError, WideSeekError
from wideseek_env.files import json_values, whole_lines
from wideseek_env.reprs import plain, short
from wideseek_env.scoring.judges import Judge, KeyAligner

_FORMAT = "wideseek judge recording 1"

Pair = tuple[str, str, str, str]
Key = tuple[str, str, tuple[str, ...]]


class RecordedJudge:
    """Repeats the verdicts of a recording, without a model. The class is a `Judge` and a `KeyAligner`.

    `name` is ``recorded(NAME)``, where NAME is the name of the recorded judge. A question that is not in the recording
    raises `UnknownVerdictError`. So a test or a repeated run cannot score new cells without an error.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the whole file. Raises `ConfigError` when it is missing or is not a recording."""
        self.path = Path(path)
        name, self._verdicts, self._keys = _read(self.path)
        self.name = f"recorded({name})"

    def __len__(self) -> int:
        return len(self._verdicts) + len(self._keys)

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """The recorded verdicts, one per pair. Raises `UnknownVerdictError` for a pair that was not recorded."""
        verdicts = []
        for predicted, gold in pairs:
            verdict = self._verdicts.get((column, criterion, predicted, gold))
            if verdict is None:
                raise UnknownVerdictError(
                    f"{self.path} has no verdict on {predicted!r} for {gold!r} in column {column!r}"
                    f"{f' by {criterion!r}' if criterion else ''}; record it with RecordingJudge"
                )
            verdicts.append(verdict)
        return verdicts

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> dict[str, str]:
        """The recorded matches of predicted keys. Raises `UnknownVerdictError` for a key that was not recorded."""
        among = tuple(sorted(set(gold)))
        mapping = {}
        for key in predicted:
            try:
                match = self._keys[column, key, among]
            except KeyError:
                raise UnknownVerdictError(
                    f"{self.path} does not say which of {len(among)} keys of column {column!r} {key!r} is; "
                    "record it with RecordingJudge"
                ) from None
            if match is not None:
                mapping[key] = match
        return mapping


class RecordingJudge:
    """Asks `judge` and appends its verdicts to a file. Each question is written once. The class is a `Judge` and a
    `KeyAligner`.

    Threads and processes may append to the same file, because each line is written in one operation. `name` is the name
    of `judge`.
    """

    def __init__(self, judge: Judge, path: str | Path) -> None:
        """Continue the recording at `path` or start one. Raises `ConfigError` when the file is a recording of another
        judge."""
        self._judge = judge
        self.name = judge.name
        self.path = Path(path)
        self._lock = threading.Lock()
        self._verdicts: dict[Pair, bool] = {}
        self._keys: dict[Key, str | None] = {}
        if self.path.exists() and self.path.stat().st_size:
            name, self._verdicts, self._keys = _read(self.path)
            if name != judge.name:
                raise ConfigError(
                    f"{self.path} records the judge {name!r}, not {judge.name!r}; choose another file"
                )
        else:
            self._append([{"format": _FORMAT, "judge": judge.name}])

    def judge(self, column: str, criterion: str, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """The verdicts of the judge, one per pair."""
        verdicts = self._judge.judge(column, criterion, pairs)
        if len(verdicts) != len(pairs):
            raise WideSeekError(f"the judge {self.name} gave {len(verdicts)} verdicts for {len(pairs)} pairs")
        with self._lock:
            lines = []
            for (predicted, gold), right in zip(pairs, verdicts, strict=True):
                if (place := (column, criterion, predicted, gold)) not in self._verdicts:
                    self._verdicts[place] = right
                    names = ("column", "criterion", "predicted", "gold")
                    lines.append({**dict(zip(names, place, strict=True)), "right": right})
            self._append(lines)
        return verdicts

    def align_keys(self, column: str, predicted: Sequence[str], gold: Sequence[str]) -> dict[str, str]:
        """The matches of the judge. If the judge is not a `KeyAligner`, there are no matches. The recording stores this
        too."""
        mapping = (
            dict(self._judge.align_keys(column, predicted, gold))
            if isinstance(self._judge, KeyAligner)
            else {}
        )
        among = tuple(sorted(set(gold)))
        with self._lock:
            lines: list[dict[str, Any]] = []
            for key in predicted:
                if (column, key, among) not in self._keys:
                    match = self._keys[column, key, among] = mapping.get(key)
                    lines.append({"column": column, "key": key, "among": list(among), "match": match})
            self._append(lines)
        return mapping

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._judge, self.path.absolute())

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        if not lines:
            return
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        data = text.encode("utf-8", "backslashreplace")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Several processes may append to the same file, so nothing that was written is taken back.
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":  # another process ended within a line
                    data = b"\n" + data
                while data:
                    data = data[os.write(file, data) :]
            finally:
                os.close(file)
        except OSError as error:
            raise WideSeekError(f"cannot write the recording {self.path}: {error}") from error


def _read(path: Path) -> tuple[str, dict[Pair, bool], dict[Key, str | None]]:
    """The judge's name, the verdicts and the matched keys in a recording. If a question occurs twice, the first entry
    is used."""
    verdicts: dict[Pair, bool] = {}
    keys: dict[Key, str | None] = {}
    name = ""
    try:
        values = list(json_values(path, whole_lines(path)))
    except (OSError, TrajectoryError) as error:
        raise ConfigError(f"cannot read the recording of a judge {path}: {error}") from error
    for number, data in values:
        try:
            if "format" in data:
                if data["format"] != _FORMAT:
                    raise ValueError(f"unknown format {short(data['format'])}")
                name = name or str(data["judge"])
            elif "key" in data:
                match = data["match"]
                if not isinstance(match, str | None):
                    raise TypeError(f"match is {short(match)}")
                keys.setdefault((data["column"], data["key"], tuple(sorted(data["among"]))), match)
            else:
                if not isinstance(data["right"], bool):
                    raise TypeError(f"right is {short(data['right'])}")
                place = (data["column"], data["criterion"], data["predicted"], data["gold"])
                verdicts.setdefault(place, data["right"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}, line {number}: not a recorded verdict ({plain(repr(error))})"
            ) from error
    if not name:
        raise ConfigError(f"{path} is not the recording of a judge: its first line names no judge")
    return name, verdicts, keys
