"""The functions that make the policies of ``--policy vllm``, ``--policy openai`` and ``--policy transformers``.

All options are plain values, so you can give them as ``--policy-arg name=value``. The package of an engine is imported
only when its policy is made. These functions use the settings that a model carries only as far as the caller passes
them: `wideseek_baselines.model_settings.read_settings` returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from wideseek_baselines.engines.base import Engine
from wideseek_baselines.engines.vllm_loading import VLLM_MISSING, VLLM_SETTINGS
from wideseek_baselines.model_names import find_model
from wideseek_baselines.model_settings import suggest_settings
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.tokens import History
from wideseek_env.audience import option
from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.llm.usage import Prices
from wideseek_env.policy import sets_only_speed

_DRIVER = tuple(
    f"driver.{name}"
    for name in (
        *("concurrency", "headroom", "episode_tokens", "request_timeout", "search_batch", "tool_workers"),
        *("judge_workers", "backlog", "retries"),
    )
)
_VLLM = (
    *(
        "max_requests",
        "kv_bytes",
        "gpu_memory_utilization",
        "tensor_parallel",
        "enforce_eager",
        "sleep_level",
    ),
    *(
        f"engine_options.{name}"
        for name in (
            *("max_num_seqs", "max_num_batched_tokens", "block_size", "swap_space", "cpu_offload_gb"),
            *(
                "pipeline_parallel_size",
                "data_parallel_size",
                "enable_prefix_caching",
                "enable_chunked_prefill",
            ),
            *("disable_log_stats", "num_gpu_blocks_override", "max_parallel_loading_workers"),
            *("distributed_executor_backend", "compilation_config", "async_scheduling"),
        )
    ),
)

Factory = TypeVar("Factory", bound=Callable[..., Any])


def _suggesting(factory: Factory) -> Factory:
    """Let commands read the settings of this policy's model (`wideseek_env.policy.settings_of_model`)."""
    vars(factory)["suggest"] = suggest_settings
    return factory


class PolicyOptions(TypedDict, total=False):
    """The options that all these policies share. The docstrings of `LLMPolicy` and `AgentModel` describe them."""

    episode_tokens: int | None
    answer_tokens: int
    name: str
    driver: Mapping[str, Any] | None
    tokenizer: str | None
    thinking: bool | None
    history: History
    turn_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seeded: bool


class VllmOptions(PolicyOptions, total=False):
    """The options of `vllm_policy`: those of `PolicyOptions`, and the settings of the engine in `VllmSettings`."""

    context: int | None
    max_requests: int | None
    dtype: str
    kv_bytes: int | None
    gpu_memory_utilization: float | None
    tensor_parallel: int
    seed: int
    enforce_eager: bool
    sleep_level: Literal[0, 1, 2]
    adapters: Mapping[str, Any]


@_suggesting
@sets_only_speed("max_requests", "device", *_DRIVER)
def transformers_policy(
    model: str | None = None,
    *,
    subagent_model: str | None = None,
    context: int | None = None,
    max_requests: int = 16,
    device: str = "auto",
    dtype: str = "float32",
    **options: Unpack[PolicyOptions],
) -> LLMPolicy:
    """A policy that uses Hugging Face transformers in this process, for tests and small models.

    Args:
        model: A model folder, a hub name, or the name of a model that ships with this package, such as ``nano-team``.
        subagent_model: Another model for the subagents.
        context: The largest number of tokens of a prompt and its turn together. None means the limit of the model.
        max_requests: The largest number of turns in one batch.
        device: "auto", "cpu", "cuda", …
        dtype: "float32", "bfloat16" or "float16".
        options: Options of `PolicyOptions`, which all these policies share.
    """
    _check_models(model, subagent_model)
    from wideseek_baselines.engines.transformers import TransformersEngine

    def engine(name: str) -> Engine:
        return TransformersEngine(
            name, context=context, max_requests=max_requests, device=device, dtype=dtype
        )

    try:
        return LLMPolicy(engine(_named(model)), subagent=_other(subagent_model, model, engine), **options)
    except MissingDependencyError as error:
        if find_spec("vllm") is not None:
            raise
        raise MissingDependencyError(VLLM_MISSING) from error  # its extra has everything else that is missing


