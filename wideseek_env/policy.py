"""`Policy`: what plays an environment, and how policies are found by name.

A policy gets the turns of all agents that are acting and returns one action for each. It may keep state; if it
decides from `Turn.messages` alone, it works under every driver without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.messages import Action, Message, Role
from wideseek_env.plugins import GROUPS, find_part

if TYPE_CHECKING:
    from wideseek_env.game import Game
    from wideseek_env.task import Task
    from wideseek_env.trajectory import Trajectory

ENTRY_POINTS = GROUPS["policy"]
"""The entry-point group in which packages announce policies: a name and a callable that makes the policy."""

KNOWN = {
    "scripted": "wideseek-baselines",
    "random": "wideseek-baselines",
    "vllm": "wideseek-baselines[vllm]",
    "openai": "wideseek-baselines[openai]",
    "transformers": "wideseek-baselines[transformers]",
}
"""Policies of other packages that a user may ask for by name before installing them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one acting agent can see: nothing of the task but its own conversation and tools."""

    agent: str
    role: Role
    observation: str
    """The text that is new."""
    messages: Sequence[Message]
    """The whole conversation."""
    tools: Sequence[dict[str, Any]]
    """Tool schemas in OpenAI form."""
    turns_left: int
    """Turns that remain, this one included."""
    conversation: int = 0
    """The number of the agent's conversation in the episode: a slot that is used again begins a new one."""
    tools_in_prompt: bool = True
    """Whether the system prompt describes the tools, so that a chat template must not do it again."""


@runtime_checkable
class Policy(Protocol):
    """What plays."""

    @property
    def name(self) -> str:
        """What the policy is called in records."""
        ...

    def reset(self, seed: int) -> None:
        """A new episode begins; the same seed makes the same decisions."""
        ...

    def act(self, turns: Sequence[Turn]) -> Sequence[Action]:
        """One action for each turn, in the same order."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to be played: `trial` counts the episodes of the same task."""

    task: Task
    seed: int = 0
    trial: int = 0


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """One job that has ended. With an `error` the policy or a service failed; the trajectory is then that of the
    aborted episode, or None where there is none."""

    job: Job
    trajectory: Trajectory | None
    error: str = ""


@runtime_checkable
class EpisodeRunner(Protocol):
    """A policy that also plays whole episodes by itself, many at a time, as an engine wants them."""

    def run_jobs(self, game: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        """Play every job once and hand each back when it has ended, in any order.

        Trajectories carry what the policy knows in `meta` (such as `usage`). Closing the iterator stops
        the episodes that are under way.
        """
        ...


@contextmanager
def opened_policy(name: str, **options: Any) -> Iterator[Policy]:
    """`make_policy`, and the policy's `close` (if it has one) at the end: engines are processes."""
    policy = make_policy(name, **options)
    try:
        yield policy
    finally:
        close = getattr(policy, "close", None)
        if callable(close):
            close()


def make_policy(name: str, **options: Any) -> Policy:
    """The policy called `name`: an entry point, or ``module:Class`` for one's own; see `wideseek_env.plugins`.

    `options` are passed on. `ConfigError` for an unknown name or wrong options, `MissingDependencyError` when
    the package that has it is not installed.
    """
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    try:
        if name in found:
            factory = found[name].load()
        elif ":" in name:
            factory, given = find_part("policy", name)
            options = {**given, **options}
        elif name in KNOWN:
            package = KNOWN[name]
            raise MissingDependencyError(f"the policy {name!r} is in {package}: pip install '{package}'")
        else:
            names = ", ".join(sorted(found)) or "none is installed: pip install wideseek-baselines"
            raise ConfigError(f"no policy {name!r}; there are: {names}; for your own write module:Class")
    except (ImportError, AttributeError) as error:
        if isinstance(error, MissingDependencyError):
            raise
        raise ConfigError(f"the policy {name!r} cannot be loaded: {error}") from error
    try:
        policy = factory(**options)
    except TypeError as error:
        raise ConfigError(f"the policy {name!r} does not take these options: {error}") from error
    if not isinstance(policy, Policy):
        raise ConfigError(f"{name!r} makes a {type(policy).__name__}, which lacks name, reset or act")
    return policy
