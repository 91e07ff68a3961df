"""`build_mixture`: wide tasks, tasks from single lists (modes `pages` and `table`) and short answers in one file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError, TaskError
from wideseek_env.files import write_whole
from wideseek_env.task import Task
from wideseek_env.tasks.hybridqa.pipeline import (
    BuildConfig,
    in_order,
    make_tasks,
    report_file,
    stage_folder,
)
from wideseek_env.tasks.hybridqa.splits import Split
from wideseek_env.tasks.hybridqa.stages import Progress
from wideseek_env.tasks.hybridqa.wide.build import WideConfig, make_wide_tasks
from wideseek_env.tasks.jsonl import save_tasks

PARTS = ("wide", "pages", "table", "depth")
"""The kinds of tasks in a mixture."""
HYBRID: Mapping[str, float] = dict.fromkeys(PARTS, 0.25)
"""The shares of the mixture called ``hybrid``."""


@dataclass(slots=True)
class MixtureReport:
    """How many tasks of each kind a mixture has (`kept`), and how many more there were (`unused`)."""

    kept: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, in a fixed order."""
        return {
            "proposed": {part: self.kept[part] + self.unused[part] for part in sorted(self.kept)},
            "kept": dict(sorted(self.kept.items())),
            "unused": dict(sorted(self.unused.items())),
        }


def build_mixture(
    data: Path | str,
    out: Path | str,
    shares: Mapping[str, float],
    *,
    corpus: Path | str,
    count: int | None = None,
    seed: int = 0,
    split: Split | None = None,
    chinese: float = 0.25,
    stages: Path | str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> MixtureReport:
    """Build a mixture of the `PARTS` into the file `out`.

    Args:
        data: The folder of the HybridQA data.
        out: The file to write.
        shares: The share of each kind. The shares must add up to 1.
        corpus: The folder of a corpus built from the same data.
        count: The number of tasks. None means as many as the shares allow.
        seed: As for `build_wide_tasks` and `build_tasks`.
        split: One split. None means all three splits.
        chinese: The share of questions in Chinese.
        stages: The folder for the results of the stages. By default it is next to `out`.
        workers: The number of processes.
        progress: Called with the name of the current work, the amount done and the total amount.

    Raises:
        ConfigError: The shares are wrong.
        TaskError: The data gives fewer tasks of some kind than requested.
    """
    if not shares.keys() <= set(PARTS) or abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise ConfigError(f"the shares of {', '.join(PARTS)} must add up to 1, not {dict(shares)}")
    target = Path(out)
    folder = Path(stages) if stages is not None else stage_folder(target)
    found: dict[str, list[Task]] = {}
    for part in (part for part in PARTS if shares.get(part)):
        if part == "wide":
            wide = WideConfig(seed=seed, split=split, chinese=chinese)
            found[part] = make_wide_tasks(data, wide, corpus, folder / "wide", workers, progress)[0]
        else:
            config = BuildConfig(
                seed=seed,
                split=split,
                chinese=chinese,
                broad=0.0 if part == "depth" else 1.0,
                mode="pages" if part == "pages" else "table" if part == "table" else None,
            )
            found[part] = make_tasks(data, config, corpus, folder / "lists", workers, None, progress)[0]
    most = int(min(len(tasks) / shares[part] for part, tasks in found.items()) + 1e-9)
    if count is not None and most < count:
        short = min(found, key=lambda part: len(found[part]) / shares[part])
        raise TaskError(
            f"this data gives {len(found[short])} {short} tasks, which allow {most} tasks in this mixture, not {count}"
        )
    report = MixtureReport()
    chosen: list[Task] = []
    for part, tasks in found.items():
        many = round((most if count is None else count) * shares[part])
        chosen += tasks[:many]
        report.kept[part] = len(tasks[:many])
        report.unused[part] = len(tasks) - len(tasks[:many])
    save_tasks(in_order(chosen, seed), target)
    if progress is not None:
        progress("tasks", len(chosen), len(chosen))
    write_whole(report_file(target), json.dumps(report.to_dict(), indent=1) + "\n")
    return report