@_suggesting
@sets_only_speed(*_VLLM, *_DRIVER)
def vllm_policy(
    model: str | None = None,
    *,
    subagent_model: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    **options: Unpack[VllmOptions],
) -> LLMPolicy:
    """A policy that uses vLLM, which this process starts and ends.

    Args:
        model: A model folder, a hub name, or the name of a model that ships with this package, such as ``nano-team``.
        subagent_model: Another model for the subagents, which runs in a separate engine. The two engines share the
            device. So limit the memory of each with `gpu_memory_utilization` or `kv_bytes`.
        engine_options: Additional arguments of vLLM, by name.
        options: Settings of the engine and options of `PolicyOptions`. The engine's settings have the names in
            `wideseek_baselines.engines.vllm_loading.VllmSettings`, such as `context`, `dtype`, `kv_bytes` or
            `sleep_level`.
    """
    from wideseek_baselines.engines.vllm import VllmEngine

    _check_models(model, subagent_model)
    given: dict[str, Any] = dict(options)
    settings = {name: given.pop(name) for name in VLLM_SETTINGS if name in given}

    def engine(name: str) -> Engine:
        return VllmEngine(name, **settings, options=dict(engine_options or {}))

    try:
        return LLMPolicy(engine(_named(model)), subagent=_other(subagent_model, model, engine), **given)
    except MissingDependencyError as error:
        if find_spec("vllm") is not None:
            raise
        raise MissingDependencyError(VLLM_MISSING) from error  # its extra has everything else that is missing


@sets_only_speed("concurrency", "timeout", "api_key_env", *_DRIVER)
def openai_policy(
    base_url: str | None = None,
    model: str | None = None,
    *,
    subagent_model: str | None = None,
    context: int | None = None,
    api_key_env: str = "OPENAI_API_KEY",
    concurrency: int = 64,
    timeout: float = 600.0,
    prompt_price: float = 0.0,
    completion_price: float = 0.0,
    fields: Mapping[str, Any] | None = None,
    **options: Unpack[PolicyOptions],
) -> LLMPolicy:
    """A policy that uses an OpenAI-compatible server.

    Args:
        base_url: Address of the server's API, such as ``http://127.0.0.1:8000/v1``.
        model: Name of the model at the server.
        subagent_model: Another model for the subagents, at the same server.
        context: The largest number of tokens of a prompt and its turn together. None means the limit that the server
            reports.
        api_key_env: Environment variable with the server's key.
        concurrency: The largest number of requests in flight.
        timeout: Timeout of one request in seconds.
        prompt_price: Price of one million prompt tokens, for the cost in records.
        completion_price: Price of one million generated tokens.
        fields: Additional fields of every request.
        options: Options of `PolicyOptions`. With a `tokenizer`, the policy sends token ids to the server, and episodes
            can be used for training. Without a `tokenizer`, it sends messages. Then it sends `thinking` as
            ``chat_template_kwargs``, which vLLM and SGLang understand.
    """
    from wideseek_baselines.engines.openai import OpenAIEngine

    if not base_url:
        address = "http://127.0.0.1:8000/v1"
        how = option(f"base_url={address!r}", f"--base-url {address}")
        raise ConfigError(f"this policy needs the address of a model server: {how}")
    address, tokenizer, extra = base_url, options.get("tokenizer"), dict(fields or {})
    thinking = options.get("thinking")
    if tokenizer is None and thinking is not None:
        options["thinking"] = None
        extra.setdefault("chat_template_kwargs", {"enable_thinking": thinking})

    def engine(name: str) -> Engine:
        return OpenAIEngine(
            address,
            name,
            api_key_env=api_key_env,
            tokenizer=tokenizer,
            concurrency=concurrency,
            timeout=timeout,
            prices=Prices(prompt_price, completion_price),
            fields=extra,
        )

    return LLMPolicy(
        engine(_named(model)), subagent=_other(subagent_model, model, engine), context=context, **options
    )


def _named(model: str | None) -> str:
    if not model:
        raise ConfigError(f"this policy needs a model: {option('model=FOLDER', '--model FOLDER')}")
    return str(model)


def _check_models(model: str | None, subagent_model: str | None) -> None:
    """Check the folders or hub names, before importing an engine takes seconds."""
    for each in (_named(model), subagent_model):
        if each:
            find_model(each)


def _other(subagent_model: str | None, model: str | None, engine: Callable[[str], Engine]) -> Engine | None:
    """The separate engine of the subagents, or None if they use the same model."""
    if subagent_model is None or subagent_model == model:
        return None
    return engine(str(subagent_model))
