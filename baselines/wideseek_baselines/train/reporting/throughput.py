"""Metrics of speed and memory: tokens a second, model FLOPs utilisation, GPU memory.

Model FLOPs are the operations that the matrix products of the model need in theory. A forward pass needs 2 for each
weight and token. A backward pass needs 4, or 2 if the weights are frozen (LoRA). Attention is counted too. Operations
that are repeated to save memory do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from wideseek_baselines.train import distributed
from wideseek_baselines.train.model.lora import has_adapters

if TYPE_CHECKING:
    from wideseek_baselines.train.data.packing import Sample
    from wideseek_baselines.train.model.critic import Critic
    from wideseek_baselines.train.model.model import TokenModel
    from wideseek_baselines.train.model.parts import ModelPart

PEAK_TFLOPS = (
    ("B200", 2250.0),
    ("GH200", 989.0),
    ("H200", 989.0),
    ("H100 PCIe", 756.0),
    ("H100", 989.0),
    ("A100", 312.0),
    ("L40S", 362.0),
    ("RTX 4090", 165.0),
    ("A10", 125.0),
    ("L4", 121.0),
)
"""Dense bfloat16 operations of GPUs in 10^12 a second, by a part of the device's name. Source: NVIDIA's data sheets."""


def work_metrics(
    model: TokenModel, samples: Sequence[Sample], *, updates: int, forward: int = 0
) -> dict[str, float]:
    """How much a training step computed: `processed_tokens` and `model_flops`, over all processes.

    Args:
        model: The model that was trained.
        samples: The samples of the step, the same on every process.
        updates: How often each sample went through the model forward and backward.
        forward: How often it also went through the model, or a model of the same size, forward only.
    """
    return {
        "processed_tokens": float(updates * sum(map(len, samples))),
        "model_flops": model_flops(model, samples, updates, forward),
    }


def critic_work(critic: Critic, samples: Sequence[Sample], *, updates: int, forward: int) -> dict[str, float]:
    """The same metrics for a separate critic. `samples` have the tokens that the critic reads."""
    return {
        "processed_tokens": float(updates * sum(map(len, samples))),
        "model_flops": critic_flops(critic, samples, updates, forward),
    }


def throughput_metrics(
    metrics: Mapping[str, float], seconds: float, device: torch.device
) -> dict[str, float]:
    """The metrics of a step with speed and memory instead of the work (`work_metrics`).

    Args:
        metrics: The metrics of the step. A step that trained nothing has no work.
        seconds: How long the step took.
        device: The device of the model.
    """
    found = {
        name: value for name, value in metrics.items() if name not in ("processed_tokens", "model_flops")
    }
    if metrics.get("model_flops"):
        speed = metrics["model_flops"] / distributed.size() / seconds / 1e12
        found["train_tokens_per_second"] = metrics["processed_tokens"] / seconds
        found["model_tflops_per_second"] = speed
        if (peak := peak_tflops(device)) is not None:
            found["mfu"] = speed / peak
    return {**found, **memory_metrics(device)}


def model_flops(model: TokenModel, samples: Sequence[Sample], updates: int, forward: int) -> float:
    """The model FLOPs of a step, over all processes. The arguments are those of `work_metrics`."""
    causal: Any = model.causal
    head = causal.get_output_embeddings().weight.numel()
    embedding = causal.get_input_embeddings().weight
    tied = embedding is causal.get_output_embeddings().weight
    one = next(iter(model.parts.values()))  # a token goes through the weights of its role only
    body = _matrices(one) - head - (0 if tied else embedding.numel())
    return _flops(causal.config, body, head, samples, updates, forward, frozen=has_adapters(model))


def critic_flops(critic: Critic, samples: Sequence[Sample], updates: int, forward: int) -> float:
    """The model FLOPs of a separate critic, over all processes. Its value head is not counted."""
    trunk: Any = critic.trunk
    body = _matrices(trunk) - trunk.get_input_embeddings().weight.numel()
    return _flops(trunk.config, body, 0, samples, updates, forward, frozen=has_adapters(critic))


def _matrices(module: nn.Module | ModelPart) -> int:
    """The number of weights in matrices."""
    return sum(part.numel() for _, part in module.named_parameters() if part.ndim > 1)


def _flops(
    config: Any, body: int, head: int, samples: Sequence[Sample], updates: int, forward: int, *, frozen: bool
) -> float:
    """Model FLOPs of passes over samples.

    Args:
        config: The configuration of the model.
        body: Weights of the matrices of the layers.
        head: Weights of the output layer. It computes only trained tokens.
        samples: The samples.
        updates: Number of forward and backward passes.
        forward: Number of additional forward passes.
        frozen: Whether the weights have no gradients, because adapters are trained.
    """
    config = config.get_text_config()
    heads = config.num_attention_heads
    width = (getattr(config, "head_dim", None) or config.hidden_size // heads) * heads
    backward = 1 if frozen else 2
    passes = forward + updates * (1 + backward)
    attended = (
        forward + updates * 3
    )  # attention has no weights, so its backward pass is always twice the forward pass
    total = 0.0
    for sample in samples:
        size = len(sample)
        total += passes * 2.0 * (body * size + head * len(sample.places))
        total += attended * 2.0 * config.num_hidden_layers * width * size * size  # half of the pairs: causal
    return total


def memory_metrics(device: torch.device) -> dict[str, float]:
    """GPU memory in GB of 10^9 bytes: the peak of this process since the last call, and what is used on the device.
    Empty without CUDA.
    """
    if device.type != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    metrics = {
        "gpu_memory_peak_gb": torch.cuda.max_memory_allocated(device) / 1e9,
        "gpu_memory_used_gb": (total - free) / 1e9,
    }
    torch.cuda.reset_peak_memory_stats(device)
    return metrics


def peak_tflops(device: torch.device) -> float | None:
    """The peak of a GPU in 10^12 dense bfloat16 operations a second. None if it is not in `PEAK_TFLOPS`."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in PEAK_TFLOPS if part in name), None)
