"""Stand-ins for tests and speed measurements that should not touch a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.messages import ToolCall, ToolResult
from wideseek_env.task import Table, Task


class NoOpTools:
    """An executor that answers every request with the same text; what remains is the environment's own work."""

    def __init__(self, text: str = "ok") -> None:
        self._result = ToolResult(text)

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One fixed result a call."""
        return [self._result] * len(calls)

    def close(self) -> None:
        """Nothing to release."""


def example_task(rows: int = 3, *, id: str = "example") -> Task:
    """A small table task: `rows` entities named ``Entity 1`` … with a year each."""
    table = Table(("Name", "Year"), tuple((f"Entity {n}", str(1900 + n)) for n in range(1, rows + 1)))
    return Task(
        id=id,
        question="List the entities with their years. Columns: | Name | Year |",
        columns=table.header,
        key_columns=("Name",),
        gold=table,
    )
