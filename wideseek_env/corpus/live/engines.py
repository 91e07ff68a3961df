"""Search engines over HTTP: Serper, SearXNG, and any endpoint that answers in JSON.

The operator chooses the engine's URL, so the engine may be on a private network. The URLs that an engine *returns* are
not trusted. Only a page reader opens these URLs, after it has checked them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Protocol, runtime_checkable
from urllib.parse import quote, urlencode

from wideseek_env.addresses import key_place, keys_in_address, without_keys
from wideseek_env.clean import outside_json
from wideseek_env.corpus.base import SearchHit
from wideseek_env.errors import ConfigError
from wideseek_env.hiding import hide_in
from wideseek_env.net.address import AddressPolicy
from wideseek_env.net.errors import FetchError
from wideseek_env.net.fetch import Fetcher, Request
from wideseek_env.net.limits import Limits
from wideseek_env.net.secrets import Secret, keys_of, secret_from_env
from wideseek_env.net.urls import WebUrl, parse_url

SERPER = "https://google.serper.dev/search"
PAGE = 10
"""The fewest results to request. Engines charge the same price for up to ten results, and searches for fewer results
can use the same cached answer."""

LONGEST_SNIPPET = 5_000
"""The most characters of a snippet that are kept. An endpoint may send whole passages."""

_LONGEST_QUERY = 2000
_LONGEST_TITLE = 300
_EMPHASIS = re.compile(r"</?(?:b|strong|em|i|mark|span|br)\b[^<>]{0,200}>", re.IGNORECASE)
_FIELD = re.compile(r"\{(\w*)\}")


@runtime_checkable
class SearchEngine(Protocol):
    """Finds pages for a query. `name` identifies the engine in caches and recorded runs. `name` contains no key."""

    name: str

    def search(self, query: str, k: int) -> list[SearchHit]:
        """At least the best `k` hits if the engine has that number, best first. Raises `FetchError`."""
        ...


def endpoint(url: str, what: str) -> WebUrl:
    """The URL of a service that an operator configured. Raises `ConfigError` when it is not valid or has a key in its
    query or fragment."""
    try:
        target = parse_url(url)
    except FetchError as error:
        # The message leaves out the URL, because the invalid part may be a password.
        raise ConfigError(f"{what} needs the address of a service. {error}") from None
    if place := key_place(url):
        raise ConfigError(
            f"{what} has a key in its address ({place}): keys go into headers, from the environment"
        )
    return target


def operators_policy(target: WebUrl) -> AddressPolicy:
    """The policy of a fetcher for a service that an operator configured. The fetcher may connect only to that
    service."""
    return AddressPolicy(allow={(target.host, target.port)})


def operators_fetcher(target: WebUrl) -> Fetcher:
    """A fetcher for one service, with the usual limits."""
    return Fetcher(policy=operators_policy(target), limits=Limits(total=15.0))


class Serper:
    """Google's results through serper.dev: `POST /search` with `q`, `num`, `gl`, `hl` and an `X-API-KEY` header.

    The key is read from `SERPER_API_KEY`. `country` and `language` are two-letter codes. "" means the default of
    Serper.
    """

    def __init__(
        self, *, country: str = "", language: str = "", url: str = SERPER, fetcher: Fetcher | None = None
    ) -> None:
        self._url = endpoint(url, "Serper")
        self._key = secret_from_env("SERPER_API_KEY", purpose="searching with Serper")
        self._fetcher = fetcher or operators_fetcher(self._url)
        self._options = {name: value for name, value in (("gl", country), ("hl", language)) if value}
        self.name = _named("serper", "" if url == SERPER else self._url.text, self._options)

    def search(self, query: str, k: int) -> list[SearchHit]:
        """The organic results: the best `k` hits or more, best first. Raises `FetchError`."""
        body = json.dumps({"q": _clean(query), "num": max(k, PAGE), **self._options})
        request = Request(
            self._url.text,
            headers={"X-API-KEY": self._key},
            body=body.encode(),
            accept="application/json",
            redirects=False,
        )
        return read_hits(_json(self._fetcher, request), "organic", Fields("link", "title", "snippet"))


class SearXNG:
    """A SearXNG server: `GET /search?q=…&format=json`. The settings of the server must have `json` in
    `search.formats`."""

    def __init__(
        self,
        url: str,
        *,
        language: str = "",
        categories: str = "",
        engines: str = "",
        fetcher: Fetcher | None = None,
    ) -> None:
        base = endpoint(url, "SearXNG")
        self._base = base.text.partition("?")[0].rstrip("/").removesuffix("/search")
        self._fetcher = fetcher or operators_fetcher(base)
        options = (("language", language), ("categories", categories), ("engines", engines))
        self._options = {name: value for name, value in options if value}
        self.name = _named("searxng", self._base, self._options)

    def search(self, query: str, k: int) -> list[SearchHit]:
        """One page of results, however many the server gives, best first. Raises `FetchError`."""
        parameters = {"q": _clean(query), "format": "json", **self._options}
        request = Request(
            f"{self._base}/search?{urlencode(parameters)}", accept="application/json", redirects=False
        )
        try:
            answer = _json(self._fetcher, request)
        except FetchError as error:
            if error.kind == "http" and error.status == 403:
                message = "The search server refuses to answer in JSON; its settings must allow that format."
                raise FetchError("answer", message) from None
            raise
        return read_hits(answer, "results", Fields("url", "title", "content", "score"))


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a result: names, with dots for objects inside objects. "" if results do not have this field."""

    url: str = "url"
    title: str = "title"
    snippet: str = "snippet"
    score: str = ""


