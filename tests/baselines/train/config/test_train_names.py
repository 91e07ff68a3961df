"""Names in a training configuration are checked when it is read, and `none` empties every setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wideseek_baselines.train.config.loading import config_from, config_to_dict, load_config, preset_file
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.ppo import PpoConfig
from wideseek_env.errors import ConfigError
from wideseek_env.suggestions import nearest

NEEDED = ["model.path=m", "out=o"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("game.credit=celles", "game.credit: no credit 'celles' (did you mean 'cells'?)"),
        ("game.credit=Team", "game.credit: no credit 'Team' (did you mean 'team'?)"),
        ("game.credit=5", "game.credit must be a name, or an object"),
        ("game.reward=item_f", "game.reward: no reward 'item_f' (did you mean 'item_f1'?)"),
        ("game.reward=wideseek-r1", "(did you mean 'wideseek_r1'?)"),
        ("game.reward=[1]", "game.reward must be a name"),
        ("game.judge=ofline", "game.judge: no judge is called 'ofline' (did you mean 'offline'?)"),
        ("game.judge=openai:qwen", "game.judge: 'openai:qwen' does not have a model and an address"),
        ("game.judge=recorded:", "game.judge: no judge is called 'recorded:'"),
        ("game.profile=ters", "game.profile: no profile 'ters' (did you mean 'terse'?)"),
        ("game.profile=wideseek_r1", "(did you mean 'wideseek-r1'?)"),
        (
            "game.rules=width-bench",
            "game.rules: no rules preset 'width-bench' (did you mean 'width-benchmark'?)",
        ),
        ("game.tools=collect", "game.tools: no tool 'collect'"),
        ("game.tools=['led=a.b:c']", "is for no role 'led' (did you mean 'lead'?)"),
        ("game.counter=character", "game.counter: no counter 'character' (did you mean 'characters'?)"),
        ("game.executor=x", "game.executor: no executor 'x'"),
        (
            "game.summariser=engin",
            "game.summariser: no summariser is called 'engin' (did you mean 'engine'?)",
        ),
        ("game.summariser=openai:x", "game.summariser: 'openai:x' does not have a model and an address"),
        ("game.tasks=synthetik", "game.tasks: no tasks 'synthetik' (did you mean 'synthetic'?)"),
        ("evaluation.source=hybridq", "evaluation.source: no tasks 'hybridq' (did you mean 'hybridqa'?)"),
        ("loss.name=GSPO", "not 'GSPO' (did you mean 'gspo'?)"),
        ("loss.name=drgrpo", "(did you mean 'dr_grpo'?)"),
        ("engine.dtype=flot32", "engine.dtype must be one of auto, float32"),
        ("optim.schedule=linar", "not 'linar' (did you mean 'linear'?)"),
        ("trackers=wandbb", "(did you mean 'wandb'?)"),
    ],
)
def test_a_misspelt_name_is_refused_with_its_setting(setting: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(GrpoConfig, None, [*NEEDED, setting])
    assert says in str(refused.value)
    assert "game.a" not in str(refused.value)


@pytest.mark.parametrize(
    "setting",
    [
        *(
            "game.credit=cells",
            "game.reward=my.module:Reward",
            "game.reward=wideseek_env.shaping:parl,weight=0.3",
        ),
        *("game.judge=openai:qwen@http://127.0.0.1:1/v1", "game.judge=recorded:/not/there.jsonl"),
        *(
            "game.tools=lead=my.module:tool",
            "game.tasks=not-there.jsonl.gz",
            "game.tasks=widesearch:/not/there",
        ),
        *(
            "game.corpus=folder/that/is/elsewhere",
            "game.summariser=engine",
            "game.executor=my.module:Executor",
        ),
        *("evaluation.source=qa:/not/there", "loss.name=none", "game.profile=my.module:PROFILE"),
    ],
)
def test_files_and_custom_parts_are_looked_for_later(setting: str) -> None:
    """A dry run must work on another machine than that of the run."""
    load_config(GrpoConfig, None, [*NEEDED, setting])


EMPTY: list[tuple[str, str, Any]] = [
    ("widths=[2, 4]", "widths", ()),
    ("evaluation.widths=[2]", "evaluation.widths", ()),
    ('evaluation.where=["rows>=3"]', "evaluation.where", None),
    ("trackers=wandb", "trackers", ()),
    ("game.where=rows>=3", "game.where", ()),
    ("game.tools=a.b:c", "game.tools", ()),
    ("game.limits.width=4", "game.limits", {}),
    ("game.width=4", "game.width", None),
    ("game.judge=recorded:a", "game.judge", "offline"),
    ("game.language=en", "game.language", None),
    ("game.corpus=a", "game.corpus", None),
    ("engine.vllm.block_size=32", "engine.vllm", {}),
    ("engine.context=4", "engine.context", None),
    ("engine.dtype=float32", "engine.dtype", None),
    ("engine.thinking=true", "engine.thinking", None),
    ("mini_batch=2", "mini_batch", None),
    ("prompt_tokens=2", "prompt_tokens", None),
    ("name=x", "name", None),
    ("loss.kl_clip=2", "loss.kl_clip", None),
    ("loss.dual_clip=2", "loss.dual_clip", None),
]


@pytest.mark.parametrize(("setting", "name", "empty"), EMPTY)
def test_none_empties_a_setting_of_a_file_and_of_the_command_line(
    tmp_path: Path, setting: str, name: str, empty: Any
) -> None:
    def value(config: Any) -> Any:
        for part in name.split("."):
            config = getattr(config, part)
        return config

    before = load_config(PpoConfig, None, [*NEEDED, setting])
    assert value(before) != empty, "otherwise the test says nothing"
    written = config_to_dict(before)
    table, key = written, name.split(".")
    for part in key[:-1]:
        table = table[part]
    table[key[-1]] = "none"
    assert value(config_from(PpoConfig, written)) == empty
    assert value(load_config(PpoConfig, None, [*NEEDED, setting, f"{name}=none"])) == empty


def test_none_empties_what_a_preset_sets() -> None:
    preset = preset_file("nano-cpu")
    settings = ["widths=none", "evaluation.widths=none", "game.where=none", "game.limits=none"]
    config = load_config(GrpoConfig, None, [*NEEDED, *settings], preset=preset)
    assert (config.widths, config.evaluation.widths, config.game.where, config.game.limits) == (
        (),
        (),
        (),
        {},
    )
    same = load_config(
        GrpoConfig, None, [*NEEDED, "widths=[]", "evaluation.widths=[]", "game.where=[]"], preset=preset
    )
    assert (same.widths, same.evaluation.widths, same.game.where) == ((), (), ())


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("selection.roles=none", "roles must name at least one"),
        ("model.lora.targets=none", "targets must name at least one"),
        ("optim.betas=none", "betas must be two numbers"),
        ("tasks=none", "tasks must be a whole number"),
        ("optim=none", "optim must be a table"),
    ],
)
def test_what_cannot_be_empty(setting: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(GrpoConfig, None, [*NEEDED, setting])


def test_the_nearest_name() -> None:
    known = ["item_f1", "wideseek_r1"]
    assert nearest("WideSeek-R1", known) == "wideseek_r1"
    assert nearest("zzz", known) is None
    assert nearest(5, known) is None
    assert nearest("", known) is None
    assert nearest("x", []) is None
