"""The record of a file of rollouts: ``FILE.run.json`` next to it, with settings, inputs, versions and the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_baselines.rollout.config import RolloutConfig
from wideseek_env.errors import TrajectoryError
from wideseek_env.policy import speed_options
from wideseek_env.provenance.comparing import check_same, warn
from wideseek_env.provenance.inputs import inputs_of
from wideseek_env.provenance.record import RunRecord
from wideseek_env.provenance.secrets import hidden
from wideseek_env.tasks.jsonl import tasks_digest
from wideseek_env.tasks.taskset import TaskSet


def record_file(out: Path) -> Path:
    """The record of the rollouts in the file `out`."""
    return out.with_name(f"{out.name}.run.json")


def rollout_settings(
    config: RolloutConfig, pool: TaskSet, *, seed: int, group: int, verify: bool = False
) -> dict[str, Any]:
    """The settings and inputs that decide rollouts, as JSON values without keys. No corpus is opened.

    Args:
        config: Policy and game.
        pool: All tasks of the game, before its limit.
        seed: The base seed.
        group: Episodes per task.
        verify: Hash large files again.
    """
    policy = config.policy if isinstance(config.policy, str) else config.policy.__qualname__
    game = config.game
    settings = {
        "policy": policy,
        "policy_options": dict(config.options),
        "speed_options": speed_options(policy),
        "tasks": pool.name,
        "limit": game.limit,
        "tasks_digest": tasks_digest(pool),
        "rules": game.open_rules().to_dict(),
        "team": game.team,
        "roster": game.roster,
        "game": game.record(),
        "seed": seed,
        "group": group,
        "inputs": inputs_of(
            game, game.open_profile(), policy, config.options, made_by=config.policy, verify=verify
        ),
    }
    return dict(hidden(json.loads(json.dumps(settings))))


def open_record(
    out: Path, settings: Mapping[str, Any], command: str, *, overwrite: bool = False
) -> RunRecord:
    """The record of the rollouts in `out`, after it was compared with the new run. Nothing is written.

    A ``.parquet`` file is never resumed, so its record is always new. A `ProvenanceWarning` says if there are rollouts
    without a record.

    Raises:
        ChangedRunError: The file has rollouts of other settings or inputs, and `overwrite` is False.
        TrajectoryError: The record cannot be read.
    """
    file = record_file(out)
    if overwrite or out.suffix == ".parquet" or not out.is_file() or not out.stat().st_size:
        return RunRecord(file, settings, command)
    if not file.exists():
        warn(
            f"{out} was recorded by an earlier version, so it could not be checked that the settings, "
            f"{', '.join(settings['inputs'])} are the same. If one of them has changed, start over with --overwrite"
        )
        return RunRecord(file, settings, command)
    try:
        earlier = json.loads(file.read_text("utf-8"))
        before = earlier["settings"]
        if not isinstance(before, dict):
            raise TypeError("it has no settings")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrajectoryError(
            f"{file} cannot be read ({type(error).__name__}: {error}); start over with --overwrite"
        ) from error
    check_same(out, before, settings, what="rollouts")
    return RunRecord(file, settings, command, earlier, out)
