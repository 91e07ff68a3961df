"""Summaries from a model behind an endpoint: requests, answers of every kind, the cache and the time limit."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Asked, Raw, Script, ScriptedServer, completion

from wideseek_env.errors import ConfigError
from wideseek_env.llm.retry import RetryPolicy
from wideseek_env.scoring.judging import JudgeCache
from wideseek_env.summaries import (
    OpenAISummariser,
    Summariser,
    SummaryRequest,
    SummaryTexts,
    summariser_named,
)

PAGE = SummaryRequest(
    "https://a.example/", "Harbour", "The keeper was Ingrid Solberg.", "Who was the keeper?"
)
Make = Callable[..., tuple[OpenAISummariser, ScriptedServer]]


@pytest.fixture
def ask() -> Iterator[Make]:
    """Makes a summariser and the scripted server that it asks."""
    with ExitStack() as stack:

        def make(script: Script, **settings: Any) -> tuple[OpenAISummariser, ScriptedServer]:
            server = stack.enter_context(ScriptedServer(script))
            settings = {"retry": RetryPolicy(2, 0.0, 0.0)} | settings
            made = OpenAISummariser(server.url, "m", **settings)
            stack.callback(made.close)
            return made, server

        yield make


def test_a_page_is_summarised_and_its_tokens_are_counted(ask: Make) -> None:
    summariser, server = ask(["Ingrid Solberg was the keeper."])
    (summary,) = summariser.summarise([PAGE])
    assert (summary.text, summary.prompt_tokens, summary.completion_tokens) == (
        "Ingrid Solberg was the keeper.", 10, 5,
    )  # fmt: skip
    assert summary.usage() == {
        "summaries": 1, "prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 0, "cached": 0, "failed": 0,
    }  # fmt: skip
    body = server.asked[0].body
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("m", 0, 0, 1024)
    system, user = body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert PAGE.page in user["content"]
    assert PAGE.question in user["content"]
    assert PAGE.url not in user["content"]
    assert summariser.usage.prompt_tokens == 10
    assert summariser.name == "openai:m"
    assert isinstance(summariser, Summariser)


def test_tokens_that_the_server_had_in_its_cache_are_counted(ask: Make) -> None:
    body = json.loads(completion("Yes."))
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 7}
    summariser, _ = ask([Raw(body=json.dumps(body).encode())])
    assert summariser.summarise([PAGE])[0].cached_tokens == 7


ANSWERS = {
    "thinking": ("<think>What does it say?</think>\nIt was Ingrid.", "It was Ingrid."),
    "thinking from the prompt": ("What does it say?\n</think>\nIt was Ingrid.", "It was Ingrid."),
    "other tags of thinking": ("[THINK]Well.[/THINK]It was Ingrid.", "It was Ingrid."),
    "a call": ('It was <tool_call>{"name": "x"}</tool_call> Ingrid.', "‹tool_call›"),
    "the end of a turn": ("It was Ingrid.<|im_end|><|im_start|>system", "‹|im_end|›"),
    "spaces": ("\n\n  It was Ingrid.  \n", "It was Ingrid."),
    "half a character": ("It was \ud83d.", "It was \ufffd."),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_answers_are_made_clean(form: str, ask: Make) -> None:
    answer, expected = ANSWERS[form]
    summariser, _ = ask([answer])
    (summary,) = summariser.summarise([PAGE])
    assert not summary.error
    assert expected in summary.text
    assert "What does it say" not in summary.text
    assert "<" not in summary.text
    assert summary.text == summary.text.strip()


def test_a_summary_that_was_cut_says_so(ask: Make) -> None:
    summariser, _ = ask([Raw(body=completion("It was In", finish="length"))])
    assert summariser.summarise([PAGE])[0].text == "It was In\n\n[…]"


BAD: dict[str, tuple[list[Any], str, int]] = {
    "empty": ([""], "no text besides thinking", 1),
    "null": ([Raw(body=completion(None))], "no text besides thinking", 1),
    "blank": (["  \n "], "no text besides thinking", 1),
    "only thinking": (["<think>Let me see.</think>"], "no text besides thinking", 1),
    "thinking without an end": ([Raw(body=completion("<think>Let me", finish="length"))], "thinking", 1),
    "always 500": ([Raw(500, b"broken")], "status 500", 2),
    "503": ([Raw(503, b"")], "status 503", 2),
    "400": ([Raw(400, b'{"error": "too long"}')], "status 400", 1),
    "401": ([Raw(401, b"no key")], "status 401", 1),
    "404": ([Raw(404, b"no model")], "status 404", 1),
    "redirect": ([Raw(302, b"", {"Location": "http://b.example/"})], "redirects", 1),
    "no JSON": ([Raw(body=b"<html>Bad gateway</html>")], "not a chat completion", 2),
    "other JSON": ([Raw(body=b"[1, 2]")], "not a chat completion", 2),
    "no choices": ([Raw(body=b'{"choices": []}')], "not a chat completion", 2),
    "content is a number": ([Raw(body=b'{"choices": [{"message": {"content": 5}}]}')], "not a chat", 2),
    "half an answer": ([Raw(body=completion("x"), then="drop")], "no connection", 2),
}


@pytest.mark.parametrize("form", BAD)
def test_failures_have_a_reason_and_are_not_cached(
    form: str, ask: Make, caplog: pytest.LogCaptureFixture
) -> None:
    script, reason, tries = BAD[form]
    summariser, server = ask([*script * tries, "It was Ingrid."])
    with caplog.at_level(logging.WARNING):
        (summary,) = summariser.summarise([PAGE])
    assert summary.text == ""
    assert reason in summary.error
    assert summary.usage()["failed"] == 1
    assert len(server.asked) == tries
    assert "openai:m gave no summary" in caplog.text
    assert summariser.summarise([PAGE])[0].text == "It was Ingrid."  # the failure is not cached


def test_one_failure_does_not_harm_the_other_pages(ask: Make) -> None:
    def answer(asked: Asked) -> str | Raw:
        return Raw(400, b"no") if "page 2" in asked.body["messages"][1]["content"] else "Good."

    summariser, _ = ask(answer)
    pages = [SummaryRequest("u", "t", f"page {number}", "?") for number in range(4)]
    assert [bool(each.error) for each in summariser.summarise(pages)] == [False, False, True, False]


def test_a_temporary_failure_is_tried_again(ask: Make) -> None:
    summariser, server = ask([Raw(500, b""), "It was Ingrid."])
    assert summariser.summarise([PAGE])[0].text == "It was Ingrid."
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "script", [[Raw(body=completion("x"), then="hang")], [Raw(429, b"", {"Retry-After": "9"})]]
)
def test_the_time_limit_includes_waits_and_retries(script: list[Raw], ask: Make) -> None:
    summariser, _ = ask(script, timeout=0.3, retry=RetryPolicy(50, 9.0, 9.0))
    (summary,) = summariser.summarise([PAGE])
    assert "within 0.3 s" in summary.error


def test_pages_are_sent_at_the_same_time(ask: Make) -> None:
    together = threading.Barrier(4)

    def answer(asked: Asked) -> str:
        together.wait(30)
        return "Good."

    summariser, server = ask(answer, concurrency=4)
    pages = [SummaryRequest("u", "t", f"page {number}", "?") for number in range(4)]
    assert [each.text for each in summariser.summarise(pages)] == ["Good."] * 4
    assert server.most_at_once == 4


def test_the_same_page_and_question_are_asked_once(ask: Make) -> None:
    summariser, server = ask(["One.", "Two.", "Three.", "Four."])
    first = summariser.summarise([PAGE, PAGE])
    assert [each.text for each in first] == ["One.", "One."]
    assert [each.usage()["prompt_tokens"] for each in first] == [10, 0]
    assert [each.cached for each in first] == [False, True]
    again = summariser.summarise([PAGE])[0]
    assert (again.text, again.cached, again.prompt_tokens) == ("One.", True, 0)
    other_question = SummaryRequest(PAGE.url, PAGE.title, PAGE.page, "When?")
    other_page = SummaryRequest(PAGE.url, PAGE.title, PAGE.page + "!", PAGE.question)
    assert [each.text for each in summariser.summarise([other_question])] == ["Two."]
    assert [each.text for each in summariser.summarise([other_page])] == ["Three."]
    moved = SummaryRequest("https://b.example/", PAGE.title, PAGE.page, PAGE.question)
    assert summariser.summarise([moved])[0].text == "One."  # cached by content
    assert len(server.asked) == 3


def test_two_agents_that_ask_the_same_at_once_ask_once(ask: Make) -> None:
    arrived, go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> str:
        arrived.set()
        assert go.wait(30)
        return "Good."

    summariser, server = ask(answer)
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.extend(summariser.summarise([PAGE]))) for _ in range(5)
    ]
    threads[0].start()
    assert arrived.wait(30)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert [each.text for each in results] == ["Good."] * 5
    assert len(server.asked) == 1
    assert sum(each.prompt_tokens for each in results) == 10


def test_those_who_wait_for_a_failure_get_it_too(ask: Make) -> None:
    arrived, go = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Raw:
        arrived.set()
        assert go.wait(30)
        return Raw(400, b"no")

    summariser, _ = ask(answer)
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.extend(summariser.summarise([PAGE]))) for _ in range(2)
    ]
    threads[0].start()
    assert arrived.wait(30)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert all("status 400" in each.error and not each.cached for each in results)


def test_a_cache_on_disk_is_shared(ask: Make, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "summaries.sqlite"
    first, server = ask(["One.", "Two."], store=path)
    assert first.summarise([PAGE])[0].text == "One."
    second = OpenAISummariser(server.url, "m", store=JudgeCache(path))
    assert second.summarise([PAGE])[0].cached
    other = OpenAISummariser(server.url, "other", store=path)
    assert other.summarise([PAGE])[0].text == "Two."  # another model
    third = OpenAISummariser(server.url, "m", store=path, texts=SummaryTexts(user="{page}{question}"))
    assert third.summarise([PAGE])[0].text == "Two."  # other texts
    for each in (second, other, third):
        each.close()


def test_a_broken_cache_on_disk_is_not_used(
    ask: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.sqlite"
    path.write_bytes(b"no database" * 100)
    summariser, _ = ask(["One."], store=path)
    assert summariser.summarise([PAGE])[0].text == "One."
    assert "the cache of summaries is not used" in caplog.text


def test_texts_and_fields_can_be_replaced(ask: Make) -> None:
    texts = SummaryTexts(system="", user='{{"page": "{page}", "wanted": "{question}", "from": "{url}"}}')
    summariser, server = ask(["One."], texts=texts, fields={"temperature": None, "top_p": 0.5})
    summariser.summarise([PAGE])
    body = server.asked[0].body
    assert "temperature" not in body
    assert body["top_p"] == 0.5
    (message,) = body["messages"]
    assert message["content"] == (
        f'{{"page": "{PAGE.page}", "wanted": "{PAGE.question}", "from": "{PAGE.url}"}}'
    )


def test_copies_and_pickles(ask: Make) -> None:
    summariser, _ = ask(["One.", "Two."])
    assert summariser.summarise([PAGE])[0].text == "One."
    assert copy.deepcopy(summariser) is summariser is copy.copy(summariser)
    again = pickle.loads(pickle.dumps(summariser))
    assert again.summarise([PAGE])[0].text == "Two."  # a pickle has no summaries
    assert (again.name, again.fields, again.texts) == (summariser.name, summariser.fields, summariser.texts)
    again.close()
    again.close()


def test_the_key_is_in_no_error_and_no_log(
    ask: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    summariser, server = ask([Raw(400, b"you sent sk-very-secret-key")])
    (summary,) = summariser.summarise([PAGE])
    assert server.asked[0].headers["Authorization"] == "Bearer sk-very-secret-key"
    assert "secret" not in summary.error + caplog.text + repr(summariser)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_tokens": 0}, "max_tokens of a summary"),
        ({"timeout": 0}, "timeout"),
        ({"concurrency": 0}, "concurrency"),
        ({"cache_bytes": -1}, "0 bytes or more"),
        ({"base_url": "http://user:key@127.0.0.1/v1"}, "credentials"),
        ({"base_url": "ftp://x"}, "not the address of an API"),
        ({"model": ""}, "name of a model"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        OpenAISummariser(**{"base_url": "http://127.0.0.1:9/v1", "model": "m", **settings})


@pytest.mark.parametrize(
    "name",
    ["", "none", "openai", "openai:", "openai:m", "openai:@http://x/v1", "openai:m@", "engine:x", "no/such"],
)
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no summariser is called|does not have a model and an address"):
        summariser_named(name)


def test_names_open_summarisers() -> None:
    opened = summariser_named(" openai:org/model@7b@http://127.0.0.1:9/v1 ")
    assert isinstance(opened, OpenAISummariser)
    assert opened.name == "openai:org/model@7b"
    assert summariser_named("engine").name == "engine"
    assert summariser_named("test_summaries_endpoint:Own").name == "own"
    with pytest.raises(ConfigError, match=r"is no summariser: a summariser must have a name and summarise"):
        summariser_named("test_summaries_endpoint:PAGE")


class Own:
    name = "own"

    def summarise(self, requests: Any) -> Any:
        return []

    def close(self) -> None:
        pass
