"""All errors that this package raises on purpose. They have one base class.

Each message says what was wrong and what to do about it. If an agent writes something wrong, none of these errors is
raised. The agent gets a message about the mistake instead (`wideseek_env.episode`).
"""

from __future__ import annotations


class WideSeekError(Exception):
    """The base class of all errors that this package raises on purpose."""


class ConfigError(WideSeekError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""


class SuiteError(ConfigError):
    """The tasks of a benchmark suite are not those of its version, or cards of different suites are compared."""


class ChangedRunError(ConfigError):
    """A folder has results of other settings or inputs. The message names what differs, with both values.

    `differences` has each name with the value in the record and the value now.
    """

    def __init__(self, message: str, differences: tuple[tuple[str, object, object], ...] = ()) -> None:
        super().__init__(message)
        self.differences = differences


class UnnamedPartError(ConfigError):
    """A live object has no name ``module:name`` by which another process could import it."""


class ActionError(WideSeekError, TypeError):
    """A driver passed an object that is not an action, or an action of an agent whose turn it is not."""


class CopyError(WideSeekError, TypeError):
    """An environment or a game cannot be copied or pickled, or not at this moment. The message names the part."""


class TaskError(WideSeekError, ValueError):
    """A task or a file of tasks does not have the documented form."""


class CorpusError(WideSeekError):
    """A corpus or an index cannot be read or built."""


class IndexDamagedError(CorpusError):
    """The files of an index are incomplete, damaged or from another version. Build the index again."""


class TrajectoryError(WideSeekError, ValueError):
    """A recorded episode cannot be read, or its replay differs from the record."""


class MissingDependencyError(WideSeekError, ImportError):
    """A feature needs an optional package. The message names the package and the command that installs it."""


class ServiceError(WideSeekError):
    """A service on the network refused a request, or failed after all retries.

    `status` is the HTTP status of its last answer, or None if the service gave no answer. Neither the message nor any
    attribute contains a secret key.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BudgetError(WideSeekError):
    """A budget of tokens is used up. Finished work is kept. The same command with a larger budget resumes the run."""


class TimeLimitError(WideSeekError, TimeoutError):
    """Work took longer than its time limit and was ended. Raise the limit, or read a smaller page."""


class WorkerError(WideSeekError, RuntimeError):
    """A worker process of a vector of environments has ended or failed. Make a new vector."""


class UnknownVerdictError(WideSeekError, LookupError):
    """A recorded judge has no verdict for a question. Record the verdict first."""


def extra_hint(extra: str) -> str:
    """The command that installs this package with an extra, for the message of a `MissingDependencyError`."""
    return f'in the source folder, run: pip install -e ".[{extra}]"'


def baselines_hint(extra: str = "") -> str:
    """The command that installs the baselines with an extra, for the message of a `MissingDependencyError`."""
    package = f'"baselines[{extra}]"' if extra else "baselines"
    return f"in the source folder, run: pip install -e {package}"


class WideSeekWarning(UserWarning):
    """Something that a user should know, although the work goes on. Commands print it as one line."""


class DamagedLineWarning(WideSeekWarning):
    """A line of a file cannot be read, so one record is missing."""


class JudgeWarning(WideSeekWarning):
    """A model should judge some cells, but the game or the command has no model. So rules decide them."""


class ToolWarning(WideSeekWarning):
    """A custom tool returned something other than text. The agent that called it got an error."""


class ProvenanceWarning(WideSeekWarning):
    """A record of an earlier or other version is resumed, so something could not be checked."""
