"""The room in shared memory that all processes of a machine need at the same time to send weights."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from training_parts import tiny_causal

from wideseek_baselines.engines import shared_memory
from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.rollouts import manager


@pytest.mark.parametrize(
    ("ranks", "rank", "free", "told"),
    [
        (1, 0, 1.5, ""),
        (1, 0, 1.1, "1 process of"),
        (8, 0, 9.0, "8 processes of"),
        (8, 0, 9.7, ""),
        (8, 3, 1.0, ""),  # the first process of the machine tells
        (16, 8, 9.0, "8 processes of"),
        (16, 0, 9.0, "8 processes of"),
        (16, 9, 9.0, ""),
    ],
)
def test_all_processes_of_a_machine_are_counted_together(
    ranks: int, rank: int, free: float, told: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """There are eight processes on a machine. `free` is in sizes of the weights, and a process needs 1.2 of it."""
    model = TokenModel(tiny_causal())
    size = 4 * sum(parameter.numel() for parameter in model.parameters())

    def gathered(value: tuple[str, int], group: Any = None) -> list[tuple[str, int]]:
        assert value == (f"machine-{rank // 8}", int(1.2 * size))
        return [(f"machine-{number // 8}", value[1]) for number in range(ranks)]

    monkeypatch.setattr(distributed, "gathered", gathered)
    monkeypatch.setattr(distributed, "rank", lambda: rank)
    monkeypatch.setattr(manager.platform, "node", lambda: f"machine-{rank // 8}")
    monkeypatch.setattr(manager, "free_bytes", lambda: int(free * size))
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(shared_memory, "_warned", threading.Event())
    manager.check_shared_memory(model)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == bool(told)
    assert all(told in message for message in messages)
