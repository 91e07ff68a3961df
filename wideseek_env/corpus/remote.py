"""`RemoteCorpus`: a retrieval service as a corpus, over `POST /retrieve` and `POST /access`.

`RemoteCorpus` works with the servers of Search-R1, ASearcher and RLinf and with `wideseek serve`. Requests change
nothing on the server. So the client repeats a request, after growing pauses, when the connection fails or the server is
busy.

The documents of such a service are the passages that its index holds, so a search shows them whole, up to
`LONGEST_PASSAGE` characters.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from wideseek_env.addresses import key_place, keys_in_address, without_keys
from wideseek_env.byte_cache import ByteCache, size_of_texts
from wideseek_env.clean import clean_text, outside_json
from wideseek_env.corpus.base import Page, SearchHit, check_chars
from wideseek_env.corpus.remote_exchange import (
    LARGEST_ANSWER,
    MOST_SIGNS,
    Answer,
    LateError,
    LostError,
    OversizedError,
    Transport,
)
from wideseek_env.corpus.remote_shapes import (
    NAMELESS,
    Found,
    UnreadableAnswer,
    page_of,
    read_accessed,
    read_retrieved,
)
from wideseek_env.corpus.snippets import snippet
from wideseek_env.corpus.urls import lookup_keys, url_key
from wideseek_env.corpus.words import words
from wideseek_env.errors import ConfigError, CorpusError
from wideseek_env.hiding import hide_in
from wideseek_env.pages.neutral import neutralise
from wideseek_env.reprs import short

KEY_VARIABLE = "WIDESEEK_SERVE_KEY"
"""The environment variable with the API key. Both this client and `wideseek serve` read this variable."""

LONGEST_PASSAGE = 5_000
"""The most characters of a passage that a search shows unless a length is given. The published system shows
the same length."""

CLIENT_HEADER = "X-WideSeek-Client"
"""Tells `wideseek serve` that this client understands HTML, status and snippets. Other servers ignore it."""

PASSAGE_HEADER = "X-WideSeek-Passage-Chars"
"""Tells `wideseek serve` how long the snippets may be. Other servers ignore an unknown header, but some
refuse a request with an unknown field."""

_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
_LONGEST_PAUSE = 10.0
_REMEMBERED = 64 << 20  # bytes of passages kept for servers without /access and for documents without a URL


class RemoteError(CorpusError):
    """A retrieval service cannot be reached, refuses a request or gives an invalid answer."""


class RemoteCorpus:
    """The corpus behind the service at `base_url`.

    Several threads may use the object at the same time. They share its connections. Nothing is sent before the first
    search. A document without a URL gets one below `NAMELESS`. `fetch` finds such documents, and the pages of a server
    without `/access`, only in earlier search results, of which the last 64 MiB are kept. A pickle of the object has
    these results, but no key and no connections. An answer of more than 32 MiB, once decompressed, is an error. If the
    service repeats the key, the answer has `[key]` instead.

    Args:
        base_url: The URL of the service, for example ``http://node7:8000``. `/retrieve` is added.
        key_variable: The environment variable with the API key, which is sent as a bearer token. If it is not set, no
            key is sent.
        timeout: The seconds that one attempt may take, to the last byte of the answer. The limit for connecting is a
            third of this time.
        retries: The number of attempts after the first.
        backoff: The seconds before the first retry. The wait doubles with each retry. A random part (jitter) is added.
        batch: The number of queries in one request.
        query_chars: The most characters of a query that are sent.
        connections: The most requests in flight at the same time from this object.
        fields: Further fields of a `/retrieve` request, for servers that need them.
        name: The name of the corpus in recorded runs. By default it is made from the URL.
    """

    blocking = True

    def __init__(
        self,
        base_url: str,
        *,
        key_variable: str = KEY_VARIABLE,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: float = 0.25,
        batch: int = 64,
        query_chars: int = 2000,
        connections: int = 16,
        fields: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        shown = without_keys(base_url)
        parts = urlsplit(base_url if "//" in base_url else f"http://{base_url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"the address of a retrieval service must begin with http:// or https://, not {shown!r:.80}"
            )
        if parts.username is not None or parts.password is not None or key_place(base_url):
            raise ConfigError(f"keep credentials out of the address; put the key into {key_variable}")
        if timeout <= 0 or retries < 0 or backoff < 0 or min(batch, query_chars, connections) < 1:
            raise ConfigError(
                "RemoteCorpus needs timeout above 0, retries and backoff of 0 or more, and batch, query_chars and "
                "connections of at least 1"
            )
        path = parts.path.rstrip("/").removesuffix("/retrieve")
        self.base_url = f"{parts.scheme}://{parts.netloc}{path}"
        self.name = name or without_keys(f"remote:{parts.netloc}{path}")
        self._shown = without_keys(self.base_url)
        self._settings: dict[str, Any] = {
            "key_variable": key_variable,
            "timeout": timeout,
            "retries": retries,
            "backoff": backoff,
            "batch": batch,
            "query_chars": query_chars,
            "connections": connections,
            "fields": dict(fields or {}),
            "name": name,
        }
        self._key_variable, self._timeout, self._retries, self._backoff = (
            key_variable,
            timeout,
            retries,
            backoff,
        )
        self._batch, self._query_chars = batch, query_chars
        self._fields = dict(fields or {})
        self._places = threading.BoundedSemaphore(connections)
        self._transport = Transport(connections, timeout)
        self._seen: ByteCache[tuple[str, str]] = ByteCache(_REMEMBERED, size_of_texts)
        self._has_access = True
        self._jitter = random.Random()  # for waiting times only

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` pages for each query, in the service's order. A query without words is not sent.

        Raises:
            RemoteError: The service does not answer.
            ConfigError: k is less than 1.
        """
        return self._search(queries, k, LONGEST_PASSAGE, whole=False)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with the first `chars` characters of each passage, line breaks included.

        `wideseek serve` is told the length, because its corpus has whole pages and chooses the passage.
        """
        check_chars(chars)
        return self._search(queries, k, chars, whole=True)

    def _search(self, queries: Sequence[str], k: int, chars: int, *, whole: bool) -> list[list[SearchHit]]:
        if isinstance(queries, str):
            raise ConfigError("queries must be a sequence of strings; put a single query into a list")
        if k < 1:
            raise ConfigError(f"k must be at least 1, not {k}")
        cut = {query: clean_text(query)[: self._query_chars] for query in dict.fromkeys(queries)}
        asked = [text for text in dict.fromkeys(cut.values()) if words(text)]
        found: dict[str, list[SearchHit]] = {}
        for at in range(0, len(asked), self._batch):
            block = asked[at : at + self._batch]
            request = {**self._fields, "queries": block, "topk": k, "return_scores": True}
            answer = self._request(
                "POST", "/retrieve", request, {PASSAGE_HEADER: str(chars)} if whole else {}
            )
            try:
                lists = read_retrieved(answer, len(block))
            except UnreadableAnswer as error:
                raise self._unreadable("/retrieve", error) from None
            for query, documents in zip(block, lists, strict=True):
                found[query] = self._hits(documents, query, k, chars, whole)
        return [list(found.get(cut[query], [])) for query in queries]

    def _hits(
        self, documents: Sequence[Found], query: str, k: int, chars: int, whole: bool
    ) -> list[SearchHit]:
        terms = [(term, 1.0) for term in dict.fromkeys(words(query))]
        best: dict[str, SearchHit] = {}
        for document in documents:
            url, title, text, score = document
            if url not in best and len(best) < k:
                passage = text[:chars] if whole else snippet(" ".join(text.split()), terms, chars)
                best[url] = SearchHit(
                    url,
                    neutralise(" ".join(title.split())),
                    neutralise(passage),
                    score if score is not None else 0.0,
                )
            self._remember(document)
        hits = list(best.values())
        scores = [hit.score for hit in hits]
        if any(document.score is None for document in documents) or scores != sorted(scores, reverse=True):
            # The service's order is kept. Without scores, or with distances, the rank is the score.
            hits = [hit._replace(score=1 / rank) for rank, hit in enumerate(hits, 1)]
        return hits

    def _remember(self, document: Found) -> None:
        self._seen.put(url_key(document.url), (document.title, document.snippet))

    def fetch(self, url: str) -> Page | None:
        """The page at `url`, or None when the service has no such page. Raises `RemoteError` when the service does not
        answer."""
        address = clean_text(url).strip()
        if not address:
            return None
        if address.startswith(NAMELESS) or not self._has_access:
            return self._recalled(address)
        try:
            answer = self._post("/access", {"urls": [address]})
        except _NoSuchEndpoint:
            self._has_access = False
            return self._recalled(address)
        try:
            return read_accessed(answer, [address])[0]
        except UnreadableAnswer as error:
            raise self._unreadable("/access", error) from None

    def _recalled(self, url: str) -> Page | None:
        found = (self._seen.get(key) for key in lookup_keys(url))
        kept = next((each for each in found if each is not None), None)
        return page_of(kept[1], url, kept[0]) if kept is not None else None

    def health(self) -> dict[str, Any]:
        """The answer of the service's `/health`. Raises `RemoteError` when the service does not answer or has no
        `/health`."""
        answer = self._request("GET", "/health", None)
        return answer if isinstance(answer, dict) else {"answer": answer}

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._request("POST", path, body)

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer. A failed request is repeated up to `retries` times."""
        trouble = ""
        pause = 0.0
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(max(pause, self._backoff * 2 ** (attempt - 1)) * self._jitter.uniform(0.75, 1.25))
            pause = 0.0
            try:
                with self._places:
                    answer = self._transport.send(
                        method, self.base_url + path, body, {**self._headers(), **(headers or {})}
                    )
            except LateError:
                trouble = f"no answer within {self._timeout:g} seconds"
                continue
            except LostError as error:
                trouble = f"the connection failed ({error})"
                continue
            except OversizedError:
                raise RemoteError(
                    f"the retrieval service at {self._shown}{path} sent an answer of more than {LARGEST_ANSWER >> 20} "
                    f"MiB or {MOST_SIGNS:,} JSON signs: ask for fewer results, or use a smaller batch"
                ) from None
            if answer.status in _AGAIN:
                trouble = f"it answered with status {answer.status}{self._said(answer)}"
                pause = _retry_after(answer)
                continue
            return self._read(answer, path)
        attempts = f"{self._retries + 1} attempts" if self._retries else "one attempt"
        raise RemoteError(f"the retrieval service at {self._shown} failed after {attempts}: {trouble}")

    def _read(self, answer: Answer, path: str) -> Any:
        status = answer.status
        if status in (404, 405, 501):
            raise _NoSuchEndpoint(f"the service at {self._shown} has no {path} (status {status})")
        if status in (401, 403):
            raise RemoteError(
                f"the retrieval service at {self._shown} wants an API key (status {status}): "
                f"put it into the environment variable {self._key_variable}"
            )
        if status != 200:
            raise RemoteError(
                f"the retrieval service at {self._shown}{path} refused: status {status}{self._said(answer)}"
            )
        try:
            return self._decoded(answer)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(path, error) from None

    def _decoded(self, answer: Answer) -> Any:
        """The JSON of an answer without the key."""
        key = os.environ.get(self._key_variable)
        return hide_in(outside_json(answer.body), (*((key,) if key else ()), *keys_in_address(self.base_url)))

    def _said(self, answer: Answer) -> str:
        """The server's short explanation of an error, if there is one."""
        try:
            body = self._decoded(answer)
        except (ValueError, RecursionError):
            return ""
        said = body.get("error", body.get("detail")) if isinstance(body, dict) else None
        if not isinstance(said, str) or not said:
            return ""
        return f" ({said[:200]})"

    def _headers(self) -> dict[str, str]:
        headers = {CLIENT_HEADER: "1", "Accept": "application/json"}
        if key := os.environ.get(self._key_variable):
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def _unreadable(self, path: str, error: Exception) -> RemoteError:
        return RemoteError(
            f"the retrieval service at {self._shown}{path} answered in an unknown form: {error}"
        )

    def close(self) -> None:
        """Close the connections. A second call does no harm."""
        self._transport.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.base_url, self._settings, self._seen.items())

    def __copy__(self) -> RemoteCorpus:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> RemoteCorpus:
        return self

    def __repr__(self) -> str:
        return f"RemoteCorpus({short(self._shown)})"


class _NoSuchEndpoint(RemoteError):
    """The service has no such path."""


def _again(base_url: str, settings: dict[str, Any], seen: list[tuple[str, tuple[str, str]]]) -> RemoteCorpus:
    corpus = RemoteCorpus(base_url, **settings)
    for key, texts in seen:
        corpus._seen.put(key, texts)
    return corpus


def _retry_after(answer: Answer) -> float:
    try:
        return min(_LONGEST_PAUSE, max(0.0, float(answer.headers.get("Retry-After", "0"))))
    except ValueError:
        return 0.0
