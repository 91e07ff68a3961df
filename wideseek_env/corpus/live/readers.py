"""Page readers. One fetches a page directly over HTTP. The other uses the Jina reader service, which runs a page's
JavaScript."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlencode

from wideseek_env.addresses import keys_in_address, without_keys
from wideseek_env.clean import outside_json
from wideseek_env.corpus.base import Page
from wideseek_env.corpus.live.engines import at_path, endpoint, operators_policy, plain
from wideseek_env.hiding import hide_in
from wideseek_env.net.address import AddressPolicy
from wideseek_env.net.connect import Resolver, addresses, system_resolver
from wideseek_env.net.content import kind_of, text_of
from wideseek_env.net.errors import FetchError
from wideseek_env.net.fetch import Fetcher, Request
from wideseek_env.net.limits import Limits
from wideseek_env.net.secrets import Secret, keys_of
from wideseek_env.net.urls import WebUrl, parse_url
from wideseek_env.pages.from_markdown import markdown_to_html, text_to_html
from wideseek_env.pages.text import title_of
from wideseek_env.pages.visible import parse

JINA = "https://r.jina.ai/"
_TARGET_STATUS = re.compile(r"returned error (\d{3})")


@runtime_checkable
class PageReader(Protocol):
    """Opens pages. `name` identifies the reader in caches and recorded runs. `name` contains no key."""

    name: str

    def read(self, url: str) -> Page:
        """The page at `url`, with status 200. Raises `FetchError`."""
        ...


class DirectReader:
    """Fetches the page without another service and turns any kind of text document into HTML.

    `before` is called with every URL before it is requested, redirects included (`wideseek_env.net.robots`).
    """

    name = "direct"

    def __init__(
        self, fetcher: Fetcher | None = None, before: Callable[[WebUrl], None] | None = None
    ) -> None:
        self._fetcher = fetcher or Fetcher()
        self._before = before

    def read(self, url: str) -> Page:
        """The page at `url`, with status 200. The URL of the result is that after redirects, without fragment. Raises
        `FetchError`."""
        found = self._fetcher.fetch(Request(url), self._before)
        kind = kind_of(found.content_type, found.body)
        text = text_of(found.body, found.content_type, html=kind == "html")
        name = _name(found.url)
        if kind == "html":
            return Page(found.url, " ".join(title_of(parse(text)).split()), text)
        if kind == "markdown":
            markup = markdown_to_html(text)
            return Page(found.url, title_of(parse(markup)) or name, markup)
        if kind == "json":
            return Page(found.url, name, json_to_html(text, name))
        return Page(found.url, name, text_to_html(text, name))


class JinaReader:
    """Opens pages through r.jina.ai or a similar server. The reader sends `POST /` with `url=…`. The answer is JSON
    that contains Markdown.

    The service connects to the page, and this process does not. So this process first checks that the host of the URL
    is on the public web, as far as a look-up of the host's name shows this. Without a `key` the service allows fewer
    requests.
    """

    def __init__(
        self,
        *,
        url: str = JINA,
        key: Secret | None = None,
        fetcher: Fetcher | None = None,
        policy: AddressPolicy | None = None,
        resolver: Resolver = system_resolver,
    ) -> None:
        self._url = endpoint(url, "the Jina reader")
        self._fetcher = fetcher or Fetcher(policy=operators_policy(self._url), limits=Limits(read=20.0))
        self._policy = policy or AddressPolicy()
        self._resolver = resolver
        self._headers: dict[str, str | Secret] = {}
        if key is not None:
            self._headers["Authorization"] = Secret(f"Bearer {key.reveal()}", key.source)
        self.name = "jina" if url == JINA else f"jina={without_keys(self._url.text)}"

    def read(self, url: str) -> Page:
        """The page at `url`, with status 200. Raises `FetchError`."""
        target = parse_url(url)
        self._check(target)
        request = Request(
            self._url.text,
            headers=self._headers,
            body=urlencode({"url": target.text}).encode(),
            content_type="application/x-www-form-urlencoded",
            accept="application/json",
            redirects=False,
        )
        response = self._fetcher.fetch(request)
        keys = (*keys_of(self._headers), *keys_in_address(self._url.text))
        try:
            data: Any = hide_in(outside_json(response.body)["data"], keys)
        except (ValueError, KeyError, TypeError):
            raise _unexpected() from None
        content = at_path(data, "content")
        if not isinstance(content, str):
            raise _unexpected()
        warning = at_path(data, "warning")
        if isinstance(warning, str) and (match := _TARGET_STATUS.search(warning)):
            status = int(match[1])
            if 400 <= status <= 599:
                raise FetchError("http", f"The server answered with status {status}.", status)
        title = plain(at_path(data, "title"), 300)
        found = at_path(data, "url")
        try:
            address = parse_url(found).text if isinstance(found, str) else target.text
        except FetchError:
            address = target.text
        return Page(address, title, markdown_to_html(content.encode("utf-8", "replace").decode(), title))

    def _check(self, target: WebUrl) -> None:
        try:
            addresses(target, self._policy, self._resolver, 5.0)
        except FetchError as error:
            if error.kind in ("refused", "bad_url"):
                raise  # the service may know a name that cannot be looked up here


def json_to_html(text: str, title: str) -> str:
    """A JSON document as indented, preformatted text."""
    with suppress(ValueError, RecursionError):  # text that is not JSON is shown as it is
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    body = html.escape(text.encode("utf-8", "replace").decode(), quote=False)
    head = f"<head><title>{html.escape(title, quote=False)}</title></head>"
    return f"<!DOCTYPE html>\n<html>{head}\n<body>\n<pre>{body}</pre>\n</body></html>"


def _name(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2] or url


def _unexpected() -> FetchError:
    return FetchError("answer", "The page reader's answer is not of the expected form.")
