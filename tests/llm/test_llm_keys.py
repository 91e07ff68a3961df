"""Replies of a chat service that repeats its key."""

from __future__ import annotations

import json
from contextlib import closing
from random import Random

import pytest
from key_forms import FORMS, KEY, traces
from scripted_server import Raw, ScriptedServer, completion

from wideseek_env.errors import ConfigError, ServiceError
from wideseek_env.llm import ChatClient, RetryPolicy
from wideseek_env.llm.exchange import Exchange, RefusedRequestError
from wideseek_env.llm.key import ApiKey

HELLO = [{"role": "user", "content": "Hello"}]
TOKEN = "a8f5f167f44f4964e6c998dee827110c"


def test_no_form_of_the_key_is_in_replies_or_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    forms = list(FORMS.values())
    answers: list[str | Raw] = [*forms, *(Raw(400, form.encode()) for form in forms)]
    with (
        ScriptedServer(answers) as server,
        closing(ChatClient(server.url, "m", api_key_env="MY_KEY")) as client,
    ):
        for _ in forms:
            reply = client.chat(HELLO)
            assert traces(reply.text + json.dumps(dict(reply.message))) == []
        for _ in forms:
            with pytest.raises(ServiceError) as caught:
                client.chat(HELLO)
            assert traces(str(caught.value)) == []


def test_tool_calls_and_placeholders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    exchange = Exchange(f"https://s.example/{TOKEN}/v1", ApiKey("MY_KEY"), RetryPolicy(), Random(0))
    content = json.dumps({"calls": [{"arguments": json.dumps({"q": KEY})}], "path": TOKEN}).encode()
    assert exchange.read(200, {}, content, lambda data: data, "x") == {
        "calls": [{"arguments": '{"q": "[key]"}'}],
        "path": "[key]",
    }
    with pytest.raises(RefusedRequestError) as caught:
        exchange.read(302, {"location": f"/x?k={KEY}"}, b"", lambda data: data, "x")
    assert KEY not in str(caught.value)
    monkeypatch.setenv("MY_KEY", "EMPTY")
    assert exchange.read(200, {}, completion("an EMPTY cell"), str, "x").count("EMPTY") == 1


def test_a_key_in_the_address_of_an_api() -> None:
    client = ChatClient(f"http://127.0.0.1:9/{TOKEN}/v1", "m", retry=RetryPolicy(attempts=1))
    with pytest.raises(ServiceError) as caught:
        client.chat(HELLO)
    assert TOKEN not in str(caught.value) + repr(client)
    for address in (
        "https://s.example/v1;token=abc",
        "https://s.example/v1?sig=abc",
        "ftp://me:abc@s.example/",
    ):
        with pytest.raises(ConfigError) as refused:
            ChatClient(address, "m")
        assert "abc" not in str(refused.value)
