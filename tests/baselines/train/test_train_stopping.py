"""Ctrl-C and SIGTERM at any moment of a run: it writes a checkpoint, and the resumed run gets the same result."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toy_game import Letters, toy_config, toy_game, toy_tasks
from training_parts import saved_model

from wideseek_baselines.checksums import about_model
from wideseek_baselines.engines.base import EngineLostError
from wideseek_baselines.train import cli, distributed, grpo, ppo, stopping
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.ppo import PpoConfig, run_ppo
from wideseek_baselines.train.reporting.log import read_log
from wideseek_baselines.train.rollouts.manager import Progress, RolloutManager
from wideseek_baselines.train.stopping import Stopping
from wideseek_env.errors import ConfigError
from wideseek_env.shaping import parl
from wideseek_env.tasks.jsonl import save_tasks

WEIGHTS = "model/model.safetensors"
OPTIONS = ("steps=3", "checkpoint.every=0", "evaluation.every=2")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """SIGTERM has its default meaning, as in a program that sets no handler."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "held-out.jsonl"
    save_tasks([toy_tasks(9)[8]], path)
    return path


Start = Callable[..., RunConfig]


@pytest.fixture
def start(model_folder: Path, held_out: Path, tmp_path: Path) -> Start:
    def make(name: str, *settings: str, kind: type[RunConfig] = GrpoConfig) -> RunConfig:
        options = (*OPTIONS, f"evaluation.source={held_out}", *settings)
        return toy_config(kind, model_folder, tmp_path / name, *options)  # type: ignore[no-any-return]

    return make


def saved(config: RunConfig) -> list[int]:
    return [step for step, _ in checkpoint.steps(Path(config.out) / "checkpoints")]


def timeless(config: RunConfig) -> list[dict[str, Any]]:
    """The log without times and what depends on them."""
    left_out = ("second", "mfu", "gpu_", "flops")
    return [
        {name: value for name, value in record.items() if not any(part in name for part in left_out)}
        for record in read_log(Path(config.out) / "metrics.jsonl")
    ]


def send_once(number: int) -> Callable[..., None]:
    """A function that sends the process a signal, the first time that it is called."""
    sent: list[int] = []

    def send(*_: object) -> None:
        if not sent:
            sent.append(number)
            signal.raise_signal(number)

    return send


