"""The program of the GPU figures: every stage runs, tiny, on a processor, and calls go on where the last ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "benchmarks" / "gpu"
MISSING = [name for name in ("torch", "transformers", "safetensors", "tokenizers") if find_spec(name) is None]

needs_torch = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install -e 'baselines[transformers]'"
)

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Runs `train.sh` with its folder in the test's own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(FOLDER / "train.sh"), str(tmp_path / "out"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            env={**os.environ, "PYTHON": sys.executable},
        )

    return run


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that holds the programs."""
    monkeypatch.syspath_prepend(FOLDER)


@needs_torch
def test_every_stage_runs_dry(call: Call, tmp_path: Path) -> None:
    short = ["--dry", "--minutes", "0.4"]  # too short for any stage
    done = call(*short, "--only", "experts")
    assert done.returncode == 3, done.stderr
    assert "left: experts" in done.stdout
    # The comparison with TRL and the learning curve's parts have tests elsewhere.
    left = ("trl-float32", "trl-autocast", "trl-bfloat16", "step-autocast", "logprobs", "prefix")
    done = call("--dry", "--minutes", "14", "--skip", *left)
    stages = {
        path.stem: json.loads(path.read_text()) for path in (tmp_path / "out" / "stages").glob("*.json")
    }
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(stage["status"] == "done" for stage in stages.values())
    assert all(stage["device"]["versions"]["torch"] for stage in stages.values())
    assert "train grpo" in stages["grpo"]["command"]
    found = stages["grpo"]["result"]
    assert found["steps"] == 2
    assert [look["step"] for look in found["held_out"]] == [0, 2]
    assert {"eval_item_f1@1", "eval_item_f1@2"} <= found["held_out"][-1].keys()
    assert found["trained_tokens_per_second"] > 0
    assert stages["grpo-sleep"]["result"]["steps"] == 1
    assert stages["warm"]["result"]["held_out_loss"]
    assert stages["experts"]["result"]["episodes"] == 3
    for precision in ("float32", "bfloat16"):
        assert stages[f"step-{precision}"]["result"]["operations_of_a_step"] > 0
        assert stages[f"step-{precision}"]["result"]["mfu"] is None  # nobody knows this processor's peak
    assert stages["rollout"]["result"]["share"] > 0
    again = call("--dry", "--skip", *left, "--minutes", "1")
    assert again.returncode == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["stages"]["grpo"]["calls"] == 1  # what is done is not done again


def test_a_stage_that_takes_too_long_is_left_for_the_next_call(tmp_path: Path) -> None:
    from train import State, run_stage
    from train_stages import Stage

    state = State("slow")
    run_stage(Stage("slow", ["-c", "import time; time.sleep(600)"]), state, tmp_path, 1.0)
    assert (state.status, state.calls, state.failures) == ("unfinished", 1, 0)


@pytest.mark.parametrize(
    ("figures", "status"), [("json", "failed"), ("run", "unfinished"), ("warm", "unfinished")]
)
def test_a_stage_that_reaches_its_own_limit_keeps_its_results(
    tmp_path: Path, figures: Any, status: str
) -> None:
    from train import State, run_stage
    from train_stages import Stage

    state, program = State("slow"), "import time; print('{\"a\": 1}', flush=True); time.sleep(600)"
    stage = Stage("slow", ["-c", program], figures, str(tmp_path), limit=3.0)
    run_stage(stage, state, tmp_path, stage.limit)
    assert state.status == status
    assert state.result == ({"a": 1} if figures == "json" else None)
    assert ("limit of 3 s" in state.reason) == (status == "failed")


def test_the_most_valuable_stages_come_first_and_none_takes_four_minutes(tmp_path: Path) -> None:
    from train_stages import Plan, make_stages

    stages = make_stages(Plan(tmp_path, "cuda", False, None, "vllm", None, None, ()))
    names = [stage.name for stage in stages]
    precisions = ("autocast", "bfloat16", "float32")
    steps = [f"{kind}-{each}" for kind in ("step", "trl") for each in precisions]
    assert names == [
        *("model", *steps, "rollout", "grpo-sleep", "experts", "warm", "grpo", "logprobs", "prefix")
    ]
    assert all(stage.limit < 240 for stage in stages)
    assert all(names.index(name) < number for number, stage in enumerate(stages) for name in stage.after)
    independent = {stage.name for stage in stages if set(stage.after) <= {"model"}}
    assert independent == {*names} - {"warm", "grpo"}, "a failed stage stops only what needs its result"


