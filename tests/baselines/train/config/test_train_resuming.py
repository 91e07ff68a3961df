"""Which settings may change when a run is resumed: every setting is in one list, and a refusal says both values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from wideseek_baselines.engines.vllm_arguments import MEMORY_AND_SPEED
from wideseek_baselines.train.config import resuming
from wideseek_baselines.train.config.loading import config_to_dict, load_config
from wideseek_baselines.train.config.resuming import may_change, refuse_changes
from wideseek_baselines.train.grpo import GrpoConfig
from wideseek_baselines.train.ppo import PpoConfig
from wideseek_baselines.train.sft import SftConfig
from wideseek_env.errors import ConfigError

KINDS = (GrpoConfig, PpoConfig, SftConfig)
NEEDED = ["model.path=m", "out=o"]
LISTS = {
    "FREE": resuming.FREE,
    "FREE_IF_CONSTANT": resuming.FREE_IF_CONSTANT,
    "FIXED": resuming.FIXED,
}


def names(kind: type[Any], where: str = "") -> Iterator[str]:
    """The full names of all settings and tables of a configuration."""
    for name, hint in get_type_hints(kind).items():
        if name in {each.name for each in dataclasses.fields(kind)}:
            yield f"{where}{name}"
            if dataclasses.is_dataclass(hint) and isinstance(hint, type):
                yield from names(hint, f"{where}{name}.")


def every() -> list[str]:
    """The names of all settings and tables of all configurations."""
    return list(dict.fromkeys(name for kind in KINDS for name in names(kind)))


@pytest.mark.parametrize("name", every())
def test_every_setting_is_classified_once(name: str) -> None:
    found = [title for title, listed in LISTS.items() if name in listed]
    assert len(found) <= 1, f"{name} is in {' and '.join(found)}"
    begins = [name.rsplit(".", number)[0] for number in range(name.count(".") + 1)]
    inside = any(
        other.startswith(f"{name}.") for other in every()
    )  # a table, whose settings are looked at instead
    assert inside or any(begin in listed for begin in begins for listed in LISTS.values()), (
        f"{name} is in no list of wideseek_baselines.train.config.resuming: put it into FREE if the result of a run "
        "does not depend on it, else into FIXED"
    )


def test_the_lists_have_no_other_names() -> None:
    own = {f"engine.vllm.{name}" for name in MEMORY_AND_SPEED}
    assert {name for listed in LISTS.values() for name in listed} - own <= set(every())
    assert len(set(MEMORY_AND_SPEED)) == len(MEMORY_AND_SPEED)


SAFE = [
    *(
        "tokens_per_row=99",
        "model.checkpoint_activations=true",
        "model.logits_chunk=9",
        "model.attention=sdpa",
    ),
    *("model.device=cpu", "model.compile=true", "engine.kv_bytes=9", "engine.memory_share=0.4"),
    *("engine.max_requests=3", "engine.concurrency=3", "engine.tensor_parallel=2", "engine.sleep=true"),
    *("engine.workers=2", "engine.retries=7", "engine.request_timeout=5", "engine.vllm.block_size=32"),
    *(
        "engine.vllm.cpu_offload_gb=1",
        "engine.vllm.enforce_eager=true",
        "engine.vllm.attention_backend=FLASH_ATTN",
    ),
    *("engine.vllm.compilation_config.mode=0", "engine.vllm.enable_chunked_prefill=false"),
    *("engine.vllm.max_num_batched_tokens=512", "out=elsewhere", "checkpoint.every=3", "checkpoint.keep=9"),
    *(
        "evaluation.every=3",
        "collapse.window=2",
        "trackers=wandb",
        "name=x",
        "steps=200",
        "optim.max_skipped=9",
    ),
]
OTHER = [
    *("seed=1", "tasks=9", "group=9", "mini_batch=1", "epochs=2", "widths=[2]", "max_off_policy_steps=1"),
    *("prompt_tokens=9", "model.path=other", "model.precision=float32", "model.lora.rank=4", "optim.lr=0.1"),
    *("optim.schedule=cosine", "loss.kl=0.5", "loss.clip_low=0.5", "selection.failures=none"),
    *("engine.temperature=0.5", "engine.turn_tokens=9", "engine.context=9", "engine.thinking=true"),
    *("engine.vllm.quantization=fp8", "engine.vllm.kv_cache_dtype=fp8", "engine.vllm.seed=7"),
    *("engine.vllm.hf_overrides.rope.theta=1e6", "engine.vllm.speculative_config.method=ngram"),
    *("engine.vllm.override_generation_config.top_k=5", "engine.vllm.trust_remote_code=true"),
    *(
        "engine.vllm.revision=main",
        "engine.vllm.mamba_cache_dtype=float32",
        "engine.vllm.new_in_some_version=1",
    ),
    *("game.reward=wideseek_r1", "game.limits.width=4", "game.where=['rows>=3']"),
]


@pytest.mark.parametrize("kind", [GrpoConfig, PpoConfig])
@pytest.mark.parametrize("setting", [*SAFE, *OTHER])
def test_what_may_change(kind: type[Any], setting: str) -> None:
    before = config_to_dict(load_config(kind, None, NEEDED))
    now = load_config(kind, None, [*NEEDED, setting])
    record = {"settings": config_to_dict(now), "data": "d"}
    if setting in SAFE:
        refuse_changes("o", now, {"settings": before, "data": "d"}, record)
        return
    name = setting.split("=")[0]
    with pytest.raises(ConfigError, match=rf"settings: {name} was .* and is now .*\. Set them back"):
        refuse_changes("o", now, {"settings": before, "data": "d"}, record)


def test_a_refusal_names_all_settings_with_both_values() -> None:
    before = config_to_dict(load_config(GrpoConfig, None, NEEDED))
    now = load_config(GrpoConfig, None, [*NEEDED, "optim.lr=1e-3", "game.limits.width=4", "mini_batch=2"])
    with pytest.raises(ConfigError) as refused:
        refuse_changes("runs/a", now, {"settings": before, "data": "d"}, {"data": "e"})
    assert str(refused.value) == (
        "runs/a has a run with other data or settings: the tasks or episodes are others; game.limits.width was none "
        "and is now 4; mini_batch was none and is now 2; optim.lr was 1e-06 and is now 0.001. Set them back to resume "
        "the run, or choose another out"
    )


@pytest.mark.parametrize("table", ["optim", "critic_optim"])
def test_the_length_may_change_only_if_all_learning_rates_are_constant(table: str) -> None:
    falling = [*NEEDED, f"{table}.schedule=linear"]
    before = {"settings": config_to_dict(load_config(PpoConfig, None, falling)), "data": "d"}
    longer = load_config(PpoConfig, None, [*falling, "steps=200"])
    says = r"steps was 100 and is now 200 \(the learning rate of each step depends on it\)"
    with pytest.raises(ConfigError, match=says):
        refuse_changes("o", longer, before, {"data": "d"})


@pytest.mark.parametrize("kind", [GrpoConfig, PpoConfig])
def test_the_length_may_not_change_if_the_reward_is_annealed(kind: type[Any]) -> None:
    before = {"settings": config_to_dict(load_config(kind, None, NEEDED)), "data": "d"}
    longer = load_config(kind, None, [*NEEDED, "steps=200"])
    refuse_changes("o", longer, before, {"data": "d"})
    says = r"steps was 100 and is now 200 \(the reward of each step depends on it\)"
    with pytest.raises(ConfigError, match=says):
        refuse_changes("o", longer, before, {"data": "d"}, annealed=True)
    same = load_config(kind, None, [*NEEDED, "tokens_per_row=9"])
    refuse_changes("o", same, before, {"data": "d"}, annealed=True)


def test_settings_that_cannot_be_read() -> None:
    config = load_config(GrpoConfig, None, NEEDED)
    with pytest.raises(ConfigError, match="does not name its settings"):
        refuse_changes("o", config, {}, {})
    with pytest.raises(ConfigError, match="cannot be read: unknown key 'colour'"):
        refuse_changes("o", config, {"settings": {**config_to_dict(config), "colour": 1}}, {})


def test_an_unknown_setting_may_not_change() -> None:
    assert not may_change("new.setting", constant=True)
