"""`TokenBudget`: counts the tokens of all services of a run, and stops the run when they are used up.

Every client of a service that has the budget asks `check` before it sends a request, and calls `add` when the reply has
arrived. So a run can exceed the budget only by the requests that are in flight at that moment.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from wideseek_env.addresses import without_keys
from wideseek_env.errors import BudgetError, ConfigError
from wideseek_env.files import write_json

T = TypeVar("T")

CHARACTERS_PER_TOKEN = 4
"""Used where a service reports no tokens, and for estimates."""
TOKENS = "tokens.json"
"""The file in the folder of a run with the tokens that the run has used, in all its sessions."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that were used. `estimated` is the number of replies without a token count of the service."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Self) -> Self:
        return type(self)(*(one + two for one, two in zip(_values(self), _values(other), strict=True)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(one - two for one, two in zip(_values(self), _values(other), strict=True)))

    def __str__(self) -> str:
        requests = "1 request" if self.requests == 1 else f"{self.requests:,} requests"
        return (
            f"{requests}, {self.total:,} tokens ({self.prompt_tokens:,} prompt, "
            f"{self.completion_tokens:,} completion)"
        )


def _values(tokens: Tokens) -> tuple[int, int, int, int]:
    return tokens.requests, tokens.prompt_tokens, tokens.completion_tokens, tokens.estimated


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that answers the requests of a client: its address without keys, and its model."""

    url: str
    model: str

    @classmethod
    def of(cls, base_url: str, model: str) -> Endpoint:
        """The service at an address that may contain keys."""
        return cls(without_keys(base_url), model)

    @property
    def is_local(self) -> bool:
        """Whether the service runs on this machine."""
        host = urlsplit(self.url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


class TokenBudget:
    """Counts tokens, and refuses requests when the limit is reached. Several threads may use it at the same time.

    Args:
        limit: The largest number of prompt and completion tokens together. With None, tokens are only counted.
        before: Tokens that earlier sessions of the run have used. They count.
        episodes: Number of episodes that earlier sessions have finished.
        expected: The expected number of tokens of an episode, until an episode has ended.

    Raises:
        ConfigError: The limit is below 1.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        before: Tokens | None = None,
        episodes: int = 0,
        expected: float | None = None,
    ) -> None:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise ConfigError(f"a token budget must be a whole number of at least 1, not {limit!r}")
        self.limit = limit
        self.before = before or Tokens()
        self.expected = expected
        self.refused = False
        """Whether a request was refused, so that the episodes in flight cannot end."""
        self._lock = threading.Lock()
        self._used = self.before
        self._episodes = episodes

    def resume(self, before: Tokens, episodes: int) -> None:
        """Set what earlier sessions have used and finished. Call it before the first request."""
        with self._lock:
            self._used = self._used - self.before + before
            self.before, self._episodes = before, episodes

    @property
    def used(self) -> Tokens:
        """The tokens of all sessions so far."""
        with self._lock:
            return self._used

    @property
    def episodes(self) -> int:
        """Number of ended episodes of all sessions."""
        with self._lock:
            return self._episodes

    @property
    def session(self) -> Tokens:
        """The tokens of this session so far."""
        return self.used - self.before

    @property
    def reached(self) -> bool:
        """Whether no further request is allowed."""
        return self.limit is not None and self.used.total >= self.limit

    def check(self) -> None:
        """Call it before a request is sent.

        Raises:
            BudgetError: The budget is used up.
        """
        if self.reached:
            self.refused = True
            raise BudgetError(self.told())

    def add(self, prompt: int, completion: int, *, asked: int = 0, wrote: int = 0) -> None:
        """Count a reply.

        Args:
            prompt: Tokens of the prompt as the service reports them. 0 if it reports none.
            completion: Tokens of the reply, likewise.
            asked: Characters of the request. Where the service reports nothing, four of them count as a token.
            wrote: Characters of the reply, likewise.
        """
        unknown = prompt <= 0 and completion <= 0
        if unknown:
            prompt, completion = -(-asked // CHARACTERS_PER_TOKEN), -(-wrote // CHARACTERS_PER_TOKEN)
        with self._lock:
            self._used += Tokens(1, max(0, prompt), max(0, completion), int(unknown))

    def episode_ended(self) -> None:
        """Call it when an episode has ended and is recorded."""
        with self._lock:
            self._episodes += 1

    def room(self) -> int | None:
        """The number of further episodes that the budget is expected to allow. None if there is no limit.

        An episode is expected to need the mean of the ended ones. Before one has ended, it is the expected number.
        """
        if self.limit is None:
            return None
        with self._lock:
            left, episodes, used = self.limit - self._used.total, self._episodes, self._used.total
        if left <= 0:
            return 0
        each = used / episodes if episodes else self.expected or 0.0
        if not each:
            return None if episodes else 1
        fits = int(left // each)
        return fits if fits or episodes else 1

    def waves(self, jobs: Iterable[T]) -> Iterator[Iterator[T]]:
        """The jobs in parts, one after another. Each part has as many as the budget is expected to allow.

        So episodes begin only if they can probably end. Run each part to its end before you take the next.

        Raises:
            BudgetError: The budget does not allow another job.
        """
        if self.limit is None:
            yield iter(jobs)
            return
        left = list(jobs)
        while left:
            count = self.room()
            if count == 0:
                raise BudgetError(self.told())
            wave = left if count is None else left[:count]
            left = left[len(wave) :]
            yield self._while_allowed(wave)
            if self.refused:
                raise BudgetError(self.told())

    def _while_allowed(self, jobs: Iterable[T]) -> Iterator[T]:
        for job in jobs:
            if self.refused:
                return
            yield job

    def told(self) -> str:
        """What happened, in a sentence."""
        used, limit = self.used.total, self.limit or 0
        text = f"the budget of {limit:,} tokens (--max-tokens) is used up: {used:,} were used"
        if used < limit:
            text = (
                f"{used:,} of {limit:,} tokens (--max-tokens) are used, and the {limit - used:,} left are not "
                "expected to be enough for another episode"
            )
        return text


def budget_of(*sources: object) -> TokenBudget | None:
    """The budget that one of these has: a policy, a judge or a summariser. None if none has one."""
    for source in sources:
        found = getattr(source, "token_budget", None)
        if isinstance(found, TokenBudget):
            return found
    return None


def read_tokens(path: Path) -> Tokens | None:
    """The tokens in a file of `write_tokens`. None if there is no such file, or if it is damaged."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Tokens(**{name: max(0, int(data[name])) for name in asdict(Tokens())})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_tokens(path: Path, tokens: Tokens) -> None:
    """Write the tokens to a file. A reader never sees half a file."""
    write_json(path, asdict(tokens))
