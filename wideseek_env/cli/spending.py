"""What a run costs in tokens: said before the first request, limited by `--max-tokens`, and said again at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from wideseek_env.cli.console import say
from wideseek_env.errors import BudgetError, ConfigError
from wideseek_env.llm.budget import Endpoint, TokenBudget, Tokens, read_tokens, write_tokens

if TYPE_CHECKING:
    from wideseek_env.evaluation.expected_tokens import Range
    from wideseek_env.game import Game
    from wideseek_env.task import Task

STOPPED = 3
"""The exit code of a command that `--max-tokens` stopped."""
_SAVED_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """Episodes that are still to be run: their game, its tasks, and their number."""

    game: Game
    tasks: Sequence[Task]
    episodes: int


class Spending:
    """Counts the tokens of a run's services, and limits them. Use it in a ``with`` statement.

    If the run uses no service, it says and writes nothing.

    Args:
        limit: The value of `--max-tokens`.
        file: The file with the tokens of all sessions of the run. None if the run is not recorded.
        fresh: Whether the run starts over, so that earlier sessions do not count.
    """

    def __init__(self, limit: int | None, file: Path | None, *, fresh: bool = False) -> None:
        before = read_tokens(file) if file is not None and not fresh else None
        self.budget = TokenBudget(limit, before=before or Tokens())
        self.expected: Range | None = None
        self._known = before is not None
        self._file = file
        self._saved = 0.0
        self._endpoints: dict[str, list[Endpoint]] = {}

    def watch(self, role: str, source: object) -> None:
        """Count the tokens of a policy, a judge or a summariser, if it uses a service. `role` is one of these words."""
        endpoints = list(getattr(source, "endpoints", ()))
        limit = getattr(source, "limit_tokens", None)
        if callable(limit) and endpoints:
            known = self._endpoints.setdefault(role, [])
            known += [each for each in endpoints if each not in known]
            limit(self.budget)

    def watch_game(self, game: Game) -> None:
        """Count the tokens of a game's judge and summariser."""
        self.watch("judge", game.judge)
        self.watch("summariser", game.summariser)

    @property
    def used(self) -> bool:
        """Whether the run uses a service."""
        return bool(self._endpoints)

    def check(self) -> bool:
        """Whether the run uses a service. Call it when everything is watched, before anything is written.

        Raises:
            ConfigError: `--max-tokens` is given, but the run uses no service.
        """
        if not self.used and self.budget.limit is not None:
            raise ConfigError(
                "--max-tokens counts the tokens of model services, and this run uses none: leave it out, or use "
                "--policy openai or a judge openai:MODEL@URL"
            )
        return self.used

    def announce(
        self,
        parts: Iterable[Part],
        *,
        recorded: tuple[int, float] = (0, 0.0),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what the rest of the run will need.

        Args:
            parts: The episodes that are still to be run.
            recorded: The number of recorded episodes and their tokens, as the records report them.
            options: Options of the policy.

        Raises:
            ConfigError: `--max-tokens` is given, but the run uses no service.
        """
        if not self.check():
            return
        from wideseek_env.evaluation.expected_tokens import Paid, Range, assumptions, run_range

        paid = Paid(*(role in self._endpoints for role in ("policy", "judge", "summariser")))
        turn_tokens = (options or {}).get("turn_tokens")
        length = turn_tokens if isinstance(turn_tokens, int) and turn_tokens > 0 else None
        found, episodes = Range(), 0
        for part in parts:
            found += run_range(part.game, part.tasks, part.episodes, paid, turn_tokens=length)
            episodes += part.episodes
        self._resume(*recorded)
        self.tell(found, f"{episodes:,} episodes", episodes, assumptions(paid))

    def tell(self, found: Range, what: str, count: int, assumed: str) -> None:
        """Say what `what` will need: `count` pieces of work with the load `found`."""
        self.expected = found
        self.budget.expected = found.usual.tokens / count if count else None
        for role, endpoints in self._endpoints.items():
            for each in endpoints:
                here = ", on this machine" if each.is_local else ""
                say(f"The {role} uses {each.model} at {each.url}{here}.")
        rows = (
            ("requests", [load.requests for load in (found.least, found.usual, found.most)]),
            ("prompt tokens", [load.prompt for load in (found.least, found.usual, found.most)]),
            ("completion tokens", [load.completion for load in (found.least, found.usual, found.most)]),
        )
        say(f"Expected for {what}:")
        for name, (least, usual, most) in rows:
            say(f"  {name}: {least:,.0f} to {most:,.0f}, usually about {usual:,.0f}")
        say(f"Assumptions: {assumed}")
        before, limit = self.budget.before.total, self.budget.limit
        if before:
            ended = self.budget.episodes
            mean = f" That is {before / ended:,.0f} for each ended episode." if ended else ""
            say(f"Earlier sessions of this run used {before:,} tokens.{mean}")
        if limit is not None:
            say(f"Budget: {limit:,} tokens (--max-tokens). The run stops when they are used.")

    def _resume(self, episodes: int, tokens: float) -> None:
        """Take the work of earlier sessions into account."""
        before = self.budget.before if self._known else Tokens(prompt_tokens=round(tokens))
        self.budget.resume(before, episodes)

    def save(self, *_: object) -> None:
        """Write the tokens so far, at most once a second."""
        if time.monotonic() - self._saved >= _SAVED_EVERY:
            self._write()

    def _write(self) -> None:
        self._saved = time.monotonic()
        if self._file is not None and self.budget.session.requests and self._file.parent.is_dir():
            write_tokens(self._file, self.budget.used)

    def to_dict(self) -> dict[str, Any]:
        """The tokens for the JSON of a result, under the key "tokens". Empty if the run uses no service."""
        if not self.used:
            return {}
        budget = self.budget
        return {
            "tokens": {
                **asdict(budget.used),
                "session": asdict(budget.session),
                "budget": budget.limit,
                "expected": self.expected,
            }
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.used:
            return
        self._write()
        session, used = self.budget.session, self.budget.used
        before = f" All sessions of this run: {used.total:,} tokens." if self.budget.before.total else ""
        say(f"Used: {session}.{before}")
        if session.estimated:
            say(
                f"{session.estimated:,} of the replies had no token count. They are estimated at four characters per "
                "token."
            )


def recorded_tokens(run: Path) -> tuple[int, float]:
    """The number of finished episodes in a folder of runs, and the tokens that their records report."""
    from wideseek_env.evaluation.folder import SETTINGS
    from wideseek_env.evaluation.reading import read_run

    episodes, tokens = 0, 0.0
    folders = [run, *sorted(run.glob("*/"))] if run.is_dir() else []
    for folder in (each for each in folders if (each / SETTINGS).is_file()):
        for record in read_run(folder).records:
            episodes += not record.failed
            for usage in (record.usage, record.judge_usage, record.summary_usage):
                tokens += sum((usage or {}).get(name, 0) for name in ("prompt_tokens", "completion_tokens"))
    return episodes, tokens


def stop(error: BudgetError, done: str, *, resumes: bool = True) -> None:
    """Say why a run stopped and how far it came, and end the command with exit code 3."""
    text = str(error)
    say(f"Stopped: {text}.")
    say(f"{done}{' The same command with a larger --max-tokens resumes the run.' if resumes else ''}")
    raise click.exceptions.Exit(STOPPED)
