"""`evaluate`: run a policy on tasks in one call and get the summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from wideseek_env.corpus.base import Corpus
from wideseek_env.credit import Credit
from wideseek_env.entry_points import ENTRY_POINTS
from wideseek_env.episode import Roster
from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.checks import whole_number
from wideseek_env.evaluation.folder import RunFolder, run_settings
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.run import evaluate_game
from wideseek_env.evaluation.summary import Summary
from wideseek_env.game import Tasks
from wideseek_env.messages import Counter
from wideseek_env.policy import Policy, opened_policy
from wideseek_env.profiles import Profile
from wideseek_env.reprs import short
from wideseek_env.rewards import Reward
from wideseek_env.rules import Rules
from wideseek_env.scoring import Judge
from wideseek_env.summaries.base import Summariser
from wideseek_env.tools.custom import Tool
from wideseek_env.tools.executor import Executor


def evaluate(
    policy: str | Policy,
    *,
    tasks: Tasks = "synthetic",
    corpus: str | Corpus | None = None,
    split: str = "test",
    where: Sequence[str] = (),
    limit: int | None = None,
    width: int | None = None,
    rules: str | Rules | Mapping[str, int] = "default",
    limits: Mapping[str, int] | None = None,
    reward: str | Reward = "item_f1",
    credit: str | Credit = "team",
    profile: str | Profile = "default",
    texts: str | Mapping[str, Any] | None = None,
    judge: str | Judge | None = "offline",
    team: bool = True,
    roster: Roster = "dynamic",
    language: str | None = None,
    counter: str | Counter = "characters",
    tools: Sequence[str | Tool] = (),
    executor: str | Executor | None = None,
    summariser: str | Summariser | None = None,
    policy_options: Mapping[str, Any] | None = None,
    trials: int = 1,
    seed: int = 0,
    out: Path | str | None = None,
    overwrite: bool = False,
    verify: bool = False,
    keep_going: bool = False,
    on_episode: Callable[[EpisodeRecord], None] | None = None,
) -> Summary:
    """Run a policy on tasks and return the summary, like ``wideseek eval``.

    The arguments from `tasks` to `summariser` are the fields of `wideseek_env.GameConfig` and describe the game.

    Args:
        policy: A name such as "scripted" or ``module:Class``, or a `Policy`. A policy given by name is closed at the
            end.
        policy_options: Options of a policy given by name. With `out`, they must be JSON values.
        trials: Episodes per task.
        seed: Base seed, 0 or more. The seed of each episode is derived from it, the task's id and the trial.
        out: Folder that records the run. Its recorded episodes are counted and not run again.
        overwrite: Delete the run in `out` and start over.
        verify: Hash the files of models and corpora again, also if their size and time have not changed.
        keep_going: If an episode raises an exception, count it as failed, with score 0, and continue.
        on_episode: Called after each episode that was run.

    Raises:
        ConfigError: A name, value or combination does not exist.
        ChangedRunError: `out` holds a run with other settings or inputs.
        TrajectoryError: The folder `out` cannot be made, or its settings cannot be read.
        EpisodeError: An episode raised, and `keep_going` is False.
    """
    trials, seed = whole_number("trials", trials, 1), whole_number("seed", seed, 0)
    options = _options(policy_options)
    if not isinstance(policy, str):
        _check_policy(policy)
        if options:
            raise ConfigError(
                "policy_options need a policy given by name; set the options of this object yourself"
            )
    _check_name(policy if isinstance(policy, str) else policy.name)
    config = ENTRY_POINTS["evaluate"].config(
        tasks=tasks, corpus=corpus, split=split, where=where, limit=limit, width=width, rules=rules, limits=limits,
        reward=reward, credit=credit, profile=profile, texts=texts, judge=judge, team=team, roster=roster,
        language=language, counter=counter, tools=tools, executor=executor, summariser=summariser,
    )  # fmt: skip
    with ExitStack() as stack:
        if isinstance(policy, str):
            name, policy = policy, stack.enter_context(opened_policy(policy, **options))
        else:
            name = policy.name
        game = config.open()
        folder = None
        if out is not None:
            settings = run_settings(
                game, name, policy_options=options, seed=seed, trials=trials, made_by=policy, verify=verify
            )
            folder = stack.enter_context(RunFolder.open(out, settings, overwrite=overwrite))
        return evaluate_game(
            game,
            policy,
            seed=seed,
            trials=trials,
            folder=folder,
            keep_going=keep_going,
            on_episode=on_episode,
        )


def _options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise ConfigError(f"policy_options must be a mapping of options by name, not {short(options)}")
    return dict(options)


def _check_policy(policy: object) -> None:
    if isinstance(policy, type) or not isinstance(policy, Policy):
        hint = ": make an object of this class" if isinstance(policy, type) else ""
        raise ConfigError(
            f"policy must be a name or an object with name, reset(seed) and act(turns), not {short(policy)}{hint}"
        )


def _check_name(name: object) -> None:
    if not isinstance(name, str) or (
        not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)
    ):
        raise ConfigError(f"the name of a policy must be text without lone surrogates, not {short(name)}")
