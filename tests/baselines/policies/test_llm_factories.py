"""Policies from plain options, as the command line gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wideseek_baselines.policies import factories
from wideseek_baselines.policies.factories import openai_policy, transformers_policy, vllm_policy
from wideseek_baselines.policies.llm import LLMPolicy
from wideseek_env.errors import ConfigError, MissingDependencyError
from wideseek_env.policy import make_policy

pytest.importorskip("transformers")


def test_a_policy_from_plain_options(tiny_folder: Path, other_folder: Path) -> None:
    made = make_policy(
        "wideseek_baselines.policies.factories:transformers_policy",
        model=str(tiny_folder),
        subagent_model=str(other_folder),
        context=512,
        device="cpu",
        thinking=False,
        turn_tokens=64,
        temperature=0.7,
        driver={"concurrency": 2},
    )
    assert isinstance(made, LLMPolicy)
    lead, subagent = made.engines
    assert (lead.info.model, subagent.info.model) == (str(tiny_folder), str(other_folder))
    assert made.models["lead"][0].sampling(1000, 1).max_tokens == 64
    assert made.name == f"transformers:{tiny_folder.name}+transformers:{other_folder.name}"
    assert len(transformers_policy(str(tiny_folder), subagent_model=str(tiny_folder)).engines) == 1


def test_unknown_options_are_refused(tiny_folder: Path) -> None:
    name = "wideseek_baselines.policies.factories:transformers_policy"
    with pytest.raises(ConfigError, match="temprature"):
        make_policy(name, model=str(tiny_folder), temprature=1)
    with pytest.raises(ConfigError, match="model=FOLDER"):
        make_policy(name)
    with pytest.raises(ConfigError, match="base_url='http"):
        openai_policy(model="m")
    with pytest.raises(ConfigError, match="model=FOLDER"):
        openai_policy("http://127.0.0.1:1/v1")


def test_a_server_is_sent_messages_unless_there_is_a_tokenizer(tiny_folder: Path) -> None:
    pytest.importorskip("httpx")
    address: dict[str, Any] = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    chat = openai_policy(**address, thinking=False)
    assert chat.engines[0].info.takes == "messages"
    assert not chat.records_tokens
    exact = openai_policy(**address, tokenizer=str(tiny_folder), thinking=False)
    assert exact.engines[0].info.takes == "tokens"
    assert exact.records_tokens
    template = exact.models["lead"][0].template
    assert template is not None
    assert template.thinking is False


def test_vllm_is_not_loaded_before_it_plays(tiny_folder: Path) -> None:
    made = vllm_policy(str(tiny_folder), context=256, kv_bytes=1 << 26, dtype="float32")
    assert made.engines[0].info.name == "vllm"
    assert made.models["lead"][0].context == 256
    made.close()


def test_without_vllm_its_extra_is_named_whatever_else_is_missing(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: Any, **__: Any) -> None:
        raise MissingDependencyError("chat templates need transformers")

    monkeypatch.setattr(factories, "LLMPolicy", lacking)
    monkeypatch.setattr(factories, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r'needs vLLM.*pip install -e "baselines\[vllm\]"'):
        vllm_policy(str(tiny_folder))
