"""Importing the package is quick work: nothing heavy, no network, no files."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import wideseek_env

PROBE = """
import sys
from importlib.metadata import version
opened = []
def hook(event, args):
    if event == "open" and isinstance(args[0], str) and not args[0].endswith((".py", ".pyi", ".pyc", ".so", ".pyd")):
        opened.append(args[0])
    if event.startswith("socket."):
        opened.append(event)
import gymnasium
sys.addaudithook(hook)
import wideseek_env
heavy = {"torch", "transformers", "vllm", "ray", "tantivy", "turbohtml", "matplotlib", "rich", "click", "bs4"}
print(sorted(heavy & set(sys.modules)), [name for name in opened if "site-packages" not in name])
"""


def test_importing_loads_nothing_heavy_and_touches_nothing() -> None:
    output = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[] []"


def test_every_public_name_resolves() -> None:
    for name in wideseek_env.__all__:
        assert getattr(wideseek_env, name) is not None
    assert set(dir(wideseek_env)) == set(wideseek_env.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    assert wideseek_env.__version__ == version("wideseek-env")
