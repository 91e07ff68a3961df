"""Where an adapter's package is missing, importing the adapter says what to install."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import pytest

from wideseek_env.errors import MissingDependencyError

PACKAGES = {"skyrl": "skyrl_gym"}
ADAPTERS = {
    "openenv_client": "openenv",
    "openenv_models": "openenv",
    "openenv_server": "openenv",
    "skyrl_env": "skyrl",
    "trl_engine": "trl",
    "trl_rollouts": "trl",
    "verifiers_env": "verifiers",
    "verifiers_harness": "verifiers",
    "verifiers_team": "verifiers",
}


@pytest.mark.parametrize("module", ADAPTERS)
def test_an_adapter_without_its_package(module: str) -> None:
    extra = ADAPTERS[module]
    if find_spec(PACKAGES.get(extra, extra)) is not None:
        pytest.skip(f"{extra} is installed")
    with pytest.raises(
        MissingDependencyError, match=rf'needs {extra}.*pip install -e "baselines\[{extra}\]"'
    ):
        importlib.import_module(f"wideseek_baselines.adapters.{module}")
