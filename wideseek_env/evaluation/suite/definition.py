"""`Suite`: fixed tasks, rules, seeds and widths, by which models are compared.

A version of a suite never changes. Its folder has the digests of its tasks, pages and prompts, and the reference cards.
Another choice of tasks is another version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

from wideseek_env.errors import ConfigError
from wideseek_env.game import GameConfig
from wideseek_env.task import Task
from wideseek_env.tasks.conditions import where
from wideseek_env.tasks.taskset import TaskSet

DATA = "{data}"
"""The place of the data folder in the name of a world."""


@dataclass(frozen=True, slots=True)
class SuiteKind:
    """One kind of tasks.

    `tasks` is the name of the world. Half of the chosen tasks meet the condition `prefer`, as far as there are enough.
    """

    name: str
    title: str
    about: str
    """What the tasks are, in one sentence."""
    tasks: str
    prefer: str = ""

    @property
    def needs_data(self) -> bool:
        """Whether the tasks need the HybridQA data."""
        return DATA in self.tasks


@dataclass(frozen=True, slots=True)
class SuiteSize:
    """How many tasks of each kind are run, and at which widths. A single agent is always run too."""

    tasks: int
    widths: tuple[int, ...]

    @property
    def points(self) -> int:
        """The number of points of each kind: all widths and the single agent."""
        return len(self.widths) + 1


@dataclass(frozen=True, slots=True)
class Suite:
    """One version of the suite. `folder` has its digests and reference cards."""

    version: str
    kinds: tuple[SuiteKind, ...]
    sizes: Mapping[str, SuiteSize]
    folder: Path
    rules: str = "width-benchmark"
    profile: str = "default"
    split: str = "test"
    seed: int = 0
    trials: int = field(default=1, init=False)

    def size(self, name: str) -> SuiteSize:
        """The size called `name`. `ConfigError` if there is none."""
        if name not in self.sizes:
            raise ConfigError(
                f"suite {self.version} has no size {name!r}; use one of {', '.join(self.sizes)}"
            )
        return self.sizes[name]

    @property
    def most_tasks(self) -> int:
        """The number of tasks of each kind in the largest size. Digests are of these tasks."""
        return max(size.tasks for size in self.sizes.values())

    def game(self, kind: SuiteKind, data: Path | None) -> GameConfig:
        """The game of a kind, with all tasks of the world's split. `data` is the HybridQA folder."""
        return GameConfig(
            tasks=kind.tasks.replace(DATA, str(data)),
            split=self.split,
            rules=self.rules,
            profile=self.profile,
        )

    def chosen(self, kind: SuiteKind, tasks: TaskSet, count: int) -> TaskSet:
        """The first `count` tasks of a kind in the suite's order.

        The order is by a hash of the version and the task's id. If the kind prefers some tasks, preferred tasks and
        others take turns, so every part of the order has both.
        """
        ordered = sorted(tasks, key=self._place)
        if kind.prefer:
            preferred = set(where(tasks, (kind.prefer,)).ids)
            first = [task for task in ordered if task.id in preferred]
            others = [task for task in ordered if task.id not in preferred]
            pairs = chain.from_iterable(zip_longest(first, others))
            ordered = [task for task in pairs if task is not None]
        return TaskSet(ordered[:count], tasks.name)

    def _place(self, task: Task) -> bytes:
        return hashlib.sha256(f"{self.version}/{task.id}".encode("utf-8", "surrogatepass")).digest()


V1 = Suite(
    version="v1",
    kinds=(
        SuiteKind(
            "synthetic",
            "Synthetic world",
            "The default world: lists of 24 to 48 entities, and up to two links to a value.",
            "synthetic",
        ),
        SuiteKind(
            "hard",
            "Hard synthetic world",
            "Lists of 48 to 96 entities, up to three links to a value, and many misleading pages.",
            "synthetic:seed=7,pages=8000,rows=48-96,columns=3-5,hops=3,near_duplicates=0.3,stale=0.3,conflicts=0.3,"
            "gone=0.5",
        ),
        SuiteKind(
            "pages",
            "HybridQA pages",
            "Wikipedia lists of 10 to 20 rows, whose values are in the text of the entities' pages.",
            "hybridqa:{data},mode=pages",
        ),
        SuiteKind(
            "wide",
            "HybridQA wide tables",
            "Unions of several Wikipedia lists, with 21 to 200 rows. Half of the tasks need at least 50 entity pages, "
            "as far as there are enough.",
            "hybridqa:{data},mode=wide",
            prefer="entity_pages>=50",
        ),
        SuiteKind(
            "depth",
            "HybridQA depth questions",
            "Questions with a short answer, on one page or two. Half of them need two steps.",
            "hybridqa:{data},mode=depth",
            prefer="hops>=2",
        ),
    ),
    sizes={"small": SuiteSize(8, (1, 4, 16)), "full": SuiteSize(50, (1, 2, 4, 8, 16))},
    folder=Path(__file__).parent / "v1",
)
"""The first version."""

CURRENT = V1
"""The version that the command runs."""
