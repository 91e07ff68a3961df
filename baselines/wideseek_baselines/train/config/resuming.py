"""Which settings of a run may change when it is resumed, and what a refusal says.

A setting may change if the run's result does not depend on it, apart from rounding. Such settings are about memory,
speed, places of files, checks and reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wideseek_baselines.engines.vllm_arguments import MEMORY_AND_SPEED
from wideseek_baselines.train.config.game_in_use import game_differences
from wideseek_baselines.train.config.loading import config_from, config_to_dict
from wideseek_env.errors import ConfigError
from wideseek_env.renamed import RENAMED_GAME_KEYS, renamed

FREE = (
    # where files are, what is shown, and when to save
    *("out", "data", "resume", "trackers", "project", "name", "checkpoint", "collapse", "evaluation"),
    # memory and speed of the trainer
    *(
        "tokens_per_row",
        "model.device",
        "model.attention",
        "model.checkpoint_activations",
        "model.logits_chunk",
    ),
    *("model.compile", "optim.max_skipped", "critic_optim.max_skipped"),
    # memory and speed of the engine, and patience with it
    *(
        "engine.max_requests",
        "engine.memory_share",
        "engine.kv_bytes",
        "engine.tensor_parallel",
    ),
    *(f"engine.vllm.{name}" for name in MEMORY_AND_SPEED),
    *("engine.workers", "engine.worker_cpus", "engine.worker_gpus", "engine.concurrency", "engine.retries"),
    *("engine.request_timeout", "engine.sleep"),
)
"""Settings that may change: names of settings, or of tables whose settings may all change. The files in `data` may have
other names, but their content must be the same."""
FREE_IF_CONSTANT = ("steps", "max_steps")
"""Settings that may change if nothing depends on the length of the run: neither a learning rate nor the reward."""
FIXED = (
    # what is trained, and with which numbers
    *("model.path", "model.precision", "model.lora", "seed", "optim", "critic_optim"),
    # which episodes are played
    *("tasks", "group", "widths", "prompt_tokens", "max_draws", "max_off_policy_steps", "game"),
    # how they are generated
    *("engine.kind", "engine.context", "engine.turn_tokens", "engine.episode_tokens", "engine.temperature"),
    *("engine.thinking", "engine.history", "engine.dtype", "engine.vllm"),
    # how they are trained on
    *("mini_batch", "epochs", "selection", "advantage", "loss", "value", "value_weight", "kl", "whiten"),
    # a warm start
    *("roles", "subagent_share", "min_score", "held_out", "batch_tokens", "max_tokens", "learn", "thinking"),
    *("history", "evaluate_every", "patience"),
)
"""Settings that change the result: names of settings, or of tables all of whose other settings change it."""


def may_change(name: str, *, constant: bool) -> bool:
    """Whether a setting, such as "engine.kv_bytes", may change when a run is resumed.

    Args:
        name: The full name of the setting. The longest name in the lists that begins it decides.
        constant: Whether all learning rates and the reward of the run are constant.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        begin = ".".join(parts[:length])
        if begin in FREE or (constant and begin in FREE_IF_CONSTANT):
            return True
        if begin in FIXED:
            return False
    return False


def refuse_changes(
    out: str, config: Any, before: Mapping[str, Any], now: Mapping[str, Any], *, annealed: bool = False
) -> None:
    """Check that a run may resume from a checkpoint.

    Args:
        out: The folder of the run.
        config: The settings of the run.
        before: The `position` of the checkpoint: its `settings`, digest of `data`, and `game` if there is one.
        now: The same values of the run.
        annealed: Whether the reward changes with the share of the run that is done.

    Raises:
        ConfigError: A setting that changes the result differs. The message has its name and both values.
    """
    changes = changed_settings(config, before.get("settings"), annealed=annealed)
    played = before.get("game")
    if isinstance(played, Mapping) and "game" in now:  # what is really played, with what game= replaced
        changes = {name: values for name, values in changes.items() if not name.startswith("game.")}
        changes |= game_differences(renamed(played, RENAMED_GAME_KEYS), now["game"])
    listed = [
        f"{name} was {_shown(old)} and is now {_shown(new)}{_because(name, annealed)}"
        for name, (old, new) in changes.items()
    ]
    if before.get("data") != now.get("data"):
        listed = ["the tasks or episodes are others", *listed]
    if listed:
        raise ConfigError(
            f"{out} has a run with other data or settings: {'; '.join(listed)}. Set them back to resume the run, or "
            "choose another out"
        )


def _because(name: str, annealed: bool) -> str:
    """Why a length may not change."""
    if name not in FREE_IF_CONSTANT:
        return ""
    return f" ({'the reward' if annealed else 'the learning rate'} of each step depends on it)"


def changed_settings(config: Any, found: Any, *, annealed: bool = False) -> dict[str, tuple[Any, Any]]:
    """The settings that differ from those of a checkpoint and may not change: (before, now) by name.

    Args:
        config: The settings of the run.
        found: The settings in the checkpoint. Old names of keys also work.
        annealed: Whether the reward changes with the share of the run that is done.

    Raises:
        ConfigError: The settings in the checkpoint are missing or cannot be read.
    """
    if not isinstance(found, Mapping) or not found:
        raise ConfigError(
            f"the checkpoint in {config.out} does not name its settings, so it cannot be resumed: choose another out"
        )
    try:
        earlier = config_from(type(config), found)
    except ConfigError as error:
        raise ConfigError(
            f"the settings of the checkpoint in {config.out} cannot be read: {error}. Choose another out"
        ) from error
    optimizers = [
        getattr(each, name, None) for each in (config, earlier) for name in ("optim", "critic_optim")
    ]
    constant = not annealed and all(each is None or each.schedule == "constant" for each in optimizers)
    before, now = (dict(settings_of(config_to_dict(each))) for each in (earlier, config))
    return {
        name: (before.get(name), now.get(name))
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and not may_change(name, constant=constant)
    }


def settings_of(record: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """All settings of a configuration as pairs of full name and value, such as ("optim.lr", 1e-6)."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from settings_of(value, f"{where}{name}.")
        else:
            yield f"{where}{name}", value


def _shown(value: Any) -> str:
    """A value as it is written in a file, shortened."""
    text = "none" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
