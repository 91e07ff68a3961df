"""Every error that a user of this package can cause, under one root.

Each says what was wrong and what to do about it. The text of an agent never raises one of these: whatever
a model writes becomes a message to that model (see `wideseek_env.episode`).
"""

from __future__ import annotations


class WideSeekError(Exception):
    """Root of all errors raised on purpose by this package."""


class ConfigError(WideSeekError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""


class UnnamedPartError(ConfigError):
    """A live object has no name, ``module:name``, by which another process could import it."""


class ActionError(WideSeekError, TypeError):
    """A driver handed over something that is no action, or for an agent whose turn it is not."""


class TaskError(WideSeekError, ValueError):
    """A task or a file of tasks is not of the documented form."""


class CorpusError(WideSeekError):
    """A corpus or an index cannot be read or built."""


class IndexDamagedError(CorpusError):
    """The files of an index are incomplete, damaged or from another version; build it again."""


class TrajectoryError(WideSeekError, ValueError):
    """A recorded run cannot be read, or replays to something other than what was recorded."""


class MissingDependencyError(WideSeekError, ImportError):
    """A feature needs an optional package; the message names it and the command that installs it."""


class ServiceError(WideSeekError):
    """A service on the network refused a request, or still failed after all retries.

    `status` is the HTTP status of its last answer, None when there was none. Neither the message nor any
    attribute holds a key.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class UnknownVerdictError(WideSeekError, LookupError):
    """A recorded judge was asked something that its recording does not hold; record it first."""


def baselines_hint(extra: str = "") -> str:
    """The command that installs the baselines with an extra, for the message of a `MissingDependencyError`."""
    package = f'"baselines[{extra}]"' if extra else "baselines"
    return f"in the source folder, run: pip install -e {package}"
