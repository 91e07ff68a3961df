"""The chat client against a scripted server: retries, limits, the bill, and a key that appears nowhere."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from random import Random

import pytest
from scripted_server import Asked, Raw, ScriptedServer, completion

from wideseek_env.errors import ConfigError, ServiceError
from wideseek_env.llm import ChatClient, Prices, RetryPolicy, Usage
from wideseek_env.llm.retry import retry_after

HELLO = [{"role": "user", "content": "Hello"}]
KEY = "sk-secret-0123456789"


class Waits(list[float]):
    """A sleep function that does not sleep."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture(autouse=True)
def _no_key_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port on which nobody listens while the test runs."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_conversation_is_sent_and_the_reply_read() -> None:
    with (
        ScriptedServer(["Hi"]) as server,
        closing(ChatClient(server.url + "/", "m", prices=Prices(2.0, 10.0))) as client,
    ):
        reply = client.chat(HELLO, {"temperature": 0, "seed": None})
        assert (reply.text, reply.finish_reason) == ("Hi", "stop")
        assert server.asked[0].path == "/v1/chat/completions"
        assert server.asked[0].body == {"model": "m", "messages": HELLO, "temperature": 0}
        assert "Authorization" not in server.asked[0].headers
        assert client.usage == Usage(1, 0, 10, 5, (10 * 2.0 + 5 * 10.0) / 1e6)


def test_no_retry_begins_after_the_time_of_the_caller() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    retry = RetryPolicy(attempts=50, first_wait=1.0, longest_wait=1.0)
    with (
        ScriptedServer([Raw(500, b"oops")]) as server,
        closing(ChatClient(server.url, "m", retry=retry, sleep=sleep, clock=lambda: now[0])) as client,
    ):
        with pytest.raises(ServiceError, match="status 500: oops; another try would not begin within 3 s"):
            client.chat(HELLO, within=3.0)
        assert 3 <= len(server.asked) <= 6  # waits of half a second to a second
    assert now[0] < 3.0


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (completion(None), ""),
        (b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]}', "a"),
    ],
    ids=["no content", "parts"],
)
def test_other_forms_of_a_reply_are_read(body: bytes, text: str) -> None:
    with ScriptedServer([Raw(body=body)]) as server, closing(ChatClient(server.url, "m")) as client:
        assert client.chat(HELLO).text == text


def test_a_reply_without_a_token_count_is_counted_as_unmetered() -> None:
    body = b'{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}'
    with ScriptedServer([Raw(body=body)]) as server, closing(ChatClient(server.url, "m")) as client:
        client.chat(HELLO)
        assert client.usage == Usage(requests=1, unmetered=1)