@pytest.fixture(scope="module")
def whole(model_folder: Path, held_out: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """A run that was not stopped."""
    options = (*OPTIONS, f"evaluation.source={held_out}")
    config: RunConfig = toy_config(
        GrpoConfig, model_folder, tmp_path_factory.mktemp("whole") / "run", *options
    )
    run_grpo(config, game=toy_game())  # type: ignore[arg-type]
    return config


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("rollouts", signal.SIGINT),
        ("rollouts", signal.SIGTERM),
        ("training", signal.SIGTERM),
        ("update", signal.SIGTERM),
        ("update of a lost engine", signal.SIGINT),
        ("evaluation", signal.SIGINT),
        ("report", signal.SIGTERM),
    ],
)
def test_a_stopped_run_resumes_to_the_same_result(
    start: Start, whole: RunConfig, monkeypatch: pytest.MonkeyPatch, moment: str, number: int
) -> None:
    stopped = start("stopped")
    send = send_once(number)
    step = 0

    def on_step(values: Mapping[str, Any]) -> None:
        nonlocal step
        step = values["step"]
        if moment == "report" and step == 2:
            send()

    def on_episode(progress: Progress) -> None:
        if (
            step == 2
            and progress.held_out == (moment == "evaluation")
            and moment in ("rollouts", "evaluation")
        ):
            send()

    train_step, update = grpo.train_step, RolloutManager.update

    def training(*arguments: Any, **named: Any) -> Any:
        done = train_step(*arguments, **named)
        if moment == "training" and step == 1:
            send()
        return done

    def updating(self: RolloutManager, model: Any, version: int) -> None:
        if moment == "update" and version == 2:
            send()
        if moment == "update of a lost engine" and version == 2:  # Ctrl-C reaches the engine's processes too
            send()
            monkeypatch.undo()
            raise EngineLostError("it is gone")
        update(self, model, version)

    monkeypatch.setattr(grpo, "train_step", training)
    monkeypatch.setattr(RolloutManager, "update", updating)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as ended:
        run_grpo(stopped, game=toy_game(), on_step=on_step, on_episode=on_episode)
    assert getattr(ended.value, "code", 143) == 143
    assert saved(stopped) == [2]
    assert about_model(Path(stopped.out) / "model") == {"step": 2}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert run_grpo(stopped, game=toy_game()).steps == 3
    assert (Path(stopped.out) / WEIGHTS).read_bytes() == (Path(whole.out) / WEIGHTS).read_bytes()
    assert timeless(stopped) == timeless(whole)


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_stopped_run_of_ppo_resumes(start: Start, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    config = start("ppo", "group=1", f"max_off_policy_steps={ahead}", "evaluation.every=0", kind=PpoConfig)
    send, train_step = send_once(signal.SIGINT), ppo.train_step
    monkeypatch.setattr(ppo, "train_step", lambda *arguments: (train_step(*arguments), send())[0])
    with pytest.raises(KeyboardInterrupt):
        run_ppo(config, game=toy_game())
    assert saved(config) == [1]
    seen: list[int] = []
    run_ppo(config, game=toy_game(), on_step=lambda values: seen.append(values["step"]))
    assert seen == [2, 3]


def test_what_killed_runs_left_is_removed(start: Start) -> None:
    config = start("run", "steps=1", "evaluation.every=0")
    out = Path(config.out)
    run_grpo(config, game=toy_game())
    for name in ("checkpoints/.unfinished-x", ".model.unfinished-abc"):
        (out / name).mkdir()
        (out / name / "half").touch()
    for name in ("metrics.jsonl", "progress.json"):
        (out / f".{name}.77.tmp").touch()
    shutil.rmtree(out / "model")  # killed after the checkpoint, before the export
    before = sorted(path.name for path in out.iterdir() if path.name[0] != ".")
    assert run_grpo(config, game=toy_game()).steps == 1
    assert sorted(path.name for path in out.iterdir()) == sorted([*before, "model"])
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000001"]
    assert about_model(out / "model") == {"step": 1}


def test_a_run_whose_reward_fades_does_not_get_longer(start: Start) -> None:
    game = {**toy_game(), "reward": parl(base=Letters())}
    config = start("run", "steps=1", "evaluation.every=0")
    run_grpo(config, game=game)
    longer = start("run", "steps=2", "evaluation.every=0")
    with pytest.raises(
        ConfigError, match=r"steps was 1 and is now 2 \(the reward of each step depends on it\)"
    ):
        run_grpo(longer, game=game)


def test_a_run_with_a_damaged_checkpoint_says_so_and_goes_on(start: Start) -> None:
    config = start("run", "checkpoint.every=1", "evaluation.every=0")
    run_grpo(config, game=toy_game())
    newest = Path(config.out) / "checkpoints" / "step-00000003"
    content = bytearray((newest / "weights.safetensors").read_bytes())
    for at in (-9, -90, -900):  # three flipped bits
        content[at] ^= 1
    (newest / "weights.safetensors").write_bytes(content)
    told: list[Mapping[str, Any]] = []
    run_grpo(config, game=toy_game(), on_step=told.append)
    assert [values["step"] for values in told] == [3], "from the checkpoint of step 2"
    (warning,) = told[0]["warnings"]
    assert re.search(r"step-00000003 is damaged: the file weights\.safetensors has changed", warning)
    assert "resumes from the checkpoint step-00000002 instead" in warning
    assert saved(config) == [2, 3]
    checkpoint.load(newest)


def test_nothing_is_saved_before_the_first_step_or_twice(start: Start) -> None:
    config = start("run", "checkpoint.every=1", "evaluation.every=0")
    with pytest.raises(KeyboardInterrupt):
        run_grpo(config, game=toy_game(), on_episode=send_once(signal.SIGINT))
    assert saved(config) == []
    step = 0

    def on_step(values: Mapping[str, Any]) -> None:
        nonlocal step
        step = values["step"]

    def on_episode(progress: Progress) -> None:
        if step == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_grpo(config, game=toy_game(), on_step=on_step, on_episode=on_episode)
    names = [path.name for _, path in checkpoint.steps(Path(config.out) / "checkpoints")]
    assert names == ["step-00000001"], "a step that is saved already is not saved again"


def test_a_second_signal_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[str] = []

    def run() -> None:
        with Stopping(lambda: calls.append("saved")) as run, run.held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # torchrun sends the same signal again
            calls.append("still here")
            monkeypatch.setattr(stopping, "REPEATED_SECONDS", 0.0)
            signal.raise_signal(signal.SIGINT)
            calls.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert calls == ["still here"]
    assert capfd.readouterr().err.count("Stopping at the end of this step") == 1


def test_several_processes_stop_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    others: list[int | None] = [None]
    monkeypatch.setattr(distributed, "size", lambda: 2)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "gathered", lambda value, group=None: [*others, value])
    with Stopping(lambda: calls.append("saved")) as run:
        signal.raise_signal(signal.SIGINT)  # this one got the signal: it waits for the end of the step
        calls.append("waited")
        with pytest.raises(KeyboardInterrupt):
            run.check()
    assert calls == ["waited", "saved"]
    others[0] = signal.SIGTERM
    with pytest.raises(SystemExit), Stopping(lambda: calls.append("saved too")) as run:
        run.check()  # another one got the signal
    assert calls[-1] == "saved too"


def test_an_error_is_not_a_reason_to_save() -> None:
    with pytest.raises(ValueError, match="broken"), Stopping(lambda: pytest.fail("it may be half trained")):
        raise ValueError("broken")


def test_a_handler_of_the_program_is_used() -> None:
    got: list[int] = []

    def handle(number: int, frame: object) -> None:
        got.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        with pytest.raises(KeyboardInterrupt), Stopping(lambda: got.append(-1)):
            signal.raise_signal(signal.SIGTERM)
        assert got == [signal.SIGTERM, -1], "wideseek's own handler decides on the exit code"
        assert signal.getsignal(signal.SIGTERM) is handle
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("steps", [[], [4, 9]])
def test_the_command_says_from_where_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[int]
) -> None:
    for step in steps:
        (tmp_path / "checkpoints" / f"step-{step:08}").mkdir(parents=True)

    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(grpo, "run_grpo", stopped)
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    done = CliRunner().invoke(cli.train, ["grpo", f"model.path={model}", f"out={tmp_path}", "--quiet"])
    assert done.exit_code != 0
    said = "has a checkpoint of step 9: the same command resumes" if steps else "no step has ended"
    assert said in done.output
