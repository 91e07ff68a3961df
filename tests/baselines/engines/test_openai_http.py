"""The OpenAI engine against a scripted server: shapes, retries, broken answers, lost servers, a hidden key."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from scripted_server import Asked, Raw, ScriptedServer, completion

from wideseek_baselines.engines.base import EngineError, EngineLostError, Generation, Request, Sampling
from wideseek_baselines.engines.openai import OpenAIEngine
from wideseek_baselines.nano import make_nano
from wideseek_env.errors import ConfigError
from wideseek_env.llm import Prices, RetryPolicy, Usage

pytest.importorskip("httpx")

T = TypeVar("T")

HELLO = [{"role": "user", "content": "Hello"}]
KEY = "sk-secret-0123456789"


class Waits(list[float]):
    """A sleep function that does not sleep."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _nothing_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that needs no download."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("nano") / "model"
    make_nano(folder, vocab=600, worlds=3)
    return folder


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port on which nobody listens while the test runs."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def with_engine(engine: OpenAIEngine, work: Callable[[OpenAIEngine], Awaitable[T]]) -> T:
    async def run() -> T:
        await engine.start()
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def chat(engine: OpenAIEngine, request: Request | None = None) -> Generation:
    asked = request or Request("a", Sampling(), messages=HELLO)
    return with_engine(engine, lambda started: started.generate(asked))


