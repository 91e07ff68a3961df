"""Test doubles for tests and speed measurements without a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.task import Table, Task


class NoOpTools:
    """An executor that gives the same text for every request. A speed measurement with this executor measures only the
    environment."""

    def __init__(self, text: str = "ok") -> None:
        self._result = ToolResult(text)

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The fixed result, once for each call."""
        return [self._result] * len(calls)

    def close(self) -> None:
        """Nothing to do."""


def example_task(rows: int = 3, *, id: str = "example") -> Task:
    """A small table task: `rows` entities named ``Entity 1``, ``Entity 2`` and so on, each with a year."""
    table = Table(("Name", "Year"), tuple((f"Entity {n}", str(1900 + n)) for n in range(1, rows + 1)))
    return Task(
        id=id,
        question="List the entities with their years. Columns: | Name | Year |",
        columns=table.header,
        key_columns=("Name",),
        gold=table,
    )