def test_what_a_stage_has_started_ends_with_it() -> None:
    from train import end

    program = (
        "import subprocess, time; subprocess.Popen(['sleep', '600']);"
        "print('begun', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        end(process)
        assert process.stdout.read() == b""  # comes when the last process that could write has ended
    assert process.returncode != 0


def test_a_failed_stage_says_why_and_what_waits_for_it_is_not_run(tmp_path: Path) -> None:
    from train import State, run_stage
    from train_stages import Stage

    state = State("wrong")
    run_stage(Stage("wrong", ["-c", "raise SystemExit('no such thing')"]), state, tmp_path, 60.0)
    assert (state.status, state.reason, state.failures) == ("failed", "no such thing", 1)
    state.write(tmp_path)
    assert State.read(tmp_path, "wrong") == state
    following = Stage("next", [], after=("wrong",), packages=("torch",))
    assert following.hindrance({"wrong": state.status}, lambda name: name) == "waits for wrong"
    assert following.hindrance({"wrong": "done"}, lambda name: None) == "needs torch"
    assert following.hindrance({"wrong": "done"}, lambda name: name) == ""


@needs_torch
def test_a_wrong_stage_is_refused(call: Call) -> None:
    done = call("--dry", "--only", "everything")
    assert done.returncode == 2
    assert "unknown stage everything: use model, step-autocast" in done.stderr


@needs_torch
def test_the_engine_sleeps_where_it_shares_a_gpu(tmp_path: Path) -> None:
    """The commands of a GPU are read by the program that they start."""
    from train_stages import Plan, make_stages

    from wideseek_baselines.train.config.loading import load_config
    from wideseek_baselines.train.grpo import GrpoConfig
    from wideseek_baselines.train.sft import SftConfig

    plan = Plan(tmp_path, "cuda", False, str(tmp_path / "model"), "vllm", None, None, ())
    kinds: dict[str, Any] = {"grpo": GrpoConfig, "sft": SftConfig}
    found = {}
    for stage in make_stages(plan):
        if stage.command[:3] == ["-m", "wideseek_env.cli", "train"]:
            found[stage.name] = load_config(kinds[stage.command[3]], None, stage.command[4:])
    assert set(found) == {"grpo-sleep", "warm", "grpo"}
    assert found["grpo-sleep"].engine.sleep
    assert found["grpo-sleep"].steps == 3
    assert found["grpo"].engine.sleep
    assert found["grpo"].evaluation.widths == (1, 2, 4, 8)
    assert found["warm"].data == (str(tmp_path / "experts.jsonl"),)


def test_the_figures_of_a_run_that_is_under_way(tmp_path: Path) -> None:
    from train_figures import document, run_figures

    assert run_figures(tmp_path) is None
    parts = {"rollout_seconds": 2.0, "train_seconds": 1.0, "update_seconds": 0.5, "trained_tokens": 100}
    records = [
        {"step": 0, "eval_item_f1@1": 0.25},
        {"step": 1, "reward": 0.1, "item_f1": 0.1, "generated_tokens_per_second": 50.0, **parts},
        {"step": 2, "reward": 0.3, "item_f1": 0.3, "generated_tokens_per_second": 70.0, **parts},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 3, "rew')
    found = run_figures(tmp_path)
    assert found is not None
    assert found["steps"] == 2
    assert found["held_out"] == [{"step": 0, "eval_item_f1@1": 0.25}]
    assert found["trained_tokens_per_second"] == 100.0
    assert found["generated_tokens_per_second"] == 60.0
    assert found["last_steps"]["reward"] == pytest.approx(0.2)
    assert document('{not json\nlog line\n{"a": 1}\n') == {"a": 1}
    assert document("nothing") is None
