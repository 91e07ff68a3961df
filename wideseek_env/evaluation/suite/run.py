"""`run_suite`: run a policy on the kinds of a suite, one sweep over widths for each, and make its card."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_env.corpus.hybridqa.reader import DataFolder
from wideseek_env.errors import CorpusError
from wideseek_env.evaluation.folder import run_settings
from wideseek_env.evaluation.interrupts import uninterrupted
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.suite.card import SINGLE, Card, default_name, kind_card
from wideseek_env.evaluation.suite.definition import Suite, SuiteKind, SuiteSize
from wideseek_env.evaluation.suite.digests import check_digests, digests_of
from wideseek_env.evaluation.suite.folder import SuiteFolder
from wideseek_env.evaluation.sweep import MakePolicy, Sweep, is_sweep, read_sweep
from wideseek_env.evaluation.width import width_sweep
from wideseek_env.game import Game, GameConfig
from wideseek_env.policy import speed_options
from wideseek_env.provenance.comparing import one_warning
from wideseek_env.provenance.inputs import policy_inputs
from wideseek_env.provenance.secrets import hidden, hidden_text
from wideseek_env.provenance.versions import versions
from wideseek_env.tasks.taskset import TaskSet

HYBRIDQA = "hybridqa"
"""The folder of the HybridQA data in the folder that the environment variable WIDESEEK_DATA names."""


@dataclass(frozen=True, slots=True)
class OpenKind:
    """A kind that can be run: its game, its tasks in the chosen size, and its digests."""

    kind: SuiteKind
    game: Game
    tasks: TaskSet
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OpenSuite:
    """A suite with its tasks and corpora. `absent` has the kinds without data, each with the reason."""

    suite: Suite
    size_name: str
    kinds: tuple[OpenKind, ...]
    absent: Mapping[str, str]

    @property
    def size(self) -> SuiteSize:
        """The number of tasks, and the widths."""
        return self.suite.size(self.size_name)

    @property
    def episodes(self) -> int:
        """The number of episodes of all kinds."""
        return sum(len(each.tasks) for each in self.kinds) * self.size.points * self.suite.trials

    @property
    def digests(self) -> dict[str, Mapping[str, str]]:
        """The digests by kind."""
        return {each.kind.name: each.digests for each in self.kinds}


def suite_settings(
    suite: Suite,
    size: str,
    policy: str,
    options: Mapping[str, Any],
    *,
    made_by: object = None,
    verify: bool = False,
) -> dict[str, Any]:
    """The settings of a run, as ``suite.json`` has them. The arguments are those of `run_suite`."""
    return {
        "suite": suite.version,
        "size": size,
        "policy": policy,
        "policy_options": dict(options),
        "speed_options": speed_options(policy),
        "seed": suite.seed,
        "inputs": policy_inputs(policy, options, made_by=made_by, verify=verify),
    }


def open_suite(
    suite: Suite,
    size: str,
    data: Path | str | None = None,
    *,
    check: bool = True,
    open_game: Callable[[GameConfig], Game] = GameConfig.open,
) -> OpenSuite:
    """Open the tasks and corpora of a suite, and check their digests.

    Args:
        suite: The suite.
        size: The name of a size, such as ``"small"``.
        data: The folder of the HybridQA data. Default: ``hybridqa`` in the folder that WIDESEEK_DATA names. If there is
            no such folder, the kinds that need it are absent.
        check: Whether the digests must be the committed ones.
        open_game: Opens a game. A command passes a function that shows progress.

    Raises:
        ConfigError: The size is unknown.
        CorpusError: `data` has no HybridQA data.
        SuiteError: A digest differs from the committed one.
    """
    chosen = suite.size(size)
    folder, missing = data_folder(data)
    kinds: list[OpenKind] = []
    pages: dict[str, str] = {}
    absent: dict[str, str] = {}
    for kind in suite.kinds:
        if kind.needs_data and folder is None:
            absent[kind.name] = missing
            continue
        game = open_game(suite.game(kind, folder))
        digests = digests_of(suite, kind, game, pages)
        if check:
            check_digests(suite, kind, digests)
        kinds.append(OpenKind(kind, game, suite.chosen(kind, game.tasks, chosen.tasks), digests))
    return OpenSuite(suite, size, tuple(kinds), absent)


def run_suite(
    opened: OpenSuite,
    policy: MakePolicy,
    folder: Path,
    *,
    policy_name: str,
    policy_options: Mapping[str, Any] | None = None,
    name: str = "",
    command: str = "",
    overwrite: bool = False,
    verify: bool = False,
    keep_going: bool = False,
    on_kind: Callable[[OpenKind], None] | None = None,
    on_size: Callable[[int | None], None] | None = None,
    on_episode: Callable[[EpisodeRecord], None] | None = None,
) -> Card:
    """Run a policy on all kinds, and write its card. A run that was stopped resumes.

    Args:
        opened: The opened suite.
        policy: Makes a new policy for each point.
        folder: Folder for ``suite.json``, ``card.json`` and a folder for each kind, as `width_sweep` writes it.
        policy_name: Name of the policy in the records.
        policy_options: Options of the policy, for the records.
        name: Name of the card. Default: the model's name, or the policy's.
        command: The command line, for the records.
        overwrite: Start over.
        verify: Hash the files of models and corpora again, also if their size and time have not changed.
        keep_going: If an episode raises an exception, count it as failed, with score 0, and continue.
        on_kind: Called before each kind is run.
        on_size: Called before each point is run.
        on_episode: Called after each episode.

    Raises:
        ConfigError: An option of the policy is no JSON value, or another process writes the folder.
        SuiteError: The folder contains something else.
        EpisodeError: An episode raised an exception, and `keep_going` is False.
        KeyboardInterrupt: Ctrl-C stopped the run. The card has what is finished.
    """
    options = dict(policy_options or {})
    suite = opened.suite
    for each in opened.kinds:  # options that no record can hold are refused before anything is written
        run_settings(each.game, policy_name, policy_options=options)
    settings = suite_settings(suite, opened.size_name, policy_name, options, made_by=policy, verify=verify)
    with ExitStack() as stack:
        stack.enter_context(one_warning())
        place = stack.enter_context(
            SuiteFolder.open(folder, settings, opened.digests, overwrite=overwrite, command=command)
        )

        def count(record: EpisodeRecord) -> None:
            place.write()
            if on_episode is not None:
                on_episode(record)

        try:
            for each in opened.kinds:
                if on_kind is not None:
                    on_kind(each)
                width_sweep(
                    each.game, policy, opened.size.widths, each.tasks, policy_name=policy_name,
                    policy_options=options, single=True, command=command, seed=suite.seed, trials=suite.trials,
                    folder=folder / each.kind.name, overwrite=overwrite, verify=verify, keep_going=keep_going,
                    on_size=on_size, on_episode=count,
                )  # fmt: skip
        finally:
            with uninterrupted():
                card = make_card(opened, folder, policy_name, options, name, place.command, place.versions)
                card.write(folder)
    return card


def make_card(
    opened: OpenSuite,
    folder: Path,
    policy: str,
    options: Mapping[str, Any],
    name: str = "",
    command: str = "",
    software: Mapping[str, str] | None = None,
) -> Card:
    """The card of the episodes that are in `folder`. `software` are the versions with which they were run, by default
    those of now."""
    kinds = {}
    complete = bool(opened.kinds)
    for each in opened.kinds:
        sweep = recorded_sweep(folder, each)
        wanted = len(each.tasks) * opened.suite.trials
        if sweep is None:
            complete = False
            continue
        found = kind_card(each.kind.title, each.digests, sweep, folder / each.kind.name)
        kinds[each.kind.name] = found
        full = [point for point in found.points.values() if point.episodes >= wanted]
        complete = complete and len(full) == opened.size.points
    return Card(
        suite=opened.suite.version,
        size=opened.size_name,
        name=name or default_name(policy, options),
        policy=policy,
        policy_options=dict(hidden(options)),
        seed=opened.suite.seed,
        trials=opened.suite.trials,
        complete=complete,
        kinds=kinds,
        absent=dict(opened.absent),
        command=hidden_text(command),
        versions=dict(software) if software is not None else versions(),
    )


def recorded_sweep(folder: Path, kind: OpenKind) -> Sweep | None:
    """The sweep of a kind in the folder of a run. None if it has no episodes yet."""
    place = folder / kind.kind.name
    if not is_sweep(place):
        return None
    sweep = read_sweep(place)
    return sweep if sweep.points else None


def episodes_left(opened: OpenSuite, kind: OpenKind, folder: Path | None) -> dict[str, int]:
    """The number of episodes of a kind that are still to be run, for each point."""
    wanted = len(kind.tasks) * opened.suite.trials
    left = dict.fromkeys((SINGLE, *map(str, opened.size.widths)), wanted)
    sweep = recorded_sweep(folder, kind) if folder is not None else None
    for point in sweep.points if sweep is not None else ():
        played = sum(not record.failed for record in point.records)
        if point.label in left:
            left[point.label] = max(0, wanted - played)
    return left


def data_folder(data: Path | str | None) -> tuple[Path | None, str]:
    """The folder of the HybridQA data, or None and the reason why there is none.

    Raises:
        CorpusError: `data` has no HybridQA data.
    """
    if data is not None:
        folder = Path(data)
        if not folder.is_dir():
            raise CorpusError(
                f"there is no folder {folder} with the HybridQA data; docs/hybridqa.md says how to get it. Without "
                "data, only the synthetic kinds are run"
            )
        DataFolder.find(folder)
        return folder, ""
    root = os.environ.get("WIDESEEK_DATA", "")
    if root and (Path(root) / HYBRIDQA).is_dir():
        return Path(root) / HYBRIDQA, ""
    where = f"there is no folder {HYBRIDQA} in {root} (WIDESEEK_DATA)" if root else "--data was not given"
    return None, f"the HybridQA data is absent: {where}"