FAULTS = {
    "429": Raw(429, b'{"error": {"message": "slow down"}}'),
    "500": Raw(500, b"oops"),
    "503": Raw(503, b""),
    "no JSON": Raw(200, b"<html>"),
    "JSON cut off": Raw(200, completion("Hi")[:40]),
    "no choices": Raw(200, b'{"choices": []}'),
    "an error with status 200": Raw(200, b'{"error": {"message": "overloaded"}}'),
    "choices of another type": Raw(200, b'{"choices": [7]}'),
    "content of another type": Raw(200, b'{"choices": [{"message": {"content": 7}}]}'),
    "connection lost in the middle": Raw(200, completion("Hi"), then="drop"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_retried(fault: Raw, waits: Waits) -> None:
    with (
        ScriptedServer([fault, fault, "Hi"]) as server,
        closing(ChatClient(server.url, "m", sleep=waits)) as client,
    ):
        assert client.chat(HELLO).text == "Hi"
        assert (client.usage.requests, client.usage.retries) == (3, 2)
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


def test_what_the_server_asks_to_wait_is_waited(waits: Waits) -> None:
    script = [Raw(429, b"", {"Retry-After": "7"}), Raw(503, b"", {"retry-after-ms": "1500"}), "Hi"]
    with ScriptedServer(script) as server, closing(ChatClient(server.url, "m", sleep=waits)) as client:
        client.chat(HELLO)
    assert 7 <= waits[0] <= 7.5
    assert 1.5 <= waits[1] <= 2.0


def test_a_server_that_asks_to_wait_too_long_is_given_up(waits: Waits) -> None:
    with (
        ScriptedServer([Raw(429, b"later", {"Retry-After": "3600"})]) as server,
        closing(ChatClient(server.url, "m", sleep=waits)) as client,
        pytest.raises(ServiceError, match="failed once: status 429: later; it asks to wait 3600 s") as caught,
    ):
        client.chat(HELLO)
    assert caught.value.status == 429
    assert waits == []


def test_retries_end(waits: Waits) -> None:
    with (
        ScriptedServer([Raw(500, b"oops")]) as server,
        closing(ChatClient(server.url, "m", retry=RetryPolicy(attempts=3), sleep=waits)) as client,
    ):
        with pytest.raises(ServiceError, match="failed 3 times: status 500: oops"):
            client.chat(HELLO)
        assert len(server.asked) == 3
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Raw(400, b"context length"), "status 400: context length"),
        (Raw(401, b"no"), "set OPENAI_API_KEY"),
        (Raw(404, b"no model"), "check the address"),
        (Raw(429, b'{"error": {"code": "insufficient_quota"}}'), "insufficient_quota"),
        (Raw(307, b"", {"Location": "http://elsewhere/v1"}), "redirects to http://elsewhere/v1"),
    ],
    ids=["400", "401", "404", "no credit", "redirect"],
)
def test_a_refusal_is_not_retried(answer: Raw, said: str, waits: Waits) -> None:
    with ScriptedServer([answer]) as server, closing(ChatClient(server.url, "m", sleep=waits)) as client:
        with pytest.raises(ServiceError, match=said) as caught:
            client.chat(HELLO)
        assert caught.value.status == answer.status
        assert len(server.asked) == 1
    assert waits == []


def test_a_server_that_hangs_runs_into_the_time_out(waits: Waits) -> None:
    with (
        ScriptedServer([Raw(200, completion("Hi"), then="hang"), "Hi"]) as server,
        closing(ChatClient(server.url, "m", timeout=0.05, sleep=waits)) as client,
    ):
        assert client.chat(HELLO).text == "Hi"
    assert len(waits) == 1


def test_a_server_that_trickles_runs_into_the_time_out(waits: Waits) -> None:
    times = iter([0.0, 31.0])  # when the request is sent, and when the first bytes are there
    with (
        ScriptedServer(["Hi"]) as server,
        closing(
            ChatClient(
                server.url, "m", timeout=30, retry=RetryPolicy(1), sleep=waits, clock=lambda: next(times)
            )
        ) as client,
        pytest.raises(ServiceError, match="no complete reply within 30 s"),
    ):
        client.chat(HELLO)


def test_a_server_that_is_not_there_is_an_error_that_says_so(free_port: int, waits: Waits) -> None:
    client = ChatClient(f"http://127.0.0.1:{free_port}/v1", "m", retry=RetryPolicy(2), sleep=waits)
    with (
        closing(client),
        pytest.raises(ServiceError, match=r"no connection .*check that the server runs") as caught,
    ):
        client.chat(HELLO)
    assert caught.value.status is None
    assert pickle.loads(pickle.dumps(ServiceError("a", 429))).status == 429