def error(status: int, message: str = "no", **headers: str) -> Raw:
    body = json.dumps({"error": {"message": message, "code": status}}).encode()
    return Raw(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_request_says_all_its_sampling_and_nothing_unknown() -> None:
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
    asked = Request("a", Sampling(max_tokens=9, temperature=0.5, seed=3), messages=HELLO, tools=[tool])
    with ScriptedServer(["Hi"]) as server:
        engine = OpenAIEngine(
            server.url + "/", "m", prices=Prices(2.0, 10.0), fields={"user": "me", "seed": None}
        )
        made = chat(engine, asked)
    assert (made.message, made.finish_reason) == ({"role": "assistant", "content": "Hi"}, "stop")
    assert (made.ids, made.logprobs, made.prompt_tokens, made.completion_tokens) == (None, None, 10, 5)
    assert engine.info.takes == "messages"
    assert engine.usage == Usage(2, 0, 10, 5, (10 * 2.0 + 5 * 10.0) / 1e6), "one request asked for the models"
    (sent,) = server.asked
    assert sent.path == "/v1/chat/completions"
    assert sent.body == {
        "model": "m",
        "messages": HELLO,
        "tools": [tool],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 1.0,
        "user": "me",
    }
    assert "Authorization" not in sent.headers


def test_text_form_results_go_as_the_users_and_native_ones_as_tools() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"query": "a"}'}},
        {"id": "c2", "type": "function", "function": {"name": "browse", "arguments": '{"url": '}},
    ]
    conversation = [
        {"role": "system", "content": "S"},
        *HELLO,
        {"role": "assistant", "content": "<tool_call>{}</tool_call>", "finish_reason": "length"},
        {"role": "tool", "content": "result"},
        {"role": "user", "content": "and a notice"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
    ]
    with ScriptedServer(["Hi"]) as server:
        chat(OpenAIEngine(server.url, "m"), Request("a", Sampling(), messages=conversation))
    clean = json.dumps({"malformed": '{"url": '})
    assert server.asked[0].body["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "<tool_call>{}</tool_call>"},
        {"role": "user", "content": "result\n\nand a notice"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [calls[0], {**calls[1], "function": {"name": "browse", "arguments": clean}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
    ]
    assert conversation[2]["finish_reason"] == "length", "the conversation itself is left alone"
    assert conversation[3] == {"role": "tool", "content": "result"}


def test_native_calls_come_back_in_the_environments_shape() -> None:
    choice = {
        "message": {
            "role": "assistant",
            "content": None,
            "reasoning_content": "secret thoughts",
            "tool_calls": [
                {
                    "id": "x",
                    "type": "function",
                    "function": {"name": "search", "arguments": '{"query": "q"}'},
                },
                {"function": {"name": "browse", "arguments": {"url": "u"}}},
            ],
        },
        "finish_reason": "tool_calls",
    }
    with ScriptedServer([Raw(body=json.dumps({"choices": [choice]}).encode())]) as server:
        engine = OpenAIEngine(server.url, "m")
        made = chat(engine)
    assert made.finish_reason == "stop"
    assert made.message == {
        "role": "assistant",
        "content": "<think>\nsecret thoughts\n</think>",
        "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "search", "arguments": '{"query": "q"}'}},
            {"id": "call_1", "type": "function", "function": {"name": "browse", "arguments": '{"url": "u"}'}},
        ],
    }
    assert engine.usage.unmetered == 1


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("content_filter", "length")]
)
def test_finish_reasons(reason: str, finish: str) -> None:
    with ScriptedServer([Raw(body=completion("x", finish=reason))]) as server:
        assert chat(OpenAIEngine(server.url, "m")).finish_reason == finish


def test_a_failed_generation_is_an_error() -> None:
    with (
        ScriptedServer([Raw(body=completion("x", finish="abort"))]) as server,
        pytest.raises(EngineError, match="'abort'"),
    ):
        chat(OpenAIEngine(server.url, "m"))


@pytest.mark.parametrize(
    "broken",
    [
        error(408),
        error(409),
        error(429),
        error(500),
        error(503),
        Raw(body=b"<html>busy</html>"),
        Raw(body=b'{"choices": []}'),
        Raw(body=b'{"choices": [{"message": 3}]}'),
        Raw(body=completion("cut"), then="drop"),
    ],
    ids=["408", "409", "429", "500", "503", "html", "no choice", "no message", "cut off"],
)
def test_a_failure_that_may_pass_is_tried_again(broken: Raw, waits: Waits) -> None:
    with ScriptedServer([broken, broken, "Hi"]) as server:
        engine = OpenAIEngine(server.url, "m", sleep=waits)
        made = chat(engine)
    assert made.message == {"role": "assistant", "content": "Hi"}
    assert engine.usage.retries == 2
    assert len(waits) == 2
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


def test_retry_after_is_respected(waits: Waits) -> None:
    with ScriptedServer([error(429, Retry_After="7"), "Hi"]) as server:
        chat(OpenAIEngine(server.url, "m", sleep=waits))
    assert len(waits) == 1
    assert 7 <= waits[0] <= 7.5
    with ScriptedServer([error(429, Retry_After="3600")]) as server:
        with pytest.raises(EngineError, match="asks to wait 3600 s") as caught:
            chat(OpenAIEngine(server.url, "m", sleep=waits))
        assert len(server.asked) == 1
    assert not isinstance(caught.value, EngineLostError)


def test_a_refusal_is_not_tried_again(waits: Waits) -> None:
    with ScriptedServer([error(400, "unknown field 'top_p'")]) as server:
        with pytest.raises(EngineError, match=r"status 400.*unknown field 'top_p'"):
            chat(OpenAIEngine(server.url, "m", sleep=waits))
        assert len(server.asked) == 1
    assert waits == []


def test_a_prompt_that_is_too_long_says_so() -> None:
    said = "This model's maximum context length is 8192 tokens."
    with (
        ScriptedServer([error(400, said)]) as server,
        pytest.raises(EngineError, match=r"request a is too long for m.*8192"),
    ):
        chat(OpenAIEngine(server.url, "m"))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_fails_for_every_request_loses_the_engine(status: int) -> None:
    with ScriptedServer([error(status)]) as server, pytest.raises(EngineLostError, match=str(status)):
        chat(OpenAIEngine(server.url, "m"))


def test_no_credit_loses_the_engine_at_once(waits: Waits) -> None:
    with ScriptedServer([error(429, "insufficient_quota")]) as server:
        with pytest.raises(EngineLostError, match="no longer"):
            chat(OpenAIEngine(server.url, "m", sleep=waits))
        assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_lost(free_port: int, waits: Waits) -> None:
    engine = OpenAIEngine(f"http://127.0.0.1:{free_port}/v1", "m", retry=RetryPolicy(3), sleep=waits)
    with pytest.raises(EngineLostError, match="failed 3 times: no connection"):
        chat(engine)
    assert len(waits) == 2


def test_a_server_that_goes_away_is_lost(waits: Waits) -> None:
    async def work(engine: OpenAIEngine) -> None:
        asked = Request("a", Sampling(), messages=HELLO)
        assert (await engine.generate(asked)).message is not None
        await asyncio.to_thread(server.__exit__)
        with pytest.raises(EngineLostError, match="no connection"):
            await engine.generate(asked)

    last = Raw(body=completion("Hi"), headers={"Connection": "close"})
    server = ScriptedServer([last])
    with_engine(OpenAIEngine(server.url, "m", retry=RetryPolicy(2), sleep=waits), work)


def test_a_reply_that_never_ends_is_given_up() -> None:
    with ScriptedServer([Raw(body=completion("x"), then="hang")]) as server:
        engine = OpenAIEngine(server.url, "m", timeout=0.2, retry=RetryPolicy(1))
        with pytest.raises(EngineError, match=r"no complete reply within 0\.2 s") as caught:
            chat(engine)
    assert not isinstance(caught.value, EngineLostError), "others may still be served"


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedServer(["stolen"]) as other:
        away = Raw(307, b"", {"Location": f"{other.url}/chat/completions"})
        with ScriptedServer([away]) as server, pytest.raises(EngineError, match="redirects to"):
            chat(OpenAIEngine(server.url, "m"))
        assert other.asked == []


def test_the_key_is_sent_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waits: Waits
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    said = f"Incorrect API key provided: {KEY}"
    with ScriptedServer([error(500, said), error(401, said)]) as server:
        engine = OpenAIEngine(server.url, "m", api_key_env="MY_KEY", sleep=waits)
        with pytest.raises(EngineLostError) as caught:
            chat(engine)
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    shown = [str(caught.value), repr(caught.value.__dict__), repr(engine), repr(engine.info), caplog.text]
    assert not any(KEY in text for text in shown)
    assert "[key]" in str(caught.value)
    assert "MY_KEY" in str(caught.value)
    monkeypatch.setenv("MY_KEY", "line\nbreak")
    with pytest.raises(ConfigError, match="MY_KEY"):
        chat(engine)


def test_the_new_name_of_the_limit_is_learned() -> None:
    def answer(asked: Asked) -> Raw | str:
        if "max_tokens" in asked.body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return "Hi"

    async def work(engine: OpenAIEngine) -> None:
        asked = [Request(str(i), Sampling(max_tokens=8), messages=HELLO) for i in range(4)]
        await asyncio.gather(*map(engine.generate, asked))
        await engine.generate(Request("last", Sampling(max_tokens=8), messages=HELLO))

    with ScriptedServer(answer) as server:
        with_engine(OpenAIEngine(server.url, "m"), work)
    assert server.asked[-1].body["max_completion_tokens"] == 8
    assert len(server.asked) <= 9, "it is not learned again"


def test_no_more_requests_than_allowed_are_under_way_and_a_pause_holds_new_ones() -> None:
    async def work(engine: OpenAIEngine) -> None:
        await engine.pause()
        tasks = [
            asyncio.create_task(engine.generate(Request(str(i), Sampling(), messages=HELLO)))
            for i in range(20)
        ]
        await asyncio.sleep(0.05)
        assert server.asked == []
        await engine.resume()
        await asyncio.gather(*tasks)

    with ScriptedServer(["Hi"]) as server:
        with_engine(OpenAIEngine(server.url, "m", concurrency=3), work)
        assert len(server.asked) == 20
        assert server.most_at_once <= 3


def test_a_server_without_token_ids_is_refused_with_a_tokenizer(nano: Path) -> None:
    body = json.dumps({"choices": [{"text": "x", "finish_reason": "length", "logprobs": None}]}).encode()
    with (
        ScriptedServer([Raw(body=body)]) as server,
        pytest.raises(ConfigError, match=r"does not accept token ids.*omit the tokenizer"),
    ):
        chat(OpenAIEngine(server.url, "m", tokenizer=nano))


def served(asked: Asked, ids: list[int], *, processed: bool) -> Raw:
    """A vLLM server in little: shows `ids` for text, and log-probabilities before or after temperature."""
    temperature = asked.body["temperature"] if processed else 1.0
    prompt = asked.body["prompt"]
    choice: dict[str, Any] = {
        "finish_reason": "length",
        "logprobs": {
            "tokens": ["token_id:5"],
            "token_logprobs": [-2.0 / temperature],
            "top_logprobs": [{"token_id:5": -2.0 / temperature}],
        },
    }
    if isinstance(prompt, str):
        choice["prompt_token_ids"] = ids
    usage = {"prompt_tokens": len(prompt), "completion_tokens": 1}
    return Raw(body=json.dumps({"choices": [choice], "usage": usage}).encode())


@pytest.mark.parametrize("processed", [True, False])
def test_temperature_is_allowed_where_log_probabilities_follow_it(nano: Path, processed: bool) -> None:
    from transformers import AutoTokenizer

    from wideseek_baselines.engines import openai_probe

    ids = list(AutoTokenizer.from_pretrained(nano).encode(openai_probe._TEXT, add_special_tokens=False))
    with ScriptedServer(lambda asked: served(asked, ids, processed=processed)) as server:
        engine = OpenAIEngine(server.url, "m", tokenizer=nano)
        asked = Request("a", Sampling(max_tokens=1, temperature=0.5), ids=[3, 4])
        if processed:
            made = chat(engine, asked)
            assert (made.ids, made.logprobs, made.versions) == ([5], [-4.0], ((0, 1),))
        else:
            with pytest.raises(EngineError, match="processed_logprobs"):
                chat(engine, asked)


def test_weights_cannot_be_replaced() -> None:
    engine = OpenAIEngine("http://127.0.0.1:9/v1", "m")
    with pytest.raises(ConfigError, match="cannot be replaced from here"):
        asyncio.run(engine.update_weights(Path("weights"), 1))
    assert engine.version == 0


def test_an_engine_that_is_not_running_is_lost() -> None:
    engine = OpenAIEngine("http://127.0.0.1:9/v1", "m")
    with pytest.raises(EngineLostError, match="not running"):
        asyncio.run(engine.generate(Request("a", Sampling(), messages=HELLO)))


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("http://user:pass@host/v1", {}),
        ("host/v1", {}),
        ("http://host/v1", {"timeout": 0}),
        ("http://host/v1", {"concurrency": 0}),
        ("http://host/v1", {"model": ""}),
    ],
)
def test_settings_that_cannot_be_are_refused(address: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        OpenAIEngine(address, **{"model": "m", **options})
