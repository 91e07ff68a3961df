"""Which of vLLM's arguments a user may set, and checks of their names."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from wideseek_env.errors import ConfigError

FIXED: Mapping[str, Any] = {
    "skip_tokenizer_init": True,  # prompts and outputs are ids
    "load_format": "safetensors",
    "generation_config": "vllm",  # do not use the defaults of the model folder
    "logprobs_mode": "processed_logprobs",  # of the distribution that tokens are sampled from
    "enable_prefix_caching": True,
    "scheduling_policy": "priority",
    "disable_log_stats": False,  # they contain the times of a request
    "use_tqdm_on_load": False,
    "worker_extension_cls": "wideseek_baselines.engines.vllm_worker.ReplaceWeights",
}
"""Arguments that the engine needs as they are."""
OWN: Mapping[str, str] = {
    "model": "model",
    "max_model_len": "context",
    "max_num_seqs": "max_requests",
    "dtype": "dtype",
    "kv_cache_memory_bytes": "kv_bytes",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "tensor_parallel_size": "tensor_parallel",
    "seed": "seed",
    "enforce_eager": "enforce_eager",
    "enable_sleep_mode": "sleep_level",
}
"""Arguments that the engine sets, each with the engine's setting for it (`VllmSettings`)."""


def check_own(options: Mapping[str, Any], own: Mapping[str, str] = OWN, where: str = "options") -> None:
    """Check that `options` has no argument that the engine sets itself.

    Args:
        options: Arguments of vLLM by name.
        own: The arguments that have a setting, with its name.
        where: What the options are called in messages.

    Raises:
        ConfigError: It has one. The message names the setting to use instead.
    """
    for name in options:
        if name in own:
            raise ConfigError(f"{where} must not set {name}: set {own[name]} instead")
        if name in FIXED:
            raise ConfigError(
                f"{where} must not set {name}: this engine works only with {name}={FIXED[name]!r}"
            )


def check_known(options: Mapping[str, Any]) -> None:
    """Check that the installed vLLM has all arguments in `options`.

    Raises:
        ConfigError: It does not have one. The message suggests a similar name.
    """
    if not options:
        return
    import vllm

    known = sorted(each.name for each in dataclasses.fields(vllm.AsyncEngineArgs) if each.name[0] != "_")
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name.replace("-", "_").lower(), known, 1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else "see the fields of vllm.AsyncEngineArgs for all names"
            )
            raise ConfigError(f"vLLM {vllm.__version__} has no engine argument {name!r}; {hint}")
