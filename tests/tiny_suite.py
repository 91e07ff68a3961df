"""A suite of two tiny kinds, and a policy that plays it at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wideseek_env.episode_run import run_episode
from wideseek_env.evaluation.suite.definition import Suite, SuiteKind, SuiteSize
from wideseek_env.evaluation.suite.digests import FILE
from wideseek_env.evaluation.suite.run import OpenSuite, open_suite
from wideseek_env.files import write_json
from wideseek_env.game import Game
from wideseek_env.policy import EpisodeResult, Job, Turn

WORLD = "synthetic:pages=150,rows=5-6,columns=2"
KINDS = (
    SuiteKind("synthetic", "Tiny world", "Lists of five or six.", WORLD, prefer="difficulty=hard"),
    SuiteKind(
        "pages", "Tiny pages", "Lists of a hand-made encyclopedia.", "hybridqa:{data},mode=pages,min_rows=1"
    ),
)


class Quick:
    """Answers at once with a table that names nothing. `interrupt_after` is the number of episodes before Ctrl-C."""

    episodes = 0

    def __init__(self, interrupt_after: int = -1, fail: bool = False) -> None:
        self.name = "quick"
        self.interrupt_after = interrupt_after
        self.fail = fail

    def reset(self, seed: int) -> None:
        """Counts the episodes of all policies of this class."""
        if Quick.episodes == self.interrupt_after:
            raise KeyboardInterrupt
        if self.fail:
            raise RuntimeError("the quick policy broke")
        Quick.episodes += 1

    def act(self, turns: Sequence[Turn]) -> list[str]:
        """The same answer for each turn."""
        return ["| Name | Year |\n|---|---|\n| Nobody | 1900 |"] * len(turns)


def tiny(folder: Path, kinds: Sequence[SuiteKind] = KINDS, version: str = "v1") -> Suite:
    """A suite whose digests and reference cards are in `folder`."""
    sizes = {"small": SuiteSize(2, (1, 2)), "full": SuiteSize(3, (1, 2, 4))}
    return Suite(version, tuple(kinds), sizes, folder)


def commit(suite: Suite, data: Path | None = None) -> OpenSuite:
    """Write the digests of a suite, and open its small size."""
    opened = open_suite(suite, "small", data, check=False)
    suite.folder.mkdir(parents=True, exist_ok=True)
    write_json(suite.folder / FILE, {"suite": suite.version, "kinds": opened.digests})
    return opened


def change(file: Path, *keys: str, to: object) -> None:
    """Replace one value in a JSON file."""
    data = json.loads(file.read_text())
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    file.write_text(json.dumps(data))


class Engine(Quick):
    """The same as a policy that runs whole episodes, and reports tokens. `made` counts how often it was made."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Engine.made += 1

    def run_jobs(self, game: Game, jobs: Iterable[Job]) -> Iterator[EpisodeResult]:
        """One episode after another."""
        for job in jobs:
            played = run_episode(game, Quick(), job.task, seed=job.seed)
            usage = {"prompt_tokens": 100, "completion_tokens": 20}
            yield EpisodeResult(job, played.trajectory(usage=usage))
