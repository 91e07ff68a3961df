"""`Policy`: decides what agents do. Policies are found by name.

A policy gets the turns of all agents that are acting and returns one action for each. A policy may keep state. A
policy that decides from `Turn.messages` alone needs no state and works under every driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint
from wideseek_env.messages import Action, Message, Role
from wideseek_env.plugins import GROUPS, announced, call, find_part
from wideseek_env.reprs import short

if TYPE_CHECKING:
    from wideseek_env.game import Game
    from wideseek_env.task import Task
    from wideseek_env.trajectory import Trajectory

ENTRY_POINTS = GROUPS["policy"]
"""The entry-point group in which packages announce policies. An entry has a name and a callable that makes the
policy."""

_SPEED = "speed_options"

KNOWN = {"scripted": "", "random": "", "vllm": "vllm", "openai": "openai", "transformers": "transformers"}
"""Policies of the baselines and the extra that each needs. A user may name them before installing them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The information of one acting agent: its conversation and its tools.

    It has no other information about the task.
    """

    agent: str
    role: Role
    observation: str
    """The text that is new since the agent's last turn."""
    messages: Sequence[Message]
    """The whole conversation."""
    tools: Sequence[dict[str, Any]]
    """Tool schemas in OpenAI form."""
    turns_left: int
    """The number of turns that remain, including this turn."""
    conversation: int = 0
    """The number of the agent's conversation in the episode.

    In a fixed roster, an agent starts a new one with each subtask.
    """
    tools_in_prompt: bool = True
    """Whether the system prompt describes the tools. If it does, a chat template must not describe them again."""
    first_call_only: bool = False
    """Whether only the first call of a message counts (`wideseek_env.protocol.Protocol.reading`)."""


@runtime_checkable
class Policy(Protocol):
    """Decides what agents do."""

    @property
    def name(self) -> str:
        """The name of the policy in records."""
        ...

    def reset(self, seed: int) -> None:
        """Prepare for a new episode. The same seed leads to the same decisions."""
        ...

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """Return one action for each turn, in the same order."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to be run. `trial` numbers the episodes of the same task."""

    task: Task
    seed: int = 0
    trial: int = 0


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """The result of one job.

    If `error` is not empty, the policy or a service failed. In this case `trajectory` is the record of the aborted
    episode, or None if there is no record.
    """

    job: Job
    trajectory: Trajectory | None
    error: str = ""


@runtime_checkable
class EpisodeRunner(Protocol):
    """A policy that also runs whole episodes by itself, many at a time, to keep an engine busy."""

    def run_jobs(self, game: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        """Run every job once and yield each result when its episode has ended, in any order.

        The policy adds its own data, such as `usage`, to the `meta` of trajectories. Closing the iterator stops
        the running episodes.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The settings for which a model was trained. A command uses them where the user sets nothing."""

    name: str
    """Name of the model, for messages."""
    game: Mapping[str, Any] = field(default_factory=dict)
    """Settings of `GameConfig`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the policy."""


def settings_of_model(name: str, /, **options: Any) -> ModelSettings | None:
    """The settings that the model of a policy carries, or None.

    The class or function that makes the policy may have an attribute `suggest`. It is a function that gets the options
    of the policy as a mapping, and returns a `ModelSettings` or None.

    Args:
        name: The policy, as for `make_policy`.
        options: Options of the policy.

    Raises:
        ConfigError: The name is unknown, or the settings of the model cannot be read.
    """
    if name in KNOWN and name not in announced("policy"):
        return None  # `make_policy` says what is missing
    factory, given = find_part("policy", name)
    suggest = getattr(factory, "suggest", None)
    if not callable(suggest):
        return None
    found: ModelSettings | None = suggest({**given, **options})
    return found


@contextmanager
def opened_policy(name: str, /, **options: Any) -> Iterator[Policy]:
    """Make a policy with `make_policy` and close it at the end if it has `close`.

    Without this, the engine processes of the policy would stay.
    """
    policy = make_policy(name, **options)
    try:
        yield policy
    finally:
        close = getattr(policy, "close", None)
        if callable(close):
            close()


def make_policy(name: str, /, **options: Any) -> Policy:
    """The policy called `name`: an entry point, or ``module:Class`` for a custom policy.

    Args:
        name: The name, as in `wideseek_env.plugins`. It may contain options, as in ``module:Class,key=value``.
        options: Options for the policy's class or function. They override those in `name`.

    Raises:
        ConfigError: The name is unknown, the policy cannot be loaded, or it does not accept these options.
        MissingDependencyError: The package that has the policy is not installed.
    """
    if not isinstance(name, str):
        advice = (
            f"make an object of it: {name.__name__}(…)" if isinstance(name, type) else "use the object itself"
        )
        raise ConfigError(
            f"make_policy takes the name of a policy, such as 'scripted', not {short(name)}: {advice}"
        )
    if name in KNOWN and name not in announced("policy"):
        raise MissingDependencyError(
            f"the policy {name!r} is in the baselines; {baselines_hint(KNOWN[name])}"
        )
    factory, given = find_part("policy", name)
    if not callable(factory):
        raise ConfigError(
            f"the policy {name!r} is a {type(factory).__name__}: name a class of policies, or a function that returns "
            "a policy"
        )
    policy = call("policy", name, factory, {**given, **options})
    if not isinstance(policy, Policy):
        raise ConfigError(f"{name!r} makes a {type(policy).__name__}, which lacks name, reset or act")
    return policy


Factory = TypeVar("Factory", bound=Callable[..., Any])


def sets_only_speed(*names: str) -> Callable[[Factory], Factory]:
    """A decorator for a class or function that makes a policy. The options `names` decide no result.

    They only set speed, memory or patience. A run may be resumed with other values of them. A nested option has a
    dotted name.
    """

    def mark(factory: Factory) -> Factory:
        setattr(factory, _SPEED, names)
        return factory

    return mark


def speed_options(name: str) -> list[str]:
    """The options of the policy called `name` that only set speed (`sets_only_speed`). Empty for a label."""
    try:
        factory, _ = find_part("policy", name)
    except ConfigError:
        return []
    return sorted(getattr(factory, _SPEED, ()))
