"""The OpenAI engine against a real vLLM server on loopback: both modes, ids, log-probabilities, cancellation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from llm_server import CONTEXT, LlmServer

from wideseek_baselines.engines.base import Engine, EngineError, Generation, Request, Sampling
from wideseek_baselines.engines.openai import OpenAIEngine
from wideseek_baselines.nano import make_nano
from wideseek_env.errors import ConfigError
from wideseek_env.llm import RetryPolicy

T = TypeVar("T")

QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]


@pytest.fixture(scope="module")
def tokenizer(smollm2_dir: Path) -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(smollm2_dir)


@pytest.fixture(scope="module")
def prompt(tokenizer: Any) -> list[int]:
    text = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False)
    return list(tokenizer.encode(text, add_special_tokens=False))


@pytest.fixture(scope="module")
def post(vllm_server: LlmServer) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Asks the server without the engine."""
    with requests.Session() as session:
        session.trust_env = False

        def ask(body: dict[str, Any]) -> Any:
            response = session.post(f"{vllm_server.url}/completions", json=body, timeout=120)
            assert response.status_code == 200, response.text
            return response.json()

        yield ask


def with_engine(engine: OpenAIEngine, work: Callable[[OpenAIEngine], Awaitable[T]]) -> T:
    async def run() -> T:
        await engine.start()
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def tokens_engine(server: LlmServer, folder: Path, **options: Any) -> OpenAIEngine:
    return OpenAIEngine(server.url, server.model, tokenizer=folder, api_key_env="NO_KEY", **options)


def chat_engine(server: LlmServer, **options: Any) -> OpenAIEngine:
    return OpenAIEngine(server.url, server.model, api_key_env="NO_KEY", **options)


def generate(engine: OpenAIEngine, *requests: Request) -> list[Generation]:
    async def work(engine: OpenAIEngine) -> list[Generation]:
        return list(await asyncio.gather(*(engine.generate(request) for request in requests)))

    return with_engine(engine, work)


def scored(post: Callable[[dict[str, Any]], Any], prompt: Sequence[int], ids: Sequence[int]) -> list[float]:
    """The log-probabilities that the model itself gives `ids` after `prompt`."""
    body = {"model": "smollm2", "prompt": [*prompt, *ids], "max_tokens": 1, "prompt_logprobs": 0}
    steps = post(body)["choices"][0]["prompt_logprobs"][len(prompt) :]
    return [step[str(token)]["logprob"] for token, step in zip(ids, steps, strict=True)]