def test_the_key_is_sent_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waits: Waits
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    said = f"invalid key {KEY} given".encode()
    with (
        ScriptedServer([Raw(500, said), Raw(401, said)]) as server,
        closing(ChatClient(server.url, "m", api_key_env="MY_KEY", sleep=waits)) as client,
    ):
        with pytest.raises(ServiceError, match=r"invalid key \[key\] given") as caught:
            client.chat(HELLO)
        assert [asked.headers["Authorization"] for asked in server.asked] == [f"Bearer {KEY}"] * 2
    shown = [str(caught.value), repr(caught.value), repr(client), repr(vars(client)), caplog.text]
    assert not any(KEY in text for text in shown)
    assert KEY.encode() not in pickle.dumps(client)


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "schlüssel\n1")
    with (
        closing(ChatClient("http://127.0.0.1:1/v1", "m")) as client,
        pytest.raises(ConfigError, match="the key in OPENAI_API_KEY has characters") as caught,
    ):
        client.chat(HELLO)
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:8000",
        "ftp://a/v1",
        "http://",
        "http://[::1",
        "http://user:pass@a/v1",
        "http://a/v1?key=1",
        "http://a:99999/v1",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ChatClient(address, "m")
    assert "pass" not in str(caught.value)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError):
        ChatClient("http://a/v1", "")
    with pytest.raises(ConfigError):
        ChatClient("http://a/v1", "m", timeout=0)
    with pytest.raises(ConfigError):
        ChatClient("http://a/v1", "m", concurrency=0)
    with pytest.raises(ConfigError):
        RetryPolicy(attempts=0)
    with pytest.raises(ConfigError):
        Prices(prompt=-1)
    with pytest.raises(ConfigError), closing(ChatClient("http://a/v1", "m")) as client:
        client.chat_many([HELLO], [{}, {}])


def test_many_conversations_run_at_once_within_the_limit_and_come_back_in_order() -> None:
    gate = threading.Barrier(2)

    def echo(asked: Asked) -> str:
        gate.wait(timeout=10)  # passes only when exactly two requests are on their way
        return str(asked.body["messages"][0]["content"])

    seen: dict[int, str] = {}
    with ScriptedServer(echo) as server, closing(ChatClient(server.url, "m", concurrency=2)) as client:
        conversations = [[{"role": "user", "content": str(number)}] for number in range(6)]
        replies = client.chat_many(
            conversations, on_reply=lambda number, reply: seen.update({number: reply.text})
        )
        assert server.most_at_once == 2
        assert client.usage.requests == 6
    assert [reply.text for reply in replies] == list("012345")
    assert seen == {number: str(number) for number in range(6)}


def test_one_refusal_ends_many_conversations_and_keeps_what_arrived() -> None:
    def answer(asked: Asked) -> str | Raw:
        number = asked.body["messages"][0]["content"]
        return Raw(400, b"no") if number == "1" else str(number)

    seen: list[int] = []
    conversations = [[{"role": "user", "content": str(number)}] for number in range(50)]
    with ScriptedServer(answer) as server, closing(ChatClient(server.url, "m", concurrency=1)) as client:
        with pytest.raises(ServiceError, match="status 400"):
            client.chat_many(conversations, on_reply=lambda number, _: seen.append(number))
        assert len(server.asked) < 50
    assert 1 not in seen


def test_a_client_survives_pickling_and_closing() -> None:
    with ScriptedServer(["Hi"]) as server, closing(ChatClient(server.url, "m", timeout=5)) as client:
        client.chat(HELLO)
        client.close()
        assert client.chat(HELLO).text == "Hi"
        with closing(pickle.loads(pickle.dumps(client))) as copy:
            assert copy.chat(HELLO).text == "Hi"
            assert (copy.timeout, copy.usage.requests, client.usage.requests) == (5, 1, 2)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2020 07:28:30 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, datetime(2026, 10, 21, 7, 28, tzinfo=UTC)) == seconds


def test_waits_double_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=100, first_wait=1, longest_wait=10)
    random = Random("waits")
    for failures, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (99, 10)):
        waits = [policy.wait(failures, None, random) for _ in range(50)]
        assert all(wait is not None and most / 2 <= wait <= most for wait in waits)
        assert len(set(waits)) > 40
    assert policy.wait(100, None, random) is None
