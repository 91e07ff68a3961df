"""`PolicyEngine`: the summariser called ``engine``. The engine of the policy that plays the game makes the summaries.

A game is opened without a policy, so this summariser has no engine at first. What runs episodes attaches the policy's
summariser: `run_episode` and the asynchronous driver of the baselines.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.reprs import short
from wideseek_env.summaries.base import Summariser, Summary, SummaryRequest
from wideseek_env.summaries.prompts import SummaryTexts

NAME = "engine"
_INSTEAD = "name a summariser with a model, such as openai:MODEL@URL"


class PolicyEngine:
    """Passes requests to the summariser of the policy that plays now. A pickle of it has no engine.

    `texts` are the texts of requests if they were loaded, else None. The policy's summariser uses them while it is
    attached.
    """

    name = NAME

    def __init__(self, texts: SummaryTexts | None = None) -> None:
        self.texts = texts
        self._lock = threading.Lock()
        self._attached: Summariser | None = None
        self._usual: SummaryTexts | None = None
        self._users = 0

    def __repr__(self) -> str:
        return f"<PolicyEngine of {short(self._attached)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return PolicyEngine, (self.texts,)

    def __copy__(self) -> PolicyEngine:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> PolicyEngine:
        return self

    def check(self) -> None:
        """Raise `ConfigError` if no policy is attached."""
        if self._attached is None:
            raise ConfigError(
                "the summariser engine is the engine of a language-model policy, and no such policy plays this game: "
                + _INSTEAD
            )

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        """The summaries of the policy's engine. Raises `ConfigError` if no policy is attached."""
        self.check()
        attached = self._attached
        assert attached is not None
        return attached.summarise(requests)

    def close(self) -> None:
        """Do nothing: the policy closes its engine."""

    @contextmanager
    def attached(self, policy: Any) -> Iterator[None]:
        """Use the summariser of `policy` during a ``with`` block.

        Raises:
            ConfigError: The policy has no engine that can summarise, or another policy plays this game now.
        """
        summariser = getattr(policy, "summariser", None)
        if not isinstance(summariser, Summariser):
            raise ConfigError(
                f"the policy {short(getattr(policy, 'name', policy))} has no engine that can summarise pages: "
                + _INSTEAD
            )
        with self._lock:
            if self._users and self._attached is not summariser:
                raise ConfigError(
                    "two policies play one game whose summariser is the engine of the policy: open the game again for "
                    "each of them"
                )
            if not self._users:
                self._attached, self._usual = summariser, getattr(summariser, "texts", None)
                self._set_texts(self.texts)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._set_texts(self._usual)
                    self._attached = None

    def _set_texts(self, texts: SummaryTexts | None) -> None:
        attached: Any = self._attached
        if self.texts is not None and texts is not None and hasattr(attached, "texts"):
            attached.texts = texts


@contextmanager
def attached_engine(summariser: Summariser | None, policy: Any) -> Iterator[None]:
    """Attach the policy's engine during a ``with`` block, if the game's summariser is ``engine``."""
    if isinstance(summariser, PolicyEngine):
        with summariser.attached(policy):
            yield
    else:
        yield


def check_attached(summariser: Summariser | None) -> None:
    """Raise `ConfigError` if the summariser is ``engine`` and no policy is attached."""
    if isinstance(summariser, PolicyEngine):
        summariser.check()