def agree(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two scorings agree as well as bfloat16 does in batches of other sizes; other tokens are nats away."""
    differences = [abs(a - b) for a, b in zip(first, second, strict=True)]
    return max(differences) < 0.5 and sum(differences) / len(differences) < 0.1


def test_sampled_ids_come_back_with_their_log_probabilities(
    vllm_server: LlmServer,
    smollm2_dir: Path,
    prompt: list[int],
    post: Callable[[dict[str, Any]], Any],
) -> None:
    engine = tokens_engine(vllm_server, smollm2_dir)
    sampling = Sampling(max_tokens=40, temperature=1.0, seed=7)
    (made,) = generate(engine, Request("a", sampling, ids=prompt))
    assert isinstance(engine, Engine)
    assert (engine.info.takes, engine.info.context) == ("tokens", CONTEXT)
    assert made.ids is not None
    assert made.logprobs is not None
    assert (len(made.ids), len(made.logprobs), made.finish_reason) == (40, 40, "length")
    assert made.versions == ((0, 40),)
    assert (made.prompt_tokens, made.completion_tokens) == (len(prompt), 40)
    again = scored(post, prompt, made.ids)
    assert agree(made.logprobs, again)
    assert min(made.logprobs) < -0.5, "a sample that is not greedy has unlikely tokens"
    assert engine.usage.completion_tokens == 40
    assert engine.usage.unmetered == 0


def test_a_stop_id_is_kept_and_nothing_else_ends_a_turn(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int], tokenizer: Any
) -> None:
    greedy = Sampling(max_tokens=40, temperature=0.0)
    end = int(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    (made,) = generate(tokens_engine(vllm_server, smollm2_dir), Request("a", greedy, ids=prompt))
    assert made.ids is not None
    assert made.finish_reason == "length"
    assert len(made.ids) == 40
    assert end in made.ids, "the model ends its turn, but was not told to stop there"
    cut = made.ids.index(end) + 1
    stopping = Sampling(max_tokens=40, temperature=0.0, stop_ids=(end,))
    (stopped,) = generate(tokens_engine(vllm_server, smollm2_dir), Request("a", stopping, ids=prompt))
    assert (stopped.ids, stopped.finish_reason) == (made.ids[:cut], "stop")


def test_messages_give_the_text_that_tokens_give(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int], tokenizer: Any
) -> None:
    end = int(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    sampling = Sampling(max_tokens=30, temperature=0.0, stop_ids=(end,))
    (tokens,) = generate(tokens_engine(vllm_server, smollm2_dir), Request("a", sampling, ids=prompt))
    engine = chat_engine(vllm_server)
    (chat,) = generate(engine, Request("a", sampling, messages=QUESTION))
    assert engine.info.takes == "messages"
    assert chat.message == {
        "role": "assistant",
        "content": tokenizer.decode(tokens.ids, skip_special_tokens=True),
    }
    assert (chat.ids, chat.logprobs, chat.versions) == (None, None, ())
    assert (chat.prompt_tokens, chat.finish_reason) == (len(prompt), tokens.finish_reason)


def test_many_requests_at_once_keep_apart(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int], post: Callable[[dict[str, Any]], Any]
) -> None:
    engine = tokens_engine(vllm_server, smollm2_dir, concurrency=6)
    asked = [
        Request(str(i), Sampling(max_tokens=4 + i, seed=i), ids=prompt[: len(prompt) - i]) for i in range(12)
    ]
    made = generate(engine, *asked)
    for request, generation in zip(asked, made, strict=True):
        assert generation.ids is not None
        assert generation.logprobs is not None
        assert len(generation.ids) == request.sampling.max_tokens
        again = scored(post, request.ids, generation.ids)
        assert agree(generation.logprobs, again)
    assert max(generation.queued for generation in made) > 0, "six of them had to wait"


def test_cancelling_ends_the_generation_on_the_server(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int]
) -> None:
    endless = Request("a", Sampling(max_tokens=1800, seed=0), ids=prompt)

    def metric(name: str) -> float:
        with requests.Session() as session:
            session.trust_env = False
            text = session.get(f"{vllm_server.root}/metrics", timeout=30).text
        return sum(
            float(value) for value in re.findall(rf"^vllm:{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE)
        )

    async def until(running: float) -> None:
        async with asyncio.timeout(120):
            while await asyncio.to_thread(metric, "num_requests_running") != running:
                await asyncio.sleep(0.05)

    async def work(engine: OpenAIEngine) -> float:
        before = metric("generation_tokens_total")
        task = asyncio.create_task(engine.generate(endless))
        await until(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(0)
        small = Request("b", Sampling(max_tokens=2), ids=prompt)
        assert (await engine.generate(small)).ids is not None, "the engine goes on"
        return metric("generation_tokens_total") - before

    assert 0 < with_engine(tokens_engine(vllm_server, smollm2_dir), work) < 1500


@pytest.mark.parametrize("mode", ["tokens", "messages"])
def test_a_prompt_that_is_too_long_is_an_error_of_that_request(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int], mode: str
) -> None:
    long = [{"role": "user", "content": "museum " * 3 * CONTEXT}]
    if mode == "tokens":
        engine = tokens_engine(vllm_server, smollm2_dir)
        asked = Request("a", Sampling(), ids=prompt * CONTEXT)
    else:
        engine = chat_engine(vllm_server)
        asked = Request("a", Sampling(), messages=long)
    with pytest.raises(EngineError, match="too long"):
        generate(engine, asked)
    assert engine.usage.retries == 0


def test_a_generation_ends_with_the_context(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int]
) -> None:
    nearly = (prompt * CONTEXT)[: CONTEXT - 5]
    (made,) = generate(
        tokens_engine(vllm_server, smollm2_dir), Request("a", Sampling(max_tokens=10 * CONTEXT), ids=nearly)
    )
    assert made.ids is not None
    assert (len(made.ids), made.finish_reason) == (5, "length")
    limit = Sampling(max_tokens=10 * CONTEXT, temperature=0.0)
    (chat,) = generate(chat_engine(vllm_server), Request("a", limit, messages=QUESTION))
    assert chat.completion_tokens > 0


def test_what_cannot_work_is_said_at_the_start(
    vllm_server: LlmServer, smollm2_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="it serves: smollm2"):
        generate(OpenAIEngine(vllm_server.url, "qwen", api_key_env="NO_KEY"))
    make_nano(tmp_path / "nano", vocab=600, worlds=3)
    with pytest.raises(ConfigError, match="other ids than the given one"):
        generate(tokens_engine(vllm_server, tmp_path / "nano"))
    wrong = OpenAIEngine(f"{vllm_server.root}/v2", "smollm2", retry=RetryPolicy(1), tokenizer=smollm2_dir)
    with pytest.raises(ConfigError, match="404"):
        generate(wrong)


def test_log_probabilities_before_temperature_are_not_passed_off_as_those_after(
    vllm_server: LlmServer, smollm2_dir: Path, prompt: list[int]
) -> None:
    cooler = Request("a", Sampling(max_tokens=2, temperature=0.5), ids=prompt)
    with pytest.raises(EngineError, match="--logprobs-mode processed_logprobs"):
        generate(tokens_engine(vllm_server, smollm2_dir), cooler)


def test_what_the_server_cannot_do_is_quoted(vllm_server: LlmServer) -> None:
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
    asked = Request("a", Sampling(max_tokens=4), messages=QUESTION, tools=[tool])
    with pytest.raises(EngineError, match="enable-auto-tool-choice"):
        generate(chat_engine(vllm_server), asked)


def test_text_form_and_native_conversations_are_accepted(vllm_server: LlmServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"query": "a'}}
    conversations = (
        [*QUESTION, {"role": "assistant", "content": "<tool_call>…"}, {"role": "tool", "content": "found"}],
        [
            *QUESTION,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "Error: no JSON"},
        ],
    )
    asked = [
        Request(str(i), Sampling(max_tokens=3, temperature=0), messages=messages)
        for i, messages in enumerate(conversations)
    ]
    for made in generate(chat_engine(vllm_server), *asked):
        assert made.message is not None
        assert made.completion_tokens == 3
