"""Runs a training step on fake CUDA tensors: forward and backward pass, without a GPU.

    python benchmarks/gpu/fake_cuda.py

A fake tensor has a device, a type and a shape, but no data. Every operator checks them as on a GPU. So the script finds
wrong types, wrong shapes and missing arguments, but it says nothing about numbers, speed or memory. It needs a CUDA
build of PyTorch (the default on Linux), transformers and a C compiler.

The step is that of GRPO (policy loss with KL term and entropy) and of PPO (value head and separate critic). For each
model and precision, the script prints one row of a Markdown table. It exits with 1 if a step failed.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

SHIM = """
signed char fake_devices = 0;
signed char _ZN3c104cuda12device_countEv(void) { return fake_devices; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    (void)device; *flags = 0; *active = 0; return 0;
}
"""
"""PyTorch's autograd engine asks every CUDA device whether it was used. Without a driver the question is an error. This
library stands in for the driver: it has devices, and none was used. It must be loaded before torch.
"""
MODELS = ("qwen3", "llama")
PRECISIONS = ("float32", "autocast", "bfloat16")
HIDDEN = 256
LENGTHS = (40, 17, 64, 5)


def load_shim() -> ctypes.c_int8:
    """Load the stand-in for the driver. Returns its number of devices, which may be changed."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "shim.c"), Path(folder, "shim.so")
        source.write_text(SHIM)
        command = ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(library), str(source)]
        subprocess.run(command, check=True)
        return ctypes.c_int8.in_dll(ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL), "fake_devices")


def causal_model(name: str, dtype: Any) -> Any:
    """A small model with grouped queries and the head size of the large ones."""
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config

    kind = Qwen3Config if name == "qwen3" else LlamaConfig
    config = kind(
        vocab_size=512,
        hidden_size=HIDDEN,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=128,
    )
    return AutoModelForCausalLM.from_config(config, dtype=dtype)


def made_row() -> Any:
    """A packed row with the columns of a training step."""
    import numpy as np

    from wideseek_baselines.train.data.packing import Sample, pack

    names = ("advantage", "weight", "engine", "temperature", "reference", "value", "return", "critic_weight")
    samples = []
    for length in LENGTHS:
        places = np.arange(1, length, 2)
        columns = {name: np.ones(len(places), np.float32) for name in names}
        samples.append(Sample(np.zeros(length, np.int64), places, columns))
    (row,) = pack(samples, sum(LENGTHS))
    return row


def train(name: str, precision: str, devices: ctypes.c_int8) -> None:
    """Forward and backward pass of a policy, its reference, a value head and a separate critic."""
    import torch

    from wideseek_baselines.train.config.options import OptimOptions, PolicyLossOptions
    from wideseek_baselines.train.model.attention import use_attention
    from wideseek_baselines.train.model.critic import Critic, ValueHead
    from wideseek_baselines.train.model.model import TokenModel
    from wideseek_baselines.train.objective.losses import policy_loss, value_loss
    from wideseek_baselines.train.optim.optimizer import Optimizer

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    policy, reference, separate = (causal_model(name, dtype) for _ in range(3))
    for causal in (policy, reference, separate):
        use_attention(causal, "packed")
    autocast = precision == "autocast"
    model = TokenModel(policy, autocast=autocast).train()
    frozen = TokenModel(reference, autocast=autocast).eval().requires_grad_(False)
    head, critic = ValueHead(HIDDEN), Critic(separate, autocast=autocast)
    modules = {"model": model, "head": head, "critic": critic}
    for module in modules.values():
        Optimizer(module.named_parameters(), OptimOptions())  # float32 copies collect bfloat16 gradients
    row = made_row().to("cuda:0")
    with torch.no_grad():
        before = frozen(row, temperature=row.columns["temperature"]).logprobs
    scores = model(row, temperature=row.columns["temperature"], entropies=True)
    loss = policy_loss(
        scores.logprobs,
        scores.logprobs.detach(),
        row.columns["advantage"],
        row.columns["weight"],
        PolicyLossOptions(kl=0.1, entropy=0.1),
        engine=row.columns["engine"],
        reference=before,
        entropies=scores.entropies,
        counts=row.counts,
    ).value
    for values in (head(scores.hidden), critic(row)):
        columns = [row.columns[column] for column in ("value", "return", "critic_weight")]
        loss = loss + value_loss(values, *columns, clip=0.2).value
    assert loss.device.type == "cuda"
    devices.value = 127  # only now: with devices, fake tensors would use a real one
    try:
        with torch.autograd.set_multithreading_enabled(False):
            loss.backward()
    finally:
        devices.value = 0


def kernels_of(
    name: str, precision: str, capability: tuple[int, int], devices: ctypes.c_int8
) -> Counter[str]:
    """Run a step on fake tensors. Returns how often each kernel was chosen."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from wideseek_baselines.train.model import attention
    from wideseek_baselines.train.model.critic import ValueHead

    chosen: Counter[str] = Counter()
    choose = attention.choose_kernel

    def recording(given: Any) -> Any:
        kernel = choose(given)
        kind = str(kernel.dtype).removeprefix("torch.")
        chosen[f"{kernel.name}, {kind}" + (", repeated heads" if kernel.repeats > 1 else "")] += 1
        return kernel

    device = {"get_device_capability": lambda device=None: capability, "is_bf16_supported": lambda: True}
    code = {
        "choose_kernel": recording,
        "sequence_lengths": lambda boundaries: sorted(
            LENGTHS, reverse=True
        ),  # fake boundaries have no numbers
    }
    attention.cuda_capability.cache_clear()
    with (
        patch.multiple(torch.cuda, **device),
        patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
        patch.multiple(attention, **code),
        patch.object(ValueHead, "to", lambda head, device: head),  # fake parameters cannot be moved
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.device("cuda:0"),
    ):
        train(name, precision, devices)
    return chosen


def main() -> int:
    """Print the table. Returns the exit status."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--capability", default="9.0", help="compute capability of the stand-in device")
    options.add_argument("--verbose", action="store_true", help="print the tracebacks of failed steps")
    given = options.parse_args()
    major, minor = map(int, given.capability.split("."))
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "baselines")]
    devices = load_shim()
    import torch

    if torch.version.cuda is None:
        raise SystemExit(f"torch {torch.__version__} is no CUDA build: install one in its own environment")
    failed = 0
    print(f"| torch | model | precision | step | kernel at capability {given.capability} |\n|" + " --- |" * 5)
    for name in MODELS:
        for precision in PRECISIONS:
            try:
                found = kernels_of(name, precision, (major, minor), devices)
                result, kernels = "passed", "; ".join(sorted(found))
            except Exception as error:
                failed += 1
                result, kernels = "failed", f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                if given.verbose:
                    traceback.print_exc()
            print(f"| {torch.__version__} | {name} | {precision} | {result} | {kernels} |", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
