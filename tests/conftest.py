"""Fixtures that every test file may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hybridqa_worlds import sample, sample_corpus, small, small_corpus  # noqa: F401
from hypothesis import settings
from llm_server import smollm2_dir, vllm_server  # noqa: F401

settings.register_profile("wideseek", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("wideseek")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs so, and every child would inherit it: tests of Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the public data sets, from `WIDESEEK_DATA` or beside the repository; skips without it."""
    folder = Path(os.environ.get("WIDESEEK_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}: set WIDESEEK_DATA to a folder with hybridqa/ and wikipages/")
    return folder
