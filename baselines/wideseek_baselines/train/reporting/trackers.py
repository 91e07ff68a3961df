"""`Trackers`: the figures of a run for TensorBoard, Weights & Biases and trackio.

A board is there to be looked at: one that fails while a run is under way is left out from then on, and the run goes on.
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
    """The run that a board shows."""

    out: Path
    """Its folder."""
    step: int = 0
    """Steps done by the checkpoint that it goes on from."""
    project: str = "wideseek"
    name: str | None = None
    """None is the folder's name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its configuration, in plain values."""

    @property
    def title(self) -> str:
        """The name that a board shows."""
        return self.name or self.out.resolve().name


class Board(Protocol):
    """Somewhere to look at figures."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Show the numbers of a step."""
        ...

    def close(self, failed: bool) -> None:
        """The run has ended, well or not."""
        ...


class TensorBoard:
    """Event files in ``out/tensorboard``; those of steps that were lost are dropped."""

    def __init__(self, run: TrackerRun) -> None:
        _package("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        folder = str(run.out / "tensorboard")
        self._writer: Any = SummaryWriter(folder, purge_step=run.step + 1 if run.step else None)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `Board`."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self, failed: bool) -> None:
        """See `Board`."""
        self._writer.close()


class WandbBoard:
    """A run of Weights & Biases, its files in ``out/wandb``.

    Login, server and WANDB_MODE=offline are those of its own environment variables. A run that goes on from a
    checkpoint is the same run there; steps that were lost are then shown twice, the later figures over the earlier.
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
        """See `Board`."""
        self._run.log({"step": step, **numbers})

    def close(self, failed: bool) -> None:
        """See `Board`."""
        self._run.finish(exit_code=int(failed))


class TrackioBoard:
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
        """See `Board`."""
        self._run.log(dict(numbers), step=step)

    def close(self, failed: bool) -> None:
        """See `Board`."""
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


BOARDS: Mapping[TrackerName, Callable[[TrackerRun], Board]] = {
    "tensorboard": TensorBoard,
    "wandb": WandbBoard,
    "trackio": TrackioBoard,
}


class Trackers:
    """All boards of a run. TensorBoard's files are written wherever it is installed.

    Args:
        run: What they show.
        wanted: Those that must be there.

    Raises:
        ConfigError: A board could not be started.
        MissingDependencyError: The package of one that is wanted is not installed.
    """

    def __init__(self, run: TrackerRun, wanted: Sequence[TrackerName] = ()) -> None:
        self._boards: dict[str, Board] = {}
        for name, make in BOARDS.items():
            if name not in wanted and name != "tensorboard":
                continue
            try:
                self._boards[name] = make(run)
            except MissingDependencyError:
                if name in wanted:
                    self.close(failed=True)
                    raise
            except Exception as error:
                self.close(failed=True)
                raise ConfigError(
                    f"the board {name!r} could not be started ({' '.join(str(error).split())[:300]}): put it right, "
                    f"leave it out of boards, or keep it on this machine{_OFFLINE.get(name, '')}"
                ) from error

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Write the numbers among the values of a step."""
        numbers = {
            name: value
            for name, value in values.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        for name, tracker in list(self._boards.items()):
            try:
                tracker.write(step, numbers)
            except Exception as error:
                log.warning("the board %s failed at step %d and gets no more figures: %s", name, step, error)
                del self._boards[name]
                with suppress(Exception):
                    tracker.close(True)

    def close(self, failed: bool = False) -> None:
        """Close them; harmless when closed."""
        while self._boards:
            name, tracker = self._boards.popitem()
            try:
                tracker.close(failed)
            except Exception as error:
                log.warning("the board %s could not be closed: %s", name, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=error is not None)


def check_packages(wanted: Sequence[TrackerName]) -> None:
    """Say now what `Trackers` would say when a run begins: `MissingDependencyError` for a package that is not there."""
    for name in wanted:
        _package(name)


_OFFLINE = {"wandb": " with WANDB_MODE=offline"}


def _package(name: TrackerName) -> Any:
    """The package of a board."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"the board {name!r} needs its package: pip install 'wideseek-baselines[{name}]'"
        ) from error
