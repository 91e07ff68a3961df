"""Keys do not come back: not in any form from a service, and not in the address of one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from key_forms import FORMS, KEY, traces
from loopback_web import Web, reply

from wideseek_env.addresses import key_place, looks_like_token, without_keys
from wideseek_env.errors import ConfigError
from wideseek_env.hiding import hide, hide_in
from wideseek_env.net import Fetcher, Request, Secret
from wideseek_env.net.secrets import headers_from_config

Make = Callable[..., Fetcher]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_hidden_in_text_bytes_and_wide_encodings(form: str) -> None:
    for text in (form, f"<p>{form}</p>", f"中{form}中"):
        shown = hide(text, [KEY])
        assert "[key]" in shown
        assert traces(shown) == []
        for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
            assert hide(text.encode(encoding), [KEY]).decode(encoding) == shown


def test_ordinary_texts_stay() -> None:
    page = 'sk-Ab/9x is 123e4567-e89b-12d3-a456-426614174000, a skate &amp; \\u0041 100% "sk" EMPTY'
    assert hide(page, [KEY]) == page
    assert hide(page.encode("utf-16"), [KEY]) == page.encode("utf-16")
    assert hide("EMPTY cells, none, abc", ["EMPTY", "none", "abc"]) == "EMPTY cells, none, abc"
    value = {"n": 12345678, "ok": True, "none": None, "of": [1.5, "12345678"]}
    assert hide_in(value, ["12345678"]) == {"n": 12345678, "ok": True, "none": None, "of": [1.5, "[key]"]}
    assert hide_in({KEY: [{"a": KEY}]}, [KEY]) == {"[key]": [{"a": "[key]"}]}


@pytest.mark.parametrize("piece", ["\\", "%25", "&amp;", "s", "&#0", KEY[:8], "\0s"])
def test_hiding_takes_work_in_proportion_to_the_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))  # a search of quadratic work would take hours
    assert hide(text, [KEY]) == text
    assert hide(text.encode(), [KEY]) == text.encode()


def test_a_server_that_repeats_only_the_bare_key(web: Web, fetcher_for: Make) -> None:
    for value in (f"Bearer {KEY}", f"Token token={KEY}", f"{KEY}", f"ApiKey {KEY}"):
        secret = Secret(value, "MY_KEY", [KEY])
        for name, form in FORMS.items():
            web.sites["/echo"] = reply(f"you sent {form}!")
            shown = fetcher_for(web).fetch(Request(web.url("/echo"), headers={"Authorization": secret})).body
            assert traces(shown.decode()) == [], name
    for value in (f"Bearer {KEY}", f"bearer  {KEY}", f"Basic {FORMS['base64 after a user']}"):
        assert KEY not in Secret(value, "MY_KEY").hide(f"you sent {KEY}")


def test_a_redirect_does_not_carry_the_key(web: Web, fetcher_for: Make) -> None:
    web.sites["/a"] = reply("", status=302, Location="/b?was=" + FORMS["percent"])
    web.sites["/b?was=%5Bkey%5D"] = reply("done")
    found = fetcher_for(web).fetch(Request(web.url("/a"), headers={"X-Key": Secret(KEY, "MY_KEY")}))
    assert traces(found.url + "".join(seen.target for seen in web.seen)) == []


def test_the_keys_of_configured_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    secret = headers_from_config({"X-Api": "v1;k=$MY_KEY;end"})["X-Api"]
    assert isinstance(secret, Secret)
    assert secret.hide(f"{KEY} and v1;k={KEY};end") == "[key] and [key]"
    with pytest.raises(ConfigError, match=r"write \$NAME"):
        headers_from_config({"X-Api": "Bearer 4eC39HqLyjWDarjtT1zdp7dc"})
    assert headers_from_config({"X-Api": "application/json; version=2024-11-30"})


REFUSED = [
    "https://s.example/?q={query}&sig=ab%2Fc",
    "https://s.example/?q={query}&k=abc",
    "https://s.example/?q={query}&pwd=hunter2",
    "https://s.example/?q={query}&jwt=a.b.c",
    "https://s.example/?q={query}&appid=A1B2C3",
    "https://s.example/?q={query}&APIKey=zz",
    "https://s.example/?q={query}&Api-Key=zz",
    "https://s.example/?q={query}&%6bey=zz",
    "https://s.example/?q={query}&X-Amz-Signature=zz",
    "https://s.example/?q={query}&access_token=zz",
    "https://s.example/?q={query}&clientSecret=zz",
    "https://s.example/?q={query}&SUBSCRIPTIONKEY=zz",
    "https://s.example/?q={query}&x=4eC39HqLyjWDarjtT1zdp7dc",
    "https://s.example/?q={query}&x=AIzaSyA-abcdefghijk",
    "https://s.example/search;jsessionid=AB12?q={query}",
    "https://s.example/?q={query}#token=abc",
    "https://s.example/?q={query}#sk-abcdef123456",
    "https://me:word@s.example/?q={query}",
]
ALLOWED = [
    "https://s.example/?q={query}&k=10",
    "https://s.example/?q={query}&k={count}",
    "https://s.example/?key={query}",
    "https://s.example/?keyword={query}&author=smith&monkey=1",
    "https://s.example/?q={query}&id=123e4567-e89b-12d3-a456-426614174000",
    "https://s.example/?q={query}&cx=017576662512468239146:omuauf_lfve",
    "https://s.example/v1beta/openai?lang=en-US&time_range=year&pass=",
    "https://s.example/gpt-4o-mini-2024-07-18?q={query}#results",
]


@pytest.mark.parametrize("address", REFUSED)
def test_keys_in_addresses(address: str) -> None:
    assert key_place(address)
    assert "[key-" in without_keys(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_addresses_without_keys(address: str) -> None:
    assert key_place(address) == ""


@pytest.mark.parametrize(
    "part",
    [
        "a8f5f167f44f4964e6c998dee827110c",
        "4eC39HqLyjWDarjtT1zdp7dc",
        "sk-abcdef123456",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc",
        "AbC1_dEf2-GhI3-jKl4",
        "123e4567-e89b-12d3-a456-426614174000",
        "token/hunter2",
        "bot123456:AAEhBOweik9ai2o",
        "123456789012345678901234",
    ],
)
def test_a_path_that_looks_like_a_key_is_shown_with_a_hash(part: str) -> None:
    first, second = (without_keys(f"https://s.example/v1/{part}{end}/search") for end in ("", "0"))
    assert part.rpartition("/")[2] not in first
    assert "[key-" in first
    assert first != second
    assert first.startswith("https://s.example/v1/")
    assert first.endswith("/search")
    assert first == without_keys(f"https://s.example/v1/{part}/search")


@pytest.mark.parametrize(
    "word",
    [
        *("museums", "covid-19-cases-in-2020-and-2021", "Qwen2.5-7B-Instruct", "collections", "v1beta"),
        *("Meta-Llama-3.1-8B-Instruct-Turbo", "2024-11-30", "List_of_Mountains_in_Europe", "top10"),
    ],
)
def test_words_do_not_look_like_keys(word: str) -> None:
    assert not looks_like_token(word)
    assert without_keys(f"http://[::1]:8000/{word}/") == f"http://[::1]:8000/{word}/"