class JsonSearch:
    """Any endpoint that answers a GET request with results in JSON.

    Args:
        url: The URL with `{query}` and optionally `{count}` after the question mark.
        results: The path of the list of results: names with dots between them, "" for the whole answer.
        fields: The fields of each result.
        headers: The headers to send, with keys as `Secret`s.
        fetcher: Sends the requests. None makes one for this URL.
    """

    def __init__(
        self,
        url: str,
        *,
        results: str = "results",
        fields: Fields | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        unknown = sorted(set(_FIELD.findall(url)) - {"query", "count"})
        if "{query}" not in url or unknown:
            raise ConfigError(f"the address of a JSON search must contain {{query}}, and no {unknown}")
        if "{" in url.partition("?")[0]:  # an agent's text must not choose the host or the path
            raise ConfigError("{query} and {count} of a JSON search must come after the question mark")
        self._template = url
        self._endpoint = endpoint(url, "a JSON search")
        self._results = results
        self._fields = fields or Fields()
        self._headers = dict(headers or {})
        self._fetcher = fetcher or operators_fetcher(self._endpoint)
        parts = {"results": results, "fields": ":".join(astuple(self._fields))}
        usual = {"results": "results", "fields": ":".join(astuple(Fields()))}
        self.name = _named("json", url, {k: v for k, v in parts.items() if v != usual[k]})

    def search(self, query: str, k: int) -> list[SearchHit]:
        """The hits in the endpoint's answer, best first. Raises `FetchError`."""
        request = Request(
            self._address(_clean(query), max(k, PAGE)),
            headers=self._headers,
            accept="application/json",
            redirects=False,
        )
        return read_hits(_json(self._fetcher, request), self._results, self._fields)

    def _address(self, query: str, count: int) -> str:
        values = {"query": quote(query, safe=""), "count": str(count)}
        return _FIELD.sub(lambda match: values[match[1]], self._template)


def read_hits(answer: Any, results: str, fields: Fields) -> list[SearchHit]:
    """The hits in a decoded answer. Results without a URL that could be opened are left out.

    If the entry at `results` is missing or null, the result is empty. If the entry is anything else than a list,
    `FetchError` of kind "answer" is raised.
    """
    items = at_path(answer, results)
    if items is None and isinstance(answer, dict):
        return []
    if not isinstance(items, list):
        raise FetchError("answer", "The search server's answer is not of the expected form.")
    hits: dict[str, SearchHit] = {}
    for item in items:
        address = at_path(item, fields.url)
        try:
            url = parse_url(address).text if isinstance(address, str) else ""
        except FetchError:
            continue
        if url and url not in hits:
            title = plain(at_path(item, fields.title), _LONGEST_TITLE)
            snippet = plain(at_path(item, fields.snippet), LONGEST_SNIPPET)
            score = at_path(item, fields.score) if fields.score else None
            if isinstance(score, bool) or not isinstance(score, (int, float)):
                score = 1.0 / (len(hits) + 1)
            hits[url] = SearchHit(url, title, snippet, float(score))
    return list(hits.values())


def at_path(value: Any, path: str) -> Any:
    """The value at a dotted path in decoded JSON, or None. The path "" is the value itself."""
    for name in path.split(".") if path else ():
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def plain(value: Any, longest: int) -> str:
    """A title or snippet as one line of text. Some engines mark the words that matched."""
    if not isinstance(value, str):
        return ""
    text = html.unescape(_EMPHASIS.sub("", value[: 4 * longest]))
    return shortened(" ".join(text.split()), longest).encode("utf-8", "replace").decode()


def shortened(text: str, longest: int) -> str:
    """`text`, or its beginning and a "…", in at most `longest` characters. A cut is at a space if one is near."""
    if len(text) <= longest:
        return text
    space = text.rfind(" ", longest * 3 // 4, longest - 1)
    return text[: space if space > 0 else longest - 1] + "…"


def _clean(query: str) -> str:
    return query[:_LONGEST_QUERY].encode("utf-8", "replace").decode()


def _json(fetcher: Fetcher, request: Request) -> Any:
    response = fetcher.fetch(request)
    try:
        # The body has no keys any more, but decoding may have made one from parts.
        keys = (*keys_of(request.headers), *keys_in_address(request.url.partition("?")[0]))
        return hide_in(outside_json(response.body), keys)
    except ValueError:
        raise FetchError("answer", "The search server's answer is not JSON.") from None


def _named(kind: str, where: str, options: Mapping[str, str]) -> str:
    shown = without_keys(where)  # a part of the path may be a key
    return ",".join([f"{kind}={shown}" if where else kind, *(f"{k}={v}" for k, v in options.items())])
