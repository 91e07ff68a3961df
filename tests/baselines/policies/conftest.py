"""Fixtures of the policy's tests: a tiny model, and engines over it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 model with a small tokenizer."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tiny_chat import tiny_model

    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with other weights and a template that drops earlier thinking."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tiny_chat import tiny_model

    return tiny_model(tmp_path_factory.mktemp("other"), "forgetful", seed=1)
