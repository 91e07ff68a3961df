"""`Trackers`: the metrics of a run for TensorBoard, Weights & Biases and trackio.

A tracker only shows metrics. One that fails during a run is dropped with a warning, and training continues.
"""

from __future__ import annotations

import importlib
import logging
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from wideseek_baselines.train.config.options import TrackerName
from wideseek_env.errors import ConfigError, MissingDependencyError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrackerRun:
    """The run that a tracker shows."""

    out: Path
    """Its folder."""
    step: int = 0
    """Steps done by the checkpoint that it resumes from."""
    project: str = "wideseek"
    name: str | None = None
    """None: the name of the folder."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its configuration, in plain values."""

    @property
    def title(self) -> str:
        """The name that a tracker shows."""
        return self.name or self.out.resolve().name


class Tracker(Protocol):
    """Shows metrics."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show the metrics of a step."""
        ...

    def close(self, failed: bool) -> None:
        """The run has ended; `failed` says whether with an error."""
        ...


class TensorBoard:
    """Event files in ``out/tensorboard``. Steps after the checkpoint are dropped when a run is resumed."""

    def __init__(self, run: TrackerRun) -> None:
        _package("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        folder = str(run.out / "tensorboard")
        self._writer: Any = SummaryWriter(folder, purge_step=run.step + 1 if run.step else None)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show the metrics of a step."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self, failed: bool) -> None:
        """End the run."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases, with its files in ``out/wandb``.

    Its environment variables say where it is sent; WANDB_MODE=offline keeps it on this machine. A resumed run is the
    same run there. Steps after the checkpoint are then shown twice.
    """

    def __init__(self, run: TrackerRun) -> None:
        wandb = _package("wandb")
        about = run.out / "wandb" / "run-id"
        known = run.step > 0 and about.is_file()
        identifier = about.read_text("utf-8").strip() if known else uuid.uuid4().hex[:8]
        self._run: Any = wandb.init(
            project=run.project,
            name=run.title,
            id=identifier,
            resume="allow",
            dir=str(run.out),
            config=dict(run.settings),
            allow_val_change=True,
            settings=wandb.Settings(console="off"),  # it would take the terminal's output over
        )
        self._run.define_metric("*", step_metric="step")
        about.parent.mkdir(parents=True, exist_ok=True)
        about.write_text(identifier, "utf-8")

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show the metrics of a step."""
        self._run.log({"step": step, **numbers})

    def close(self, failed: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=int(failed))


class Trackio:
    """A run of trackio, in its folder on this machine (TRACKIO_DIR) or where its environment variables say."""

    def __init__(self, run: TrackerRun) -> None:
        self._trackio = _package("trackio")
        with redirect_stdout(sys.stderr):  # stdout is for results
            self._run: Any = self._trackio.init(
                project=run.project,
                name=run.title,
                config=dict(run.settings),
                resume="allow" if run.step else "never",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show the metrics of a step."""
        self._run.log(dict(numbers), step=step)

    def close(self, failed: bool) -> None:
        """End the run."""
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


TRACKERS: Mapping[TrackerName, Callable[[TrackerRun], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "trackio": Trackio,
}


class Trackers:
    """All trackers of a run. TensorBoard's files are written whenever it is installed.

    Args:
        run: The run that they show.
        names: Trackers that are required.

    Raises:
        ConfigError: A tracker could not be started.
        MissingDependencyError: The package of a required tracker is not installed.
    """

    def __init__(self, run: TrackerRun, names: Sequence[TrackerName] = ()) -> None:
        self._trackers: dict[str, Tracker] = {}
        for name, make in TRACKERS.items():
            if name not in names and name != "tensorboard":
                continue
            try:
                self._trackers[name] = make(run)
            except MissingDependencyError:
                if name in names:
                    self.close(failed=True)
                    raise
            except Exception as error:
                self.close(failed=True)
                raise ConfigError(
                    f"the tracker {name!r} could not be started ({' '.join(str(error).split())[:300]}): correct "
                    f"that, leave it out of trackers, or keep it on this machine{_OFFLINE.get(name, '')}"
                ) from error

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Write the numbers among the values of a step."""
        numbers = {
            name: value
            for name, value in values.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        for name, tracker in list(self._trackers.items()):
            try:
                tracker.write(step, numbers)
            except Exception as error:
                log.warning(
                    "the tracker %s failed at step %d and gets no more metrics: %s", name, step, error
                )
                del self._trackers[name]
                with suppress(Exception):
                    tracker.close(True)

    def close(self, failed: bool = False) -> None:
        """Close all trackers. Closing twice does nothing."""
        while self._trackers:
            name, tracker = self._trackers.popitem()
            try:
                tracker.close(failed)
            except Exception as error:
                log.warning("the tracker %s could not be closed: %s", name, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=error is not None)


def check_packages(names: Sequence[TrackerName]) -> None:
    """Check before a run that the packages are installed; `MissingDependencyError` names one that is not."""
    for name in names:
        _package(name)


_OFFLINE = {"wandb": " with WANDB_MODE=offline"}


def _package(name: TrackerName) -> Any:
    """The package of a tracker."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"the tracker {name!r} needs its package: pip install 'wideseek-baselines[{name}]'"
        ) from error
