"""`QdrantIndex`: dense search with the vector database Qdrant, in this process for tests or on a server for large
corpora.

You can use an existing collection without changes. `QdrantFields` names the fields of its payload (the data stored with
a vector).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from wideseek_env.addresses import key_place, without_keys
from wideseek_env.clean import clean_text
from wideseek_env.corpus.base import Page, SearchHit, check_chars
from wideseek_env.corpus.dense.base import Embedder
from wideseek_env.corpus.dense.index import DECIMALS, check_search, unit
from wideseek_env.corpus.dense.texts import OVERLAP, PASSAGE_CHARS, passages
from wideseek_env.corpus.index import check_urls
from wideseek_env.corpus.snippets import LONGEST, snippet
from wideseek_env.corpus.words import words
from wideseek_env.errors import ConfigError, CopyError, CorpusError, MissingDependencyError, extra_hint
from wideseek_env.llm.key import ApiKey
from wideseek_env.pages.from_markdown import text_to_html
from wideseek_env.pages.neutral import neutralise
from wideseek_env.reprs import short

KEY_VARIABLE = "QDRANT_API_KEY"
"""The environment variable with the API key."""

_BATCH = 128  # documents sent at a time
_MARGIN = 8  # further points to request, because several may be passages of one page
_MOST = 1000  # the most points to request


@dataclass(frozen=True, slots=True)
class QdrantFields:
    """The payload fields of a collection's points. A point is a vector with its payload.

    With `title` None, the first line of the text is the title. Collections made for Search-R1 and ASearcher have this
    form: `contents` is the title, a line break and the text. The first line is also the title of a point that lacks the
    title field.
    """

    url: str = "url"
    title: str | None = "title"
    text: str = "text"


class QdrantIndex:
    """A collection of passages as a `Corpus`. Several points with one URL become one result with the best of their
    scores.

    If the service repeats its API key, results and errors have `[key]` instead.

    A page is the text of all points of the collection with its URL, in the order of their ids. Scores are those of
    Qdrant, rounded to four decimals. If a smaller distance is better, scores are negated.
    """

    blocking = True

    def __init__(
        self,
        collection: str,
        embedder: Embedder,
        *,
        url: str | None = None,
        path: Path | str | None = None,
        location: str | None = None,
        client: Any = None,
        fields: QdrantFields | None = None,
        vector: str | None = None,
        search_params: Mapping[str, Any] | None = None,
        timeout: int = 30,
        key_variable: str = KEY_VARIABLE,
    ) -> None:
        """Use the collection called `collection`.

        Args:
            collection: The name of the collection.
            embedder: The embedder that made the vectors of the collection. Only the length of the vectors is checked.
            url: A server, for example ``http://localhost:6333``. The server's API key is read from the environment.
            path: Instead of `url`, a folder of Qdrant's local mode (one process at a time).
            location: Instead of `url`, ``":memory:"``.
            client: Instead of `url`, your `qdrant_client.QdrantClient`. This class does not close it.
            fields: The payload fields with URL, title and text.
            vector: The name of the vector to search, if points have several vectors.
            search_params: `qdrant_client.models.SearchParams` as a mapping (``{"hnsw_ef": 256}``).
            timeout: The seconds that a request to a server may take.
            key_variable: The environment variable with the API key.

        Raises:
            CorpusError: The server cannot be reached or has no such collection.
            ConfigError: The vectors of the collection and of the embedder differ in length.
        """
        self._where = {"url": url, "path": None if path is None else str(path), "location": location}
        if sum(place is not None for place in (*self._where.values(), client)) != 1:
            raise ConfigError("say where Qdrant is by one of url, path, location and client")
        self._settings = {
            **self._where,
            "fields": fields,
            "vector": vector,
            "search_params": search_params,
            "timeout": timeout,
            "key_variable": key_variable,
        }
        self.collection, self.embedder = collection, embedder
        self.name = f"qdrant:{collection}"
        self._fields = fields or QdrantFields()
        self._names = [name for name in (self._fields.url, self._fields.title, self._fields.text) if name]
        self._vector = vector
        self._owned = client is None
        self._client = client if client is not None else _connect(self._where, timeout, key_variable)
        self._key = ApiKey(key_variable, url or "")
        self._params = _models().SearchParams(**search_params) if search_params else None
        self._sign = 1.0
        self._inspect()

    @classmethod
    def build(
        cls,
        collection: str,
        documents: Iterable[tuple[str, str, str]],
        embedder: Embedder,
        *,
        url: str | None = None,
        path: Path | str | None = None,
        location: str | None = None,
        client: Any = None,
        passage_chars: int = PASSAGE_CHARS,
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
        timeout: int = 60,
        key_variable: str = KEY_VARIABLE,
    ) -> QdrantIndex:
        """Make a collection of `(url, title, text)` triples with unique URLs, and use it.

        Long texts become overlapping passages of `passage_chars` characters. Each passage is one point. If the build is
        interrupted, the incomplete collection stays on the server.

        Raises:
            CorpusError: The collection exists and `overwrite` is False, or a URL occurs twice.
        """
        if passage_chars < 2 * OVERLAP:
            raise ConfigError(f"passage_chars must be at least {2 * OVERLAP}, not {passage_chars}")
        models = _models()
        where = {"url": url, "path": None if path is None else str(path), "location": location}
        if sum(place is not None for place in (*where.values(), client)) != 1:
            raise ConfigError("say where Qdrant is by one of url, path, location and client")
        made = client if client is not None else _connect(where, timeout, key_variable)
        with _told(f"Qdrant could not build the collection {collection!r}", ApiKey(key_variable, url or "")):
            if made.collection_exists(collection):
                if not overwrite:
                    raise CorpusError(
                        f"Qdrant has a collection {collection!r} already: use it, or build with overwrite=True"
                    )
                made.delete_collection(collection)
            made.create_collection(
                collection,
                vectors_config=models.VectorParams(size=embedder.dimension, distance=models.Distance.COSINE),
            )
            if url is not None:
                made.create_payload_index(collection, "url", models.PayloadSchemaType.KEYWORD)
            urls: list[str] = []
            points = 0
            stream = iter(documents)
            while batch := list(islice(stream, _BATCH)):
                texts, payloads = [], []
                for address, title, text in batch:
                    address, title, text = clean_text(address), clean_text(title), clean_text(text)
                    for start, end in passages(text, passage_chars):
                        passage = text[start:end]
                        texts.append(f"{title}\n{passage}")
                        payloads.append({"url": address, "title": title, "text": passage})
                    urls.append(address)
                check_urls(urls)
                made.upsert(
                    collection,
                    models.Batch(
                        ids=list(range(points, points + len(texts))),
                        vectors=unit(embedder.embed(texts)).tolist(),
                        payloads=payloads,
                    ),
                    wait=True,
                )
                points += len(texts)
                if progress is not None:
                    progress(len(urls))
        index = cls(collection, embedder, client=made, timeout=timeout, key_variable=key_variable)
        index._owned = client is None
        index._settings.update(where)
        return index

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` pages for each query. A query without words finds nothing.

        Raises:
            CorpusError: Qdrant does not answer, or the payload lacks the fields that `fields` names.
            ConfigError: k is less than 1.
        """
        return self.search_passages(queries, k, LONGEST)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with up to `chars` characters of the passage that was found."""
        check_search(queries, k)
        check_chars(chars)
        found: list[list[SearchHit]] = [[] for _ in queries]
        asked = [(n, query, terms) for n, query in enumerate(queries) if (terms := words(query))]
        if not asked:
            return found
        vectors = unit(self.embedder.embed([clean_text(query) for _, query, _ in asked], query=True)).tolist()
        limit = k + _MARGIN
        open_ones = list(range(len(asked)))
        while open_ones:
            answers = self._query([vectors[n] for n in open_ones], limit)
            again = []
            for n, points in zip(open_ones, answers, strict=True):
                number, _, terms = asked[n]
                found[number] = self._hits(points, terms, k, chars)
                if len(found[number]) < k and len(points) == limit < _MOST:
                    again.append(n)  # all hits are passages of a few pages
            open_ones, limit = again, min(4 * limit, _MOST)
        return found

    def _query(self, vectors: Sequence[list[float]], limit: int) -> list[list[Any]]:
        models = _models()
        requests = [
            models.QueryRequest(
                query=vector,
                using=self._vector,
                limit=limit,
                params=self._params,
                with_payload=models.PayloadSelectorInclude(include=self._names),
            )
            for vector in vectors
        ]
        with _told(f"Qdrant could not search {self.collection!r}", self._key):
            return [answer.points for answer in self._client.query_batch_points(self.collection, requests)]

    def _hits(self, points: Sequence[Any], terms: Sequence[str], k: int, chars: int) -> list[SearchHit]:
        weighted = [(term, 1.0) for term in dict.fromkeys(terms)]
        best: dict[str, SearchHit] = {}
        ranked = sorted(points, key=lambda p: (-self._sign * round(p.score, DECIMALS), _order(p.id)))
        for point in ranked:
            url, title, text = self._read(point.payload)
            if url not in best:
                passage = snippet(" ".join(text.split()), weighted, chars)
                score = self._sign * round(float(point.score), DECIMALS)
                best[url] = SearchHit(url, neutralise(title), neutralise(passage), score)
                if len(best) == k:
                    break
        return list(best.values())

    def _read(self, payload: Mapping[str, Any] | None) -> tuple[str, str, str]:
        payload = payload or {}
        payload = self._key.hide({name: payload.get(name) for name in self._names})
        url, text = payload[self._fields.url], payload[self._fields.text]
        if not isinstance(url, str) or not isinstance(text, str):
            raise CorpusError(
                f"points of {self.collection!r} lack the payload fields {self._fields.url!r} and "
                f"{self._fields.text!r} (as strings); say which hold URL and text with QdrantFields"
            )
        title = payload[self._fields.title] if self._fields.title else None
        if isinstance(title, str) and title:
            return url, title, text
        first, _, rest = text.partition("\n")
        return url, first.strip().strip('"'), rest or text

    def fetch(self, url: str) -> Page | None:
        """The texts of the points with exactly this URL, as a page. None when there are no such points."""
        if not url.strip():
            return None
        models = _models()
        match = models.FieldCondition(key=self._fields.url, match=models.MatchValue(value=clean_text(url)))
        with _told(f"Qdrant could not look into {self.collection!r}", self._key):
            points, _ = self._client.scroll(
                self.collection, scroll_filter=models.Filter(must=[match]), limit=_MOST, with_payload=True
            )
        if not points:
            return None
        parts = [self._read(point.payload) for point in sorted(points, key=lambda p: _order(p.id))]
        return Page(url, parts[0][1], text_to_html(_joined([text for _, _, text in parts]), parts[0][1]))

    def close(self) -> None:
        """Close the client, unless it was passed in. A second call does no harm."""
        if self._owned and self._client is not None:
            self._client.close()
            self._owned = False

    def _inspect(self) -> None:
        try:
            with _told(f"Qdrant has no usable collection {self.collection!r}", self._key):
                vectors = self._client.get_collection(self.collection).config.params.vectors
            if isinstance(vectors, dict):
                if self._vector not in vectors:
                    raise ConfigError(
                        f"points of {self.collection!r} have the vectors {', '.join(sorted(vectors))}; "
                        "say which with vector=…"
                    )
                vectors = vectors[self._vector]
            elif self._vector is not None:
                raise ConfigError(f"points of {self.collection!r} have one vector, without a name")
            if vectors.size != self.embedder.dimension:
                raise ConfigError(
                    f"vectors of {self.collection!r} have {vectors.size} numbers, those of {self.embedder.name} "
                    f"{self.embedder.dimension}: the collection was made with another model"
                )
            if vectors.distance in ("Euclid", "Manhattan"):
                self._sign = -1.0
        except BaseException:
            self.close()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        if self._settings["url"] is None and self._settings["path"] is None:
            raise CopyError(
                "a Qdrant index in memory, or with a custom client, cannot be pickled: open it by url or path"
            )
        return _reopen, (self.collection, self.embedder, self._settings)

    def __copy__(self) -> QdrantIndex:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> QdrantIndex:
        return self

    def __repr__(self) -> str:
        return f"QdrantIndex({short(self.collection)})"


def _reopen(collection: str, embedder: Embedder, settings: dict[str, Any]) -> QdrantIndex:
    return QdrantIndex(collection, embedder, **settings)


def _order(point: int | str) -> tuple[int, str]:
    """The sort key of an id. Ids are numbers or UUIDs. Numbers come first, in numeric order. UUIDs follow in
    alphabetical order."""
    return (point, "") if isinstance(point, int) else (1 << 64, str(UUID(point)))


def _joined(texts: Sequence[str]) -> str:
    """The passages of one page as one text. The part of a passage that repeats the end of the passage before is left
    out."""
    whole = ""
    for text in texts:
        longest = min(len(whole), len(text), 4 * OVERLAP)
        shared = next((n for n in range(longest, 19, -1) if whole.endswith(text[:n])), 0)
        whole += text[shared:] if shared else f"\n\n{text}"
    return whole.strip()


def _library() -> Any:
    try:
        return import_module("qdrant_client")
    except ImportError as error:
        raise MissingDependencyError(
            f"Qdrant needs qdrant-client ({error}); {extra_hint('qdrant')}"
        ) from None


def _models() -> Any:
    return _library().models


def _connect(where: Mapping[str, str | None], timeout: int, key_variable: str) -> Any:
    library = _library()
    place = {name: value for name, value in where.items() if value is not None}
    if "url" not in place:
        with _told("Qdrant's local mode cannot be opened"):
            # An executor searches from several threads.
            return library.QdrantClient(**place, force_disable_check_same_thread=True)
    key = os.environ.get(key_variable) or None
    if hidden := key_place(place["url"]):
        raise ConfigError(
            f"the address of Qdrant has a key ({hidden}): put the key into the environment variable {key_variable}"
        )
    with _told(f"there is no Qdrant at {without_keys(place['url'])}", ApiKey(key_variable, place["url"])):
        return library.QdrantClient(**place, api_key=key, timeout=timeout, check_compatibility=False)


class _told:
    """Turns any error of the client into a `CorpusError` that begins with `sentence` and has no headers or keys."""

    def __init__(self, sentence: str, key: ApiKey | None = None) -> None:
        self._sentence, self._key = sentence, key

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, (CorpusError, ConfigError)):
            status = getattr(error, "status_code", None)
            said = self._key.hide(str(error)) if self._key is not None else str(error)
            detail = f"status {status}" if status is not None else " ".join(said.split())[:200]
            raise CorpusError(f"{self._sentence} ({type(error).__name__}: {detail})") from None
