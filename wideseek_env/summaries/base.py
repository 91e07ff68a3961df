"""The interface of a summariser: it gets pages with questions and returns what each page says about its question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

PAGE_CHARS = 25_000
"""How much of a page a summariser gets by default, in characters. The published system has the same limit."""


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """A page as Markdown, already cut to the limit of the rules, and the question that an agent asks about it."""

    url: str
    title: str
    page: str
    question: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a page says about a question.

    If the model gave no summary, `text` is empty and `error` says why, for the log. The tokens count in both cases. A
    summary from a cache has no tokens.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """The prompt tokens whose keys and values the engine already had in its cache."""
    cached: bool = False
    """Whether the summary was in the cache, or another agent asked for it at the same time."""
    error: str = ""

    def usage(self) -> dict[str, int]:
        """The use of the model, as `ToolResult.usage` has it."""
        return {
            "summaries": 1,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "cached": int(self.cached),
            "failed": int(bool(self.error)),
        }


@runtime_checkable
class Summariser(Protocol):
    """Summarises pages. `name` identifies the model in records. It contains no key and no address.

    Several threads may call `summarise` at the same time.
    """

    name: str

    def summarise(self, requests: Sequence[SummaryRequest]) -> list[Summary]:
        """One summary for each request, in their order, within a time limit of the summariser.

        A failure is a `Summary` with an `error`. A `ConfigError` means that no page can be summarised, because a
        setting is wrong. It ends the episode. Any other exception counts as a failure of all requests.
        """
        ...

    def close(self) -> None:
        """Release connections. A second call does no harm."""
        ...
