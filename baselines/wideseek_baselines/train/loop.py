"""`Run`: the work around the training steps, which is the same for every algorithm.

A `Run` resumes from a checkpoint, writes log, trackers and checkpoints, and exports the model. A `ReinforcementRun`
also sends new weights to the engines, runs evaluations, and warns if the run collapses.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from torch import nn

from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.game_in_use import game_differences
from wideseek_baselines.train.config.loading import config_from, config_to_dict
from wideseek_baselines.train.config.options import CheckpointOptions, ModelOptions, OptimOptions, TrackerName
from wideseek_baselines.train.config.run import RunConfig
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.optim.optimizer import Optimizer
from wideseek_baselines.train.reporting.log import RunLog
from wideseek_baselines.train.reporting.monitor import Monitor
from wideseek_baselines.train.reporting.trackers import TrackerRun, Trackers
from wideseek_baselines.train.rollouts.manager import RolloutManager
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.progress import announced_steps
from wideseek_env.renamed import RENAMED_GAME_KEYS, renamed

OnStep = Callable[[Mapping[str, Any]], None]
"""A function that is called with the metrics of every step and every evaluation, on the first process only."""

FREE_SETTINGS = (
    *("out", "data", "resume", "checkpoint", "trackers", "project", "name"),
    *("evaluation", "collapse"),
)
"""Settings that may change when a run is resumed. The files in `data` may have other names, but the same content."""


class RunSettings(Protocol):
    """The settings that every kind of run has."""

    @property
    def out(self) -> str: ...
    @property
    def model(self) -> ModelOptions: ...
    @property
    def optim(self) -> OptimOptions: ...
    @property
    def checkpoint(self) -> CheckpointOptions: ...
    @property
    def trackers(self) -> tuple[TrackerName, ...]: ...
    @property
    def project(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def resume(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run of reinforcement learning."""

    model: Path
    """The Hugging Face folder of the trained model."""
    steps: int
    tokens: int
    """Generated tokens that were trained on. If the run was resumed, all its parts count."""
    skipped: int
    """Optimizer steps that were skipped because a gradient was not finite."""


