"""The functions that make the policies of ``--policy vllm``, ``--policy openai`` and ``--policy transformers``.

All options are plain values, so you can give them as ``--policy-arg name=value``. The package of an engine is imported
only when its policy is made. These functions use the settings that a model carries only as far as the caller passes
them: `wideseek_baselines.model_settings.read_settings` returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, TypedDict, TypeVar, Unpack

from wideseek_baselines.engines.base import Engine
from wideseek_baselines.engines.vllm_loading import VLLM_MISSING, VLLM_SETTINGS
from wideseek_baselines.model_settings import suggest_settings
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_baselines.tokens import History
from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.llm.usage import Prices

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


@_suggesting
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
def vllm_policy(
    model: str | None = None,
    *,
    subagent_model: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    **options: Any,
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

    settings = {name: options.pop(name) for name in VLLM_SETTINGS if name in options}

    def engine(name: str) -> Engine:
        return VllmEngine(name, **settings, options=dict(engine_options or {}))

    try:
        return LLMPolicy(engine(_named(model)), subagent=_other(subagent_model, model, engine), **options)
    except MissingDependencyError as error:
        if find_spec("vllm") is not None:
            raise
        raise MissingDependencyError(VLLM_MISSING) from error  # its extra has everything else that is missing


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
        raise ConfigError("this policy needs a server: --base-url http://127.0.0.1:8000/v1")
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
        raise ConfigError("this policy needs a model: --model FOLDER (or --policy-arg model=…)")
    return str(model)


def _other(subagent_model: str | None, model: str | None, engine: Callable[[str], Engine]) -> Engine | None:
    """The separate engine of the subagents, or None if they use the same model."""
    if subagent_model is None or subagent_model == model:
        return None
    return engine(str(subagent_model))
