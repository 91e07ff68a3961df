"""Fixtures that every test file may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from ending import end_children_on_sigterm
from hybridqa_worlds import sample, sample_corpus, small, small_corpus  # noqa: F401
from hypothesis import settings
from llm_server import smollm2_dir, vllm_server  # noqa: F401

settings.register_profile("wideseek", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("wideseek")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs so, and every child would inherit it: tests of Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a core; before torch is imported, which else takes all of them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the public data sets, from `WIDESEEK_DATA` or beside the repository; skips without it."""
    folder = Path(os.environ.get("WIDESEEK_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}: set WIDESEEK_DATA to a folder with hybridqa/ and wikipages/")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    end_children_on_sigterm()


GROUPS = {"vllm_server": "vllm", "sample": "hybridqa"}
"""Fixtures that are made once for tests of several files, and the group of these tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker of pytest-xdist gets whole groups of tests, so that what they share is made once.

    A file is a group, but for tests that have one by a marker or by a fixture. The tests that start vLLM are the first,
    and one group, so that two engines never run side by side.
    """
    for item in items:
        shared = GROUPS.keys() & getattr(item, "fixturenames", ())
        if item.get_closest_marker("xdist_group") is None:
            group = GROUPS[min(shared)] if shared else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group").args != ("vllm",))  # type: ignore[union-attr]