class Run:
    """One training run. It resumes from the newest checkpoint in `out`, if there is one.

    Args:
        config: The settings.
        steps: Training steps of the whole run.
        model: The policy, which is exported.
        module: Everything that is trained. Checkpoints hold its state.
        optimizers: By name. Checkpoints hold their states.
        data: Digest of the data. A run resumes only with the same data.
        on_step: Called with the metrics of every step and every evaluation.
        state: Initial values of the algorithm, which JSON can store. Checkpoints have the current values.

    Raises:
        ConfigError: `out` has a run with other data or settings, or ``resume`` is false and `out` has any run.
    """

    def __init__(
        self,
        config: RunSettings,
        steps: int,
        model: TokenModel,
        module: nn.Module,
        optimizers: Mapping[str, Optimizer],
        data: str,
        on_step: OnStep | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.steps = steps
        self.out = Path(config.out)
        self.step = 0
        """The number of steps that are done. In reinforcement learning it is also the version of the policy."""
        self.state: dict[str, Any] = {
            "settings": config_to_dict(config),
            "data": data,
            "tokens": 0,
            **(state or {}),
        }
        """The values in a checkpoint that are not tensors: settings, data digest, trained `tokens`, and the algorithm's
        values. For GRPO and PPO they include `game`, the game that is really played."""
        self._settings = config
        self._model = model
        self._module = module
        self._optimizers = optimizers
        self._on_step = on_step
        self._stack = ExitStack()
        self._resume()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if distributed.is_main():
                stack.enter_context(announced_steps(self.out, self.steps, lambda: self.step))
            self._log = stack.enter_context(RunLog(self.out / "metrics.jsonl", self.step or -1))
            if distributed.is_main():
                config = self._settings
                settings = {
                    **self.state["settings"],
                    **({"game": self.state["game"]} if "game" in self.state else {}),
                }
                about = TrackerRun(self.out, self.step, config.project, config.name, settings)
                self._trackers = stack.enter_context(Trackers(about, config.trackers))
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _begin(self) -> None:
        """Do the work before the first step. Log and trackers are already open."""

    def tell(self, metrics: Mapping[str, Any]) -> None:
        """Write metrics to the log and the trackers, and call `on_step`."""
        if not distributed.is_main():
            return
        self._log.write(self.step, metrics)
        self._trackers.write(self.step, metrics)
        if self._on_step is not None:
            self._on_step({"step": self.step, "steps": self.steps, **metrics})

    def save(self) -> None:
        """Write a checkpoint."""
        states = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        keep = self._settings.checkpoint.keep
        checkpoint.save(self.out / "checkpoints", self.step, self._module, states, self.state, keep=keep)

    def export(self) -> None:
        """Write the model as a Hugging Face folder."""
        checkpoint.export(self._model.causal, self._settings.model.path, self.out / "model")

    def is_due(self, every: int) -> bool:
        """Whether work that is done every `every` steps is due after this step. 0 means never."""
        return bool(every) and self.step % every == 0

    @property
    def skipped(self) -> int:
        """The number of optimizer steps that were skipped so far."""
        return sum(optimizer.skipped for optimizer in self._optimizers.values())

    def _resume(self) -> None:
        out = self._settings.out
        found = checkpoint.load_latest(self.out / "checkpoints")
        if found is None:
            return
        if not self._settings.resume:
            raise ConfigError(f"{out} has a run already: choose another out, or set resume=true")
        changed = changed_settings(self._settings, found.position.get("settings", {}))
        game = found.position.get("game")
        if (
            isinstance(game, Mapping) and "game" in self.state
        ):  # what is really played, with what game= replaced
            changed = [name for name in changed if not name.startswith("game.")]
            changed += game_differences(renamed(game, RENAMED_GAME_KEYS), self.state["game"])
        if found.position.get("data") != self.state["data"]:
            changed = ["the tasks or episodes", *(name for name in changed if name != "game.tasks")]
        if changed:
            raise ConfigError(
                f"{out} has a run with other data or settings ({', '.join(changed)}): choose another out"
            )
        found.restore(self._module)
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(found.optimizer[name])
        kept: dict[str, Any] = {k: self.state[k] for k in ("settings", "game") if k in self.state}
        self.step, self.state = found.step, {**found.position, **kept}


class ReinforcementRun(Run):
    """A run of GRPO or PPO.

    Args:
        config: The settings.
        manager: Runs the episodes. Its engines get the new weights after every step.
        model: The policy.
        module: Everything that is trained. Checkpoints hold its state.
        optimizers: By name.
        on_step: Called with the metrics of every step and every evaluation.
        state: Initial values of the algorithm, which JSON can store. The run adds `drawn`, the number of tasks drawn so
            far.

    Raises:
        ConfigError: `out` has a run with other tasks or settings, or ``resume`` is false and `out` has any run.
    """

    def __init__(
        self,
        config: RunConfig,
        manager: RolloutManager,
        model: TokenModel,
        module: nn.Module,
        optimizers: Mapping[str, Optimizer],
        on_step: OnStep | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        tasks = hashlib.sha256("\n".join(task.id for task in manager.tasks).encode()).hexdigest()
        first = {"drawn": 0, "monitor": {}, "game": manager.game_record, **(state or {})}
        super().__init__(config, config.steps, model, module, optimizers, tasks, on_step, first)
        self._config = config
        self._manager = manager
        self._monitor = Monitor(config.collapse, self.state["monitor"])
        self.state["monitor"] = self._monitor.state

    def _begin(self) -> None:
        if self.step >= self.steps:
            return
        self._manager.start()
        if self.step:
            self._manager.update(self._model, self.step)
        elif self._config.evaluation.every:
            self.tell(self._manager.evaluate())

    def finish(self, metrics: Mapping[str, float], trained_tokens: int) -> None:
        """End a training step: send the new weights to the engines and write the metrics. Evaluate and save if it is
        due.

        Args:
            metrics: The metrics of the step.
            trained_tokens: The number of generated tokens that the step trained on.
        """
        self.step += 1
        self.state["tokens"] += trained_tokens
        began = time.perf_counter()
        self._manager.update(self._model, self.step)
        values: dict[str, Any] = {
            **metrics,
            "update_seconds": time.perf_counter() - began,
            "trained_tokens": trained_tokens,
            "skipped": self.skipped,
        }
        if warnings := self._monitor.check(metrics):
            values["warnings"] = warnings
        self.tell(values)
        last = self.step >= self.steps
        every = self._config.evaluation.every
        if self.is_due(every) or (every and last):
            self.tell(self._manager.evaluate())
        if last or self.is_due(self._config.checkpoint.every):
            self.save()
            self.export()

    @property
    def result(self) -> RunResult:
        """The result so far."""
        return RunResult(self.out / "model", self.step, self.state["tokens"], self.skipped)


def changed_settings(config: RunSettings, found: Mapping[str, Any]) -> list[str]:
    """The names of settings that differ between a run and its checkpoint, such as ["optim.lr"], without
    `FREE_SETTINGS`.

    Args:
        config: The settings of the run.
        found: The settings in the checkpoint. Old names of keys also work.
    """
    if not found:
        return ["its checkpoint does not name its settings"]
    try:
        before = config_to_dict(config_from(type(config), found))
    except ConfigError as error:
        return [f"its settings cannot be read: {error}"]
    now = config_to_dict(config)
    for settings in (before, now):
        for name in FREE_SETTINGS:
            settings.pop(name, None)
        settings.get("engine", {}).pop("sleep", None)
        if config.optim.schedule == "constant":
            settings.pop("steps", None)  # such a run may be made longer
    return _differences(before, now)


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], where: str = "") -> list[str]:
    found: list[str] = []
    for name in sorted({*one, *other}):
        mine, yours = one.get(name), other.get(name)
        if isinstance(mine, Mapping) and isinstance(yours, Mapping):
            found += _differences(mine, yours, f"{where}{name}.")
        elif mine != yours:
            found.append(f"{where}{name}")
    return found
