"""What a run of training shows on a terminal, and what it prints elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toy_game import toy_tasks
from training_parts import saved_model

from wideseek_baselines.train.reporting.console import (
    REINFORCED,
    SUPERVISED,
    LiveView,
    StepLines,
    held_out_change,
)
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.rollouts.manager import Progress
from wideseek_env.tasks.jsonl import save_tasks

STEP: dict[str, Any] = {
    "reward": 0.25,
    "item_f1": 0.5,
    "kl_reference": 0.00125,
    "entropy": 2.5,
    "clip_share": 0.125,
    "mismatch": 0.0025,
    "subagents": 1.5,
    "episode_tokens": 1234.0,
    "turn_tokens": 56.0,
    "generated_tokens_per_second": 4321.0,
}


class Clock:
    """Seconds that are set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def view(rows: Any, clock: Clock) -> tuple[LiveView, Console]:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, markup=False)
    return LiveView("runs/one", rows, console, clock=clock), console


def text(shown: LiveView) -> str:
    """What it draws now, without colours; blanks are joined."""
    plain = Console(file=io.StringIO(), width=100)
    plain.print(shown.draw())
    assert isinstance(plain.file, io.StringIO)
    lines = (re.sub(r"[ ━╸╺─]+", " ", line).strip() for line in plain.file.getvalue().splitlines())
    return "\n".join(lines)


def test_lines_of_steps_have_the_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("wideseek_env.cli.progress.time.monotonic", clock)
    printed: list[int] = []
    with StepLines("runs/one", lambda values: printed.append(values["step"])) as lines:
        lines.on_step({"step": 2, "steps": 5, "eval_item_f1@1": 0.25})
        for step in (3, 4, 5):
            clock.now += 20
            lines.on_step({"step": step, "steps": 5, "reward": 0.5})
    assert printed == [2, 3, 4, 5]
    assert capsys.readouterr().err.splitlines() == [
        "runs/one: 3 of 5 steps, 3.0 steps/min, 40 s left",
        "runs/one: 4 of 5 steps, 3.0 steps/min, 20 s left",
        "runs/one: 5 of 5 steps, 3.0 steps/min",
    ]


def test_it_shows_steps_episodes_figures_evaluations_and_warnings() -> None:
    clock = Clock()
    shown, _ = view(REINFORCED, clock)
    with shown:
        shown.on_episode(Progress(held_out=True, done=3, total=8, reward=0.125))
        assert "held out 3 of 8 episodes mean reward 0.125" in text(shown)
        shown.on_step(
            {"step": 10, "steps": 20, "eval_item_f1@1": 0.25, "eval_item_f1@4": 0.5, "eval_failed@4": 1.0}
        )
        shown.on_episode(Progress(held_out=False, done=5, total=16, reward=0.375))
        found = text(shown)
        assert "runs/one 10 of 20 steps 0 s passed\n" in found, "nothing is known of the time that is left"
        assert "this step 5 of 16 episodes mean reward 0.375" in found
        assert "held out, step 10 width 1 width 4" in found
        assert "item-F1 0.250 0.500" in found
        assert "failed – 1.000" in found
        clock.now += 60
        shown.on_step({"step": 11, "steps": 20, **STEP})
        clock.now += 60
        shown.on_episode(Progress(held_out=False, done=16, total=16, reward=0.5))
        shown.on_step({"step": 12, "steps": 20, **STEP, "reward": 0.75, "warnings": ["reward fell"]})
        found = text(shown)
    assert "12 of 20 steps 1.0 steps/min 8 min 0 s left" in found, "steps done before do not count"
    assert "last step mean of 2" in found
    for row in (
        *("reward 0.750 0.500", "item-F1 0.500 0.500", "KL to the reference 0.00125", "entropy 2.500"),
        *("clipped share 0.125", "mismatch with the engine 0.00250", "subagents used 1.50"),
        *("tokens of an episode 1,234", "tokens of a turn 56", "generated tokens/s 4,321"),
        *("held out, step 10", "warning: step 12: reward fell"),
    ):
        assert row in found
    assert "16 of 16" not in found, "a bar that is full is gone"
    assert "critic" not in found, "figures that there are not have no row"


def test_the_end_says_how_held_out_scores_changed() -> None:
    logs = [
        {"step": 0, "eval_item_f1@2": 0.371, "eval_item_f1@8": 0.4849, "eval_reward@2": 0.4},
        {"step": 1, "reward": 0.5, "item_f1": 0.5},
        {"step": 5, "eval_item_f1@2": 0.1, "eval_item_f1@8": 0.2},
        {"step": 10, "eval_item_f1@2": 0.36, "eval_item_f1@8": 0.68},
    ]
    told = held_out_change(logs)
    assert told == "Held-out item-F1, step 0 → 10: 37.1 → 36.0 at width 2, 48.5 → 68.0 at width 8"
    one = [{"step": 0, "eval_item_f1": 0.5}, {"step": 4, "eval_item_f1": 0.25}]
    assert held_out_change(one) == "Held-out item-F1, step 0 → 4: 50.0 → 25.0"
    assert (
        held_out_change(logs[:2]) == held_out_change([]) == held_out_change([{"step": 1, "reward": 1}]) == ""
    )


def test_it_shows_a_warm_start() -> None:
    shown, console = view(SUPERVISED, Clock())
    with shown:
        shown.on_step({"step": 0, "steps": 4, "held_out_loss": 3.5})
        shown.on_step(
            {"step": 1, "steps": 4, "loss": 2.5, "lr": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 9e3}
        )
    found = text(shown)
    assert "held out, step 0" in found
    assert "held out loss 3.500" in found
    assert "learning rate 1.00e-03" in found
    assert isinstance(console.file, io.StringIO)
    assert "learning rate" in console.file.getvalue(), "the last picture stays"


def test_nothing_is_drawn_before_there_is_something_to_show() -> None:
    shown, console = view(REINFORCED, Clock())
    with shown:
        pass
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def on_a_terminal(*arguments: str) -> str:
    """All that the command draws on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "110", "LINES": "50", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "wideseek_env.cli", "train", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end was closed
                break
            if not part:
                break
            drawn += part
        process.wait(300)
    os.close(ours)
    assert process.returncode == 1, drawn.decode()  # the run learned nothing
    return drawn.decode()


@pytest.mark.parametrize("plain", [False, True])
def test_the_command_draws_on_a_terminal(plain: bool, tmp_path: Path) -> None:
    save_tasks(toy_tasks(4), tmp_path / "tasks.jsonl")
    drawn = on_a_terminal(
        "grpo",
        *(["--plain"] if plain else []),
        f"out={tmp_path / 'run'}",
        f"model.path={saved_model(tmp_path / 'tiny')}",
        *("model.device=cpu", "model.precision=float32", "steps=2", "tasks=2", "group=2", "game.team=false"),
        *("game.limits.single_turns=1", "engine.kind=transformers", "engine.turn_tokens=4"),
        *(f"game.tasks={tmp_path / 'tasks.jsonl'}", "game.corpus=synthetic:seed=3,pages=400"),
    )
    assert "2 steps, 0 tokens trained on" in drawn
    assert ("\x1b[" in drawn) is not plain
    assert ("━" in drawn) is not plain
    assert "2 of 2 steps" in drawn
    assert ("generated tokens/s" in drawn) is not plain
    assert ("    2/2 " in drawn) is plain
    assert [record["step"] for record in read_log(tmp_path / "run" / "metrics.jsonl")] == [1, 2]
