"""Rollouts in a Parquet file: one row for each sequence, with the columns of its agent and episode.

If a conversation or an episode has no sequences, it has one row with nulls. So the file contains every rollout
completely.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from wideseek_baselines.tokens.record import FORMAT, Rollout
from wideseek_env.errors import MissingDependencyError, TrajectoryError, baselines_hint

EPISODE = ("task_id", "group", "trial", "seed", "reward", "ending", "trainable", "error", "seconds")
"""The fields of a rollout that are stored as columns without change. The fields in `JSON` are stored as JSON text."""
AGENT = ("agent", "role", "conversation", "model", "clocks")
"""The fields of an agent that are stored as columns without change."""
JSON = ("parts", "score", "meta")
ROWS = 512
"""The writer collects this number of rows in memory, and writes them as one row group."""


class ParquetRollouts:
    """Writes rollouts to a new Parquet file. The file can be read after `close`."""

    def __init__(self, path: Path | str) -> None:
        self._arrow, self._parquet = _pyarrow()
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer: Any = None  # opened when the first agent tells whether there are credits
        self._closed = False
        self._rows: list[dict[str, Any]] = []
        self._episodes = 0

    def write(self, rollout: Rollout) -> None:
        """Add one rollout."""
        self._rows += _rows(self._episodes, rollout)
        self._episodes += 1
        if len(self._rows) >= ROWS and (
            self._writer is not None or any("agent" in row for row in self._rows)
        ):
            self._flush()

    def close(self) -> None:
        """Write the end of the file. A second call does nothing."""
        if not self._closed:
            self._flush()
            self._writer.close()
            self._closed = True

    def __enter__(self) -> ParquetRollouts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush(self) -> None:
        if self._writer is None:
            self._schema = _schema(self._arrow, credits=any("credit" in row for row in self._rows))
            self._writer = self._parquet.ParquetWriter(str(self._path), self._schema, compression="zstd")
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def read_parquet(path: Path | str) -> Iterator[Rollout]:
    """Read the rollouts of a file that `ParquetRollouts` wrote. Raises `TrajectoryError` for other files."""
    arrow, parquet = _pyarrow()
    try:
        file = parquet.ParquetFile(str(path))
        known = [
            _schema(arrow, credits=credits, clocks=clocks)
            for credits in (False, True)
            for clocks in (True, False)
        ]
        if not any(map(file.schema_arrow.equals, known)):
            raise TrajectoryError(
                f"{path} does not have the columns of rollouts of format {FORMAT}: read it with its version"
            )
        with file:
            yield from _rollouts(
                row for batch in file.iter_batches(batch_size=ROWS) for row in batch.to_pylist()
            )
    except (OSError, arrow.ArrowInvalid) as error:
        raise TrajectoryError(f"{path} cannot be read: {error}") from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingDependencyError(f"Parquet files need pyarrow; {baselines_hint('parquet')}") from error


def _schema(arrow: Any, *, credits: bool, clocks: bool = True) -> Any:
    """The columns. There is a column `credit` only if the agents have credits. Files of earlier versions have no
    `clocks`.
    """
    text, number, real, whole = arrow.string(), arrow.int32(), arrow.float64(), arrow.int64()
    turn = arrow.struct(
        [
            ("turn", number),
            ("start", number),
            ("stop", number),
            ("logprobs", arrow.list_(real)),
            ("versions", arrow.list_(arrow.list_(whole))),
            ("finish_reason", text),
            ("temperature", real),
            ("trainable", arrow.bool_()),
            ("errors", number),
            ("cached_tokens", number),
            ("queued", real),
            ("generating", real),
            ("tools", real),
        ]
    )
    columns = [("episode", whole)]
    columns += [(name, text) for name in ("task_id", "group", "ending", "error", *JSON)]
    columns += [("trial", whole), ("seed", whole), ("reward", real), ("seconds", real)]
    columns += [("trainable", arrow.bool_())]
    columns += [(name, text) for name in ("agent", "role", "agent_ending", "model")]
    columns += [("conversation", number), ("sequence", number)]
    columns += [("clocks", arrow.list_(number))] if clocks else []
    columns += [("ids", arrow.list_(number)), ("turns", arrow.list_(turn))]
    columns += [("credit", real)] if credits else []
    return arrow.schema(columns, metadata={"wideseek_rollouts": str(FORMAT)})


def _rows(number: int, rollout: Rollout) -> list[dict[str, Any]]:
    record = rollout.to_dict()
    episode = {"episode": number, **{name: record[name] for name in EPISODE}}
    episode |= {name: json.dumps(record[name], ensure_ascii=False) for name in JSON}
    rows: list[dict[str, Any]] = []
    for agent in record["agents"]:
        about = {name: agent[name] for name in AGENT}
        about["agent_ending"] = agent["ending"]
        about |= {"credit": agent["credit"]} if "credit" in agent else {}
        for at, sequence in enumerate(agent["sequences"]):
            rows.append({**episode, **about, "sequence": at, **sequence})
        if not agent["sequences"]:
            rows.append({**episode, **about})
    return rows or [episode]


def _rollouts(rows: Iterator[Mapping[str, Any]]) -> Iterator[Rollout]:
    number: int | None = None
    record: dict[str, Any] = {}
    for row in rows:
        if row["episode"] != number:
            if number is not None:
                yield Rollout.from_dict(record)
            number = row["episode"]
            record = {"format": FORMAT, "agents": [], **{name: row[name] for name in EPISODE}}
            record |= {name: json.loads(row[name]) for name in JSON}
        if row["agent"] is None:
            continue
        if row["sequence"] in (None, 0):
            agent = {name: row.get(name) for name in AGENT}
            agent |= {"credit": row["credit"]} if row.get("credit") is not None else {}
            record["agents"].append({**agent, "ending": row["agent_ending"], "sequences": []})
        if row["sequence"] is not None:
            record["agents"][-1]["sequences"].append({"ids": row["ids"], "turns": row["turns"]})
    if number is not None:
        yield Rollout.from_dict(record)
