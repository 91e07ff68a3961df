"""A real small language model plays through vLLM: in this process under a live view, and behind a server."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from llm_server import LlmServer

from wideseek_env.cli.app import app
from wideseek_env.trajectory import load_trajectories

pytestmark = pytest.mark.xdist_group("vllm")

SMALL = ["--profile", "terse", "--width", "2", "--rule", "lead_turns=2", "--rule", "subagent_turns=2"]


@pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM: run .ci/install-vllm")
def test_an_episode_is_played_in_process_under_a_live_view(smollm2_dir: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "wideseek_env.cli", "run", "--policy", "vllm", "--model", str(smollm2_dir)),
        *(
            "--policy-arg",
            "context=4096",
            "--policy-arg",
            "turn_tokens=64",
            "--policy-arg",
            "enforce_eager=true",
        ),
        *("--render", "human", "--fps", "0", "--out", str(tmp_path / "episode.jsonl"), *SMALL),
    ]
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "COLUMNS": "120"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=900, env={**os.environ, **quiet}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "lead" in done.stdout
    assert "item-F1" in done.stdout
    (episode,) = load_trajectories(tmp_path / "episode.jsonl")
    said = [m for c in episode.conversations for m in c["messages"] if m["role"] == "assistant"]
    assert said
    assert any(m["content"].strip() for m in said)
    assert episode.meta["policy"].startswith("vllm:")
    assert episode.replay().outcome is not None


def test_tasks_are_evaluated_against_a_server(vllm_server: LlmServer, tmp_path: Path) -> None:
    command = [
        *("eval", "--policy", "openai", "--base-url", vllm_server.url, "--model", vllm_server.model),
        *("--policy-arg", "turn_tokens=48", "--policy-arg", "context=2048", "--limit", "3", *SMALL),
        *("--rule", "context=4000", "--out", str(tmp_path / "run")),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "item-F1" in result.output
    recorded = load_trajectories(tmp_path / "run" / "trajectories.jsonl")
    assert len({trajectory.task.id for trajectory in recorded}) == 3
    for trajectory in recorded:
        assert trajectory.meta["policy"].startswith("openai:")
        assert trajectory.meta["usage"]["completion_tokens"] > 0
        assert trajectory.meta["usage"]["completion_tokens"] <= 48 * trajectory.outcome["turns"]
