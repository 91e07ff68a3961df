"""A smaller run of the soak benchmark."""

from __future__ import annotations

import asyncio
import logging
import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_hundred_episodes_under_faults(caplog: pytest.LogCaptureFixture) -> None:
    soak = runpy.run_path(str(BENCHMARKS / "driver_soak.py"))["soak"]
    with caplog.at_level(logging.WARNING):
        figures = asyncio.run(soak(100, 32, 7, quiet=True))
    assert figures["failures"] == {}
    assert figures["episodes"] == 100
    assert figures["retried"] > 3
    assert sum(figures["tool faults"].values()) > 3
    assert figures["errors"].keys() <= {"", "EngineError"}
    assert caplog.records == []  # nothing failed that was not meant to
