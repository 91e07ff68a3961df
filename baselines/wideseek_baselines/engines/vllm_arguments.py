"""Which of vLLM's arguments a user may set, which of them change results, and checks of their names and values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from wideseek_baselines.engines.vllm_values import check_value
from wideseek_env.errors import ConfigError
from wideseek_env.suggestions import nearest

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

MEMORY_AND_SPEED = (
    # how requests are put into batches
    *("max_num_batched_tokens", "max_num_scheduled_tokens", "enable_chunked_prefill", "async_scheduling"),
    *("max_num_partial_prefills", "max_long_partial_prefills", "long_prefill_token_threshold"),
    *("stream_interval", "scheduler_reserve_full_isl", "prefill_schedule_interval", "max_num_active_seqs"),
    # the cache of keys and values, apart from its number type
    *("block_size", "num_gpu_blocks_override", "swap_space", "prefix_caching_hash_algo", "watermark"),
    *("kv_offloading_size", "kv_offloading_backend", "disable_hybrid_kv_cache_manager"),
    # weights outside the device's memory, and how they get there
    *(
        "cpu_offload_gb",
        "cpu_offload_params",
        "offload_backend",
        "offload_group_size",
        "offload_num_in_group",
    ),
    *("offload_params", "offload_prefetch_step", "download_dir", "max_parallel_loading_workers"),
    *("safetensors_load_strategy", "enable_cumem_allocator", "sleep_mode_offload_cudagraph"),
    # compilation and kernels: they change rounding only
    *("enforce_eager", "compilation_config", "optimization_level", "performance_mode", "kernel_config"),
    *("cudagraph_capture_sizes", "max_cudagraph_capture_size", "cuda_graph_sizes", "attention_backend"),
    *(
        "attention_config",
        "disable_cascade_attn",
        "enable_flashinfer_autotune",
        "linear_backend",
        "moe_backend",
    ),
    # the division of the work among devices and processes
    *(
        "pipeline_parallel_size",
        "data_parallel_size",
        "distributed_executor_backend",
        "enable_expert_parallel",
    ),
    *(
        "disable_custom_all_reduce",
        "decode_context_parallel_size",
        "prefill_context_parallel_size",
        "enable_dbo",
    ),
    *(
        "all2all_backend",
        "enable_eplb",
        "eplb_config",
        "expert_placement_strategy",
        "master_addr",
        "master_port",
    ),
    *("distributed_timeout_seconds", "numa_bind", "numa_bind_nodes", "numa_bind_cpus", "worker_cls"),
    *("nnodes", "node_rank", "device_ids", "ray_workers_use_nsight"),
    # what vLLM writes about itself
    *("max_logprobs", "enable_log_requests", "disable_log_requests", "log_level", "logging_config"),
    *(
        "log_config_file",
        "otlp_traces_endpoint",
        "collect_detailed_traces",
        "show_hidden_metrics_for_version",
    ),
    *(
        "kv_cache_metrics",
        "kv_cache_metrics_sample",
        "cudagraph_metrics",
        "enable_mfu_metrics",
        "profiler_config",
    ),
    *("enable_layerwise_nvtx_tracing", "enable_logging_iteration_details", "aggregate_engine_logging"),
)
"""Arguments of different versions of vLLM that change only memory, speed and reports. Results stay the same, apart from
rounding. All other arguments count as ones that change results, such as `quantization`, `kv_cache_dtype` and `seed`.
"""


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


def check_arguments(options: Mapping[str, Any], where: str = "options") -> None:
    """Check that the installed vLLM has all arguments in `options`, and that their values have the right types.

    Args:
        options: Arguments of vLLM by name.
        where: What the options are called in messages.

    Raises:
        ConfigError: An argument does not exist, or a value has the wrong type. The message suggests a similar name, or
            says which values are right.
    """
    if not options:
        return
    import vllm

    fields = {each.name: each for each in dataclasses.fields(vllm.AsyncEngineArgs) if each.name[0] != "_"}
    for name, value in options.items():
        if name not in fields:
            near = nearest(name, sorted(fields), 0.6)
            advice = (
                f"did you mean {near!r}?"
                if near is not None
                else "see the fields of vllm.AsyncEngineArgs for all names"
            )
            raise ConfigError(f"vLLM {vllm.__version__} has no engine argument {name!r}; {advice}")
        check_value(value, fields[name], vllm.AsyncEngineArgs, f"{where}.{name}")
