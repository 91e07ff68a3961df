"""Files and checkpoints with the old names of keys are still read, through one table."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from toy_game import toy_config, toy_game
from training_parts import saved_model

from wideseek_baselines.train.config.loading import config_from, load_config
from wideseek_baselines.train.grpo import GrpoConfig, run_grpo
from wideseek_baselines.train.model import checkpoint
from wideseek_baselines.train.ppo import PpoConfig
from wideseek_baselines.train.sft import SftConfig
from wideseek_env.errors import ConfigError
from wideseek_env.renamed import RENAMED_GAME_KEYS, RENAMED_TRAINING_KEYS, RENAMED_TRAINING_VALUES

REPOSITORY = Path(__file__).resolve().parents[4]
NEEDED = ("model.path=m", "out=o")
OLD_TOML = """
async_steps = 1
boards = ["wandb"]

[loss]
mismatch = "mask"
mismatch_cap = 3.0

[selection]
average = "rollout"

[game]
own_tools = ["package.module:tool"]
widths = [2, 4]
limits.width = 8
"""


def key_of(kind: Any, path: str) -> Any:
    """The annotation of a key; None if there is no such key."""
    for name in path.split("."):
        if not dataclasses.is_dataclass(kind) or name not in {each.name for each in dataclasses.fields(kind)}:
            return None
        kind = get_type_hints(kind)[name]  # type: ignore[arg-type]
    return kind


@pytest.mark.parametrize("old", RENAMED_TRAINING_KEYS)
def test_the_table_names_keys_that_there_were_and_are(old: str) -> None:
    new = RENAMED_TRAINING_KEYS[old]
    assert any(key_of(kind, new) for kind in (GrpoConfig, PpoConfig))
    assert not any(key_of(kind, old) for kind in (GrpoConfig, PpoConfig, SftConfig))


def test_an_old_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text(OLD_TOML + '\n[advantage]\ndegenerate = "keep"\n', "utf-8")
    config = load_config(GrpoConfig, tmp_path / "old.toml", NEEDED)
    assert (config.max_off_policy_steps, config.trackers, config.widths) == (1, ("wandb",), (2, 4))
    assert (config.loss.importance_sampling, config.loss.is_cap) == ("mask", 3.0)
    assert config.selection.loss_aggregation == "rollout"
    assert config.advantage.zero_variance_groups == "keep"
    assert config.game.tools == ("package.module:tool",)
    assert config.game.limits == {"width": 8}
    (tmp_path / "ppo.toml").write_text(OLD_TOML + "\n[value]\ntrace = 0.5\n", "utf-8")
    assert load_config(PpoConfig, tmp_path / "ppo.toml", NEEDED).value.gae_lambda == 0.5


def test_an_old_override_wins_over_a_new_name_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text("[loss]\nis_cap = 3.0\n", "utf-8")
    config = load_config(
        GrpoConfig, tmp_path / "new.toml", [*NEEDED, "loss.mismatch_cap=5", "loss.mismatch=off"]
    )
    assert (config.loss.is_cap, config.loss.importance_sampling) == (5.0, "none")


def old_names(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as an earlier version stored them."""
    found: dict[str, Any] = json.loads(json.dumps(settings))
    found["async_steps"] = found.pop("max_off_policy_steps")
    found["boards"] = found.pop("trackers")
    loss, selection = found["loss"], found["selection"]
    loss["mismatch"] = loss.pop("importance_sampling").replace("none", "off")
    loss["mismatch_cap"] = loss.pop("is_cap")
    selection["average"] = selection.pop("loss_aggregation")
    found["advantage"]["degenerate"] = found["advantage"].pop("zero_variance_groups")
    game = found["game"]
    limits = {each: game["limits"].get(each) for each in ("width", "lead_turns", "single_turns", "context")}
    names = ("tasks", "split", "where", "team", "roster", "rules", "profile", "reward")
    found["game"] = {name: game[name] for name in names} | {
        "corpus": None,
        "limit": None,
        "limits": limits,
        "widths": found.pop("widths"),
    }
    return found


def test_an_old_checkpoint_resumes(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "tiny")
    config = toy_config(
        GrpoConfig, model, tmp_path / "run", "steps=1", "checkpoint.every=1", "loss.importance_sampling=none"
    )
    run_grpo(config, game=toy_game(3))
    ((_, path),) = checkpoint.steps(tmp_path / "run" / "checkpoints")
    record = json.loads((path / "position.json").read_text("utf-8"))
    settings = old_names(record["position"]["settings"])
    assert settings["loss"]["mismatch"] == "off"
    assert config_from(GrpoConfig, settings) == config
    record["position"]["settings"] = settings
    (path / "position.json").write_text(json.dumps({**record, "format": 1}), "utf-8")
    (path / "checksums.json").unlink()
    longer = dataclasses.replace(config, steps=2)
    seen: list[int] = []
    assert run_grpo(longer, game=toy_game(3), on_step=lambda values: seen.append(values["step"])).steps == 2
    assert seen == [2], "the first step was not done again"
    other = dataclasses.replace(longer, loss=dataclasses.replace(longer.loss, is_cap=3.0))
    with pytest.raises(ConfigError, match=r"settings: loss\.is_cap was 2\.0 and is now 3\.0\."):
        run_grpo(other, game=toy_game(3))


def test_the_changelog_shows_the_same_tables() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    section = text.split("### Renamed configuration keys\n", 1)[1].split("\n### ", 1)[0]
    shown = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", section, re.MULTILINE))
    keys = {
        **RENAMED_TRAINING_KEYS,
        **{f"game.{old}": f"game.{new}" for old, new in RENAMED_GAME_KEYS.items()},
    }
    values = {
        f"{key} = {old}": f"{key} = {new}"
        for key, pairs in RENAMED_TRAINING_VALUES.items()
        for old, new in pairs.items()
    }
    assert shown == {**keys, **values}
