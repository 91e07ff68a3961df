"""Ways to copy an environment, and custom parts with and without a name or a pickle."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle  # Gymnasium depends on it

from wideseek_env import (
    Page,
    SearchHit,
    ToolCall,
    ToolResult,
    tool,
)
from wideseek_env.corpus.files import SourcePage
from wideseek_env.corpus.stored import MemoryCorpus
from wideseek_env.messages import Message
from wideseek_env.scoring import OfflineJudge
from wideseek_env.tools.executor import CorpusTools

WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda env: copy.deepcopy([env, {"it": env}])[1]["it"],
    "copy of a copy": lambda env: copy.deepcopy(copy.deepcopy(env)),
    **{f"pickle {n}": lambda env, n=n: pickle.loads(pickle.dumps(env, n)) for n in range(2, 6)},
    "pickle of a pickle": lambda env: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(env)))),
    "cloudpickle": lambda env: cloudpickle.loads(cloudpickle.dumps(env)),
    "pickle of a copy": lambda env: pickle.loads(pickle.dumps(copy.deepcopy(env))),
}


PAGES = [
    SourcePage(
        f"https://w.example/{number}",
        f"Page {number}",
        f"<h1>Page {number}</h1><p>museum river list {number}</p>",
    )
    for number in range(12)
]


class Shelf:
    """A custom corpus in memory, which remembers how often it was asked."""

    name = "shelf"
    blocking = False

    def __init__(self) -> None:
        self.asked = 0

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        self.asked += 1
        return [
            [SearchHit(page.url, page.title, f"asked {len(query)}", 1.0) for page in PAGES[:k]]
            for query in queries
        ]

    def fetch(self, url: str) -> Page | None:
        return next((Page(page.url, page.title, page.html) for page in PAGES if page.url == url), None)

    def close(self) -> None:
        pass


class Locked(Shelf):
    """A corpus that cannot be pickled."""

    name = "locked"

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


LOCKED = Locked()


class Blocking(Shelf):
    """A corpus whose calls run on threads."""

    blocking = True


class Engine:
    """A search engine in memory."""

    name = "engine"

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def search(self, query: str, count: int) -> list[SearchHit]:
        return []


class NamedJudge(OfflineJudge):
    """A judge with a lock and without a pickle."""

    name = "named"

    def __init__(self) -> None:
        self._lock = threading.Lock()


NAMED_JUDGE = NamedJudge()


@tool
def doubled(text: str) -> str:
    """Double a text.

    Args:
        text: The text.
    """
    return 2 * text


def tripled(text: str) -> str:
    """Triple a text.

    Args:
        text: The text.
    """
    return 3 * text


def words(message: Message) -> int:
    return len(message["content"].split())


class Counting:
    """An executor with a state: it numbers its results."""

    def __init__(self) -> None:
        self.calls = 0

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult(f"result {next(self)}") for _ in calls]

    def __next__(self) -> int:
        self.calls += 1
        return self.calls

    def close(self) -> None:
        pass


class LockedCounting(Counting):
    """An executor without a pickle."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class CopiedCounting(LockedCounting):
    """An executor that can be copied, but not pickled."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiedCounting:
        made = CopiedCounting()
        made.calls = self.calls
        return made


class Own(CorpusTools):
    """A subclass with a state."""

    def __init__(self) -> None:
        super().__init__(MemoryCorpus(PAGES, "pages"), custom={"doubled": doubled.run})
        self.counts = {"runs": 0}

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.counts["runs"] += 1
        return [ToolResult(f"{self.counts['runs']} {each.text}", each.ok) for each in super().run(calls)]
