"""`Run`: the work around the training steps, which is the same for every algorithm.

A `Run` resumes from a checkpoint, writes log, trackers and checkpoints, and exports the model. A `ReinforcementRun`
also sends new weights to the engines, runs evaluations, and warns if the run collapses.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from torch import nn

from wideseek_baselines.checksums import about_model
from wideseek_baselines.engines.base import EngineError
from wideseek_baselines.model_settings import settings_text
from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.loading import config_to_dict
from wideseek_baselines.train.config.options import CheckpointOptions, ModelOptions, OptimOptions, TrackerName
from wideseek_baselines.train.config.resuming import refuse_changes
from wideseek_baselines.train.config.run import RunConfig, policy_options
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.model.export import export, recover
from wideseek_baselines.train.model.model import TokenModel
from wideseek_baselines.train.optim.optimizer import PolicyOptimizer
from wideseek_baselines.train.reporting.log import RunLog
from wideseek_baselines.train.reporting.monitor import Monitor
from wideseek_baselines.train.reporting.recorded import RECORD, training_record
from wideseek_baselines.train.reporting.trackers import TrackerRun, Trackers
from wideseek_baselines.train.rollouts.manager import RolloutManager
from wideseek_baselines.train.stopping import Stopping
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.progress import PROGRESS, announced_steps
from wideseek_env.files import is_temporary
from wideseek_env.provenance.kinds import check_kind

OnStep = Callable[[Mapping[str, Any]], None]
"""A function that is called with the metrics of every step and every evaluation, on the first process only."""


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
    """The Hugging Face folder of the trained model. If each role has weights, it has a folder for each role."""
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
        optimizers: Mapping[str, PolicyOptimizer],
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
        self._notices: list[str] = []
        distributed.from_main(lambda: check_kind(self.out, "train"))
        distributed.from_main(self._clear_remains)
        self._resume()
        self._recorded = training_record(self.out, type(config).__name__, self.state)
        self.stopping = Stopping(self._save_stopped)
        """Use it as a ``with`` block around the steps. If Ctrl-C or SIGTERM stops the run, a checkpoint is written."""
        self._saved = self.step
        self.keep_state()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if distributed.is_main():
                if self.step < self.steps:  # a run that is complete keeps its record
                    self._recorded.write()
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
        if self._notices:
            metrics = {**metrics, "warnings": [*self._notices, *metrics.get("warnings", ())]}
            self._notices = []
        if not distributed.is_main():
            return
        self._log.write(self.step, metrics)
        self._trackers.write(self.step, metrics)
        if self._on_step is not None:
            self._on_step({"step": self.step, "steps": self.steps, **metrics})

    def save(self) -> None:
        """Write a checkpoint."""
        self.keep_state()
        self._save_kept()

    def export(self) -> None:
        """Write the model as a Hugging Face folder. If it has several parts, each has a folder in `model`."""
        for name, part in self._model.parts.items():
            export(
                part.causal,
                self._settings.model.path,
                self.out / "model" / name,
                {"step": self.step},
                settings=self.model_settings,
                adapter=part.adapter,
                adapter_folder=self.out / "adapter" / name,
            )

    @property
    def model_settings(self) -> str:
        """The settings that the exported model carries, as TOML text. Empty if it carries none."""
        return ""

    def keep_state(self) -> None:
        """Remember the state at the end of a step. A run that is stopped in the next step is saved with this state."""
        self._kept = copy.deepcopy(self.state), checkpoint.generator_states()

    def _save_kept(self) -> None:
        states = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        state, generators = self._kept
        checkpoint.save(
            self.out / "checkpoints",
            self.step,
            self._module,
            states,
            state,
            generators=generators,
            keep=self._settings.checkpoint.keep,
        )
        self._saved = self.step

    def _save_stopped(self) -> None:
        """Save a run that a signal has stopped, unless its last step is saved already."""
        if self._saved != self.step:
            self._save_kept()

    def _clear_remains(self) -> None:
        """Remove what a killed run left in `out`."""
        checkpoint.clear_remains(self.out / "checkpoints")
        for part in self._model.parts:
            for name in ("model", "adapter"):
                recover(self.out / name / part)
        for path in self.out.iterdir() if self.out.is_dir() else ():
            if is_temporary(path, ("metrics.jsonl", RECORD, PROGRESS)):
                path.unlink(missing_ok=True)

    def is_due(self, every: int) -> bool:
        """Whether work that is done every `every` steps is due after this step. 0 means never."""
        return bool(every) and self.step % every == 0

    @property
    def skipped(self) -> int:
        """The number of optimizer steps that were skipped so far."""
        return sum(optimizer.skipped for optimizer in self._optimizers.values())

    @property
    def _annealed(self) -> bool:
        """Whether the reward depends on the share of the run that is done."""
        return False

    def _resume(self) -> None:
        out = self._settings.out
        found = checkpoint.load_latest(self.out / "checkpoints")
        if found is None:
            return
        if not self._settings.resume:
            raise ConfigError(f"{out} has a run already: choose another out, or set resume=true")
        refuse_changes(out, self._settings, found.position, self.state, annealed=self._annealed)
        found.restore(self._module)
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(found.optimizer[name])
        if found.damaged:
            checkpoint.set_aside(list(found.damaged))
            self._notices += found.damaged.values()
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
            far, and `evaluated`, the step of the last evaluation.

    Raises:
        ConfigError: `out` has a run with other tasks or settings, or ``resume`` is false and `out` has any run.
    """

    def __init__(
        self,
        config: RunConfig,
        manager: RolloutManager,
        model: TokenModel,
        module: nn.Module,
        optimizers: Mapping[str, PolicyOptimizer],
        on_step: OnStep | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._manager = manager
        tasks = hashlib.sha256("\n".join(task.id for task in manager.tasks).encode()).hexdigest()
        first = {"drawn": 0, "evaluated": None, "monitor": {}, "game": manager.game_record, **(state or {})}
        super().__init__(config, config.steps, model, module, optimizers, tasks, on_step, first)
        self._config = config
        self._monitor = Monitor(config.collapse, self.state["monitor"])
        self.state["monitor"] = self._monitor.state

    @property
    def _annealed(self) -> bool:
        return self._manager.annealed

    def _begin(self) -> None:
        parts = self._model.parts
        if self.step and distributed.from_main(
            lambda: any(about_model(self.out / "model" / name).get("step") != self.step for name in parts)
        ):
            self.export()  # the run was killed after it had saved this step
        if self.step >= self.steps:
            return
        self._manager.start()
        if self.step:
            self._manager.update(self._model, self.step)
        if self._evaluation_due and self.state.get("evaluated", self.step) != self.step:
            self._evaluate()

    def finish(self, metrics: Mapping[str, float], trained_tokens: int, warnings: Sequence[str] = ()) -> None:
        """End a training step: send the new weights to the engines and write the metrics. Call it inside
        ``stopping.held()``, and `after_step` after that.

        Args:
            metrics: The metrics of the step.
            trained_tokens: The number of generated tokens that the step trained on.
            warnings: Texts that are shown and logged with the metrics.
        """
        self.step += 1
        self.state["tokens"] += trained_tokens
        values: dict[str, Any] = {**metrics, "trained_tokens": trained_tokens, "skipped": self.skipped}
        if told := [*warnings, *self._monitor.check(metrics)]:
            values["warnings"] = told
        self.keep_state()
        began = time.perf_counter()
        try:
            if not self.stopping.soon:
                self._manager.update(self._model, self.step)
        except EngineError:
            if not self.stopping.soon:  # otherwise Ctrl-C has ended the engine's processes too
                raise
        values["update_seconds"] = time.perf_counter() - began
        self.tell(values)

    def after_step(self) -> None:
        """Stop here if a signal came during the step. Otherwise evaluate and save if it is due."""
        self.stopping.check()
        last = self.step >= self.steps
        if self._evaluation_due:
            self._evaluate()
        if last or self.is_due(self._config.checkpoint.every):
            with self.stopping.held():
                self.save()
                self.export()
            self.stopping.check()

    @property
    def model_settings(self) -> str:
        """The game and the engine's settings of this run, as TOML text."""
        options = policy_options(self._config.model.path, self._config.engine)
        return settings_text(self._manager.game, options)

    @property
    def _evaluation_due(self) -> bool:
        """Whether an evaluation belongs to this step. One is before the first step, and one after the last."""
        every = self._config.evaluation.every
        return bool(every) and (self.step % every == 0 or self.step >= self.steps)

    def _evaluate(self) -> None:
        metrics = self._manager.evaluate()
        with self.stopping.held():
            self.tell(metrics)
            self.state["evaluated"] = self.step
            self.keep_state()
        self.stopping.check()

    def _save_stopped(self) -> None:
        if self._saved != self.step:
            super()._save_stopped()
            self.export()

    @property
    def result(self) -> RunResult:
        """The result so far."""
        return RunResult(self.out / "model", self.step, self.state["tokens"], self.skipped)
