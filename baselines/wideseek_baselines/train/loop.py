"""`Run`: what happens around the train steps of reinforcement learning, the same for every algorithm.

New weights to the engines, evaluation, log, warnings, checkpoints and the way back from one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import nn

from wideseek_baselines.train import distributed
from wideseek_baselines.train.config.loading import config_to_dict
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
from wideseek_env.tasks.task import Task

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run."""

    model: Path
    """A Hugging Face folder."""
    steps: int
    tokens: int
    """Generated tokens that were trained on, over all runs that were continued."""
    skipped: int
    """Optimiser steps that were skipped because a gradient was not finite."""


class Run:
    """One run, from its newest checkpoint if there is one.

    Args:
        config: Of the run.
        players: Get the weights of every step.
        model: The policy.
        module: Everything that is trained; goes into checkpoints.
        optimizers: By name.
        report: Told the numbers of every step.
        state: JSON values of the algorithm's own that go into checkpoints; see `state`.

    Raises:
        ConfigError: `out` holds a run with other settings, or one at all and ``resume`` is off.
    """

    def __init__(
        self,
        config: RunConfig,
        players: RolloutManager,
        model: TokenModel,
        module: nn.Module,
        optimizers: Mapping[str, Optimizer],
        report: Report | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._config = config
        self._players = players
        self._model = model
        self._module = module
        self._optimizers = optimizers
        self._report = report
        self._out = Path(config.out)
        self._stack = ExitStack()
        self.step = 0
        """Steps done; also the version of the policy that plays now."""
        self.state: dict[str, Any] = {
            "fingerprint": fingerprint(config, players.tasks),
            "drawn": 0,
            "tokens": 0,
            "monitor": {},
            **(state or {}),
        }
        """Where the run is: `drawn` tasks so far, trained `tokens` so far, and the algorithm's own."""
        self._resume()
        self._monitor = Monitor(config.collapse, self.state["monitor"])
        self.state["monitor"] = self._monitor.state

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if distributed.is_main():
                stack.enter_context(announced_steps(self._out, self._config.steps, lambda: self.step))
            self._log = stack.enter_context(RunLog(self._out / "metrics.jsonl", self.step or -1))
            if distributed.is_main():
                self._boards = stack.enter_context(Trackers(self._shown, self._config.trackers))
            if self.step < self._config.steps:
                self._players.start()
                if self.step:
                    self._players.update(self._model, self.step)
                elif self._config.evaluation.every:
                    self._tell(self._players.evaluate())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def finish(self, figures: Mapping[str, float], trained_tokens: int) -> None:
        """A train step is done: new weights to the engines, then everything that is due.

        Args:
            figures: Of the step.
            trained_tokens: Generated tokens that it trained on.
        """
        self.step += 1
        self.state["tokens"] += trained_tokens
        began = time.perf_counter()
        self._players.update(self._model, self.step)
        seconds = time.perf_counter() - began
        values: dict[str, Any] = {
            **figures,
            "update_seconds": seconds,
            "trained_tokens": trained_tokens,
            "skipped": self.skipped,
        }
        if warnings := self._monitor.look(figures):
            values["warnings"] = warnings
        self._tell(values)
        last = self.step >= self._config.steps
        every = self._config.evaluation.every
        if every and (last or self.step % every == 0):
            self._tell(self._players.evaluate())
        if last or (self._config.checkpoint.every and self.step % self._config.checkpoint.every == 0):
            self._keep()

    @property
    def _shown(self) -> TrackerRun:
        """What boards are told about this run."""
        config = self._config
        return TrackerRun(self._out, self.step, config.project, config.name, config_to_dict(config))

    @property
    def skipped(self) -> int:
        """Optimiser steps skipped so far."""
        return sum(optimizer.skipped for optimizer in self._optimizers.values())

    @property
    def result(self) -> RunResult:
        """What came of it so far."""
        return RunResult(self._out / "model", self.step, self.state["tokens"], self.skipped)

    def _tell(self, values: Mapping[str, Any]) -> None:
        if not distributed.is_main():
            return
        self._log.write(self.step, values)
        self._boards.write(self.step, values)
        if self._report is not None:
            self._report({"step": self.step, "steps": self._config.steps, **values})

    def _keep(self) -> None:
        states = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        checkpoint.save(
            self._out / "checkpoints",
            self.step,
            self._module,
            states,
            self.state,
            keep=self._config.checkpoint.keep,
        )
        checkpoint.export(self._model.causal, self._config.model.path, self._out / "model")

    def _resume(self) -> None:
        found = checkpoint.load_latest(self._out / "checkpoints")
        if found is None:
            return
        if not self._config.resume:
            raise ConfigError(f"{self._config.out} has a run already: choose another out, or set resume=true")
        if found.position["fingerprint"] != self.state["fingerprint"]:
            raise ConfigError(
                f"{self._config.out} has a run with other tasks or settings: choose another out"
            )
        found.restore(self._module)
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(found.optimizer[name])
        self.step, self.state = found.step, dict(found.position)


def fingerprint(config: RunConfig, tasks: Sequence[Task]) -> str:
    """Of all that must be the same for a run to go on to the same result."""
    settings = config_to_dict(config)
    for name in ("out", "resume", "checkpoint", "evaluation", "collapse", "trackers", "project", "name"):
        del settings[name]
    del settings["engine"]["sleep"]
    if config.optim.schedule == "constant":
        del settings["steps"]  # such a run may be made longer
    settings["task_ids"] = [task.id for task in tasks]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
