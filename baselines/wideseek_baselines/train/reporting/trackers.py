"""`Trackers` sends the metrics of a run to TensorBoard, Weights & Biases and trackio.

If a tracker fails during a run, the run logs a warning and continues without that tracker.
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
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrackerRun:
    """The run that a tracker shows."""

    out: Path
    """The folder of the run."""
    step: int = 0
    """The step of the checkpoint from which the run resumes."""
    project: str = "wideseek"
    name: str | None = None
    """Name of the run in trackers. None uses the name of the folder."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The configuration of the run, as plain values."""

    @property
    def title(self) -> str:
        """The name that a tracker shows."""
        return self.name or self.out.resolve().name


class Tracker(Protocol):
    """A program that shows metrics."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show the metrics of a step."""
        ...

    def close(self, failed: bool) -> None:
        """End the run. `failed` tells whether it ended with an error."""
        ...


class TensorBoard:
    """Writes event files in ``out/tensorboard``. When a run is resumed, steps after its checkpoint are removed."""

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

    The environment variables of wandb decide where it sends the run. With WANDB_MODE=offline the run stays on this
    machine. A resumed run continues the same run in wandb, which then shows steps after the checkpoint twice.
    """

    def __init__(self, run: TrackerRun) -> None:
        wandb = _package("wandb")
        about = run.out / "wandb" / "run-id"
        known = about.read_text("utf-8").strip() if run.step > 0 and about.is_file() else ""
        identifier = (
            known or uuid.uuid4().hex[:8]
        )  # the file is empty if the process was killed while it wrote it
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
    """A run of trackio. It is stored in TRACKIO_DIR on this machine, or where other variables of trackio say."""

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
    """All trackers of a run. If TensorBoard is installed, its files are always written.

    Args:
        run: The run that the trackers show.
        names: Names of trackers that must be installed.

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
        """Send the metrics of a step to all trackers. Values that are not numbers are left out."""
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
    """Check that the packages of trackers are installed. Raises `MissingDependencyError` for the first missing one."""
    for name in names:
        _package(name)


_OFFLINE = {"wandb": " with WANDB_MODE=offline"}


def _package(name: TrackerName) -> Any:
    """The package of a tracker."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"the tracker {name!r} needs its package; {baselines_hint(name)}"
        ) from error
