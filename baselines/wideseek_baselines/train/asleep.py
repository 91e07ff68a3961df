"""`sleeping_vllm`: the policy called `vllm`, with an engine that gives its GPU memory back while it sleeps."""

from __future__ import annotations

from typing import Unpack

from wideseek_baselines.policies.factories import PolicyOptions
from wideseek_baselines.policies.llm import LLMPolicy


def sleeping_vllm(
    model: str,
    *,
    context: int | None = None,
    max_requests: int | None = None,
    dtype: str = "auto",
    kv_bytes: int | None = None,
    gpu_memory_utilization: float | None = None,
    tensor_parallel: int = 1,
    **options: Unpack[PolicyOptions],
) -> LLMPolicy:
    """A policy whose engine drops weights, keys and values in `sleep`, as the trainer sends the weights anew anyway.

    Args:
        model: A model folder or a hub name.
        context: See `wideseek_baselines.engines.vllm.VllmEngine`, also for the following.
        max_requests: See there.
        dtype: See there.
        kv_bytes: See there.
        gpu_memory_utilization: See there.
        tensor_parallel: See there.
        options: Of the policy.
    """
    from wideseek_baselines.engines.vllm import VllmEngine

    engine = VllmEngine(
        model,
        context=context,
        max_requests=max_requests,
        dtype=dtype,
        kv_bytes=kv_bytes,
        gpu_memory_utilization=gpu_memory_utilization,
        tensor_parallel=tensor_parallel,
        sleep_level=2,
    )
    return LLMPolicy(engine, **options)
