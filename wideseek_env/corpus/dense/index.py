"""`DenseIndex`: finds documents by the meaning of their passages. The vectors are in one folder, and the search is
exact.

Every query is compared with every passage, block by block. This search is exact, has no parameters, and is fast enough
up to a few million passages. For more passages use Qdrant (`wideseek_env.corpus.dense.qdrant`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wideseek_env.clean import clean_text
from wideseek_env.corpus.base import Page, SearchHit, check_chars
from wideseek_env.corpus.dense.base import Embedder, Vectors
from wideseek_env.corpus.dense.loading import load_embedder
from wideseek_env.corpus.dense.texts import OVERLAP, PASSAGE_CHARS, passages
from wideseek_env.corpus.folders import building, check_reading, read_manifest, write_manifest
from wideseek_env.corpus.index import check_urls
from wideseek_env.corpus.records import RecordReader, RecordWriter
from wideseek_env.corpus.snippets import LONGEST, snippet
from wideseek_env.corpus.urls import lookup_keys, url_hash, url_key
from wideseek_env.corpus.words import words
from wideseek_env.errors import ConfigError, IndexDamagedError
from wideseek_env.files import still_there
from wideseek_env.pages.from_markdown import text_to_html
from wideseek_env.pages.neutral import neutralise
from wideseek_env.pages.text import READING
from wideseek_env.reprs import short

FORMAT = 1
"""The version of the layout on disk."""

KIND = "dense index"

DECIMALS = 4
"""The number of decimals of a similarity. Further decimals would depend on which texts the model embedded in one
batch."""

_BATCH = 256  # documents whose passages are embedded together
_ROWS = 1 << 16  # passages compared at a time
_QUERIES = 64  # queries compared at a time
_MARGIN = 8  # further passages to fetch, so that equal scores can be ordered by row
_SEPARATOR = "\x00"


class DenseIndex:
    """Vectors of passages and their documents. It is a `Corpus` whose pages are the text of the documents.

    Scores are cosines, rounded to `DECIMALS`. Equal scores are ordered by the order in which the documents were added.
    Vectors are memory-mapped, so processes share them. Several threads may use the index at the same time if its
    embedder allows this. A pickle of the index has only its path and its embedder.
    """

    blocking = False

    def __init__(self, path: Path | str, embedder: Embedder | None = None) -> None:
        """Open the index at `path`, as `open` does."""
        self.path = Path(path).absolute()
        manifest = read_manifest(self.path, KIND, FORMAT)
        check_reading(self.path, manifest)
        self.embedder = _embedder_for(self.path, manifest, embedder)
        self.name = str(manifest.get("name", self.path.name))
        self._documents = RecordReader(self.path / "documents")
        try:
            self._vectors: Vectors = np.load(self.path / "vectors.npy", mmap_mode="r", allow_pickle=False)
            # Row i: the document of vector i, and the start and end of its passage.
            self._places: NDArray[np.int64] = np.load(self.path / "places.npy", mmap_mode="r")
            self._keys: NDArray[np.uint64] = np.load(self.path / "keys.npy", mmap_mode="r")
        except (OSError, ValueError) as error:
            self.close()
            raise IndexDamagedError(f"{path}: cannot be opened ({error}); build it again") from None
        if self._vectors.shape != (len(self._places), manifest.get("dimension")):
            self.close()
            raise IndexDamagedError(f"{path}: its files do not belong together; build the index again")

    @classmethod
    def open(cls, path: Path | str, embedder: Embedder | None = None) -> DenseIndex:
        """Open the index at `path`.

        With `embedder` None, the model is loaded from its folder at the time of the build. The index has stored the
        path of that folder.

        Raises:
            IndexDamagedError: The index is missing, damaged or of another version.
            ConfigError: The index was built with another embedder.
        """
        return cls(path, embedder)

    @classmethod
    def build(
        cls,
        path: Path | str,
        documents: Iterable[tuple[str, str, str]],
        embedder: Embedder,
        *,
        name: str = "dense",
        passage_chars: int = PASSAGE_CHARS,
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> DenseIndex:
        """Embed `(url, title, text)` triples with unique URLs. The folder appears only when it is complete.

        A text longer than `passage_chars` becomes several overlapping passages. Each passage is embedded with the title
        before it. `documents` is read as a stream, and vectors are written to disk immediately. `progress` is called
        with the number of documents done.

        Raises:
            CorpusError: A URL is empty or occurs twice, or `path` exists and `overwrite` is False.
        """
        if passage_chars < 2 * OVERLAP:
            raise ConfigError(f"passage_chars must be at least {2 * OVERLAP}, not {passage_chars}")
        with building(Path(path), overwrite=overwrite) as folder:
            urls: list[str] = []
            places: list[tuple[int, int, int]] = []
            raw = folder / "vectors.raw"
            with RecordWriter(folder / "documents") as records, open(raw, "wb") as vectors:
                stream = iter(documents)
                while batch := list(islice(stream, _BATCH)):
                    texts = []
                    for url, title, text in batch:
                        clean = [clean_text(part).replace(_SEPARATOR, " ") for part in (url, title, text)]
                        for start, end in passages(clean[2], passage_chars):
                            places.append((len(urls), start, end))
                            texts.append(f"{clean[1]}\n{clean[2][start:end]}")
                        urls.append(clean[0])
                        records.append(_SEPARATOR.join(clean).encode())
                    vectors.write(unit(embedder.embed(texts)).tobytes())
                    if progress is not None:
                        progress(len(urls))
                check_urls(urls)
                records.finish(range(len(urls)))
            _to_npy(raw, folder / "vectors.npy", len(places), embedder.dimension)
            np.save(folder / "places.npy", np.array(places, dtype=np.int64).reshape(-1, 3))
            _save_keys(folder / "keys.npy", urls)
            facts = {
                "name": name,
                "documents": len(urls),
                "reading": READING,
                "dimension": embedder.dimension,
                "embedder": embedder.name,
                "model": str(getattr(embedder, "path", "")),
                "settings": getattr(embedder, "settings", {}),
            }
            write_manifest(folder, KIND, FORMAT, facts)
        return cls(path, embedder)

    def search(self, queries: Sequence[str], k: int) -> list[list[SearchHit]]:
        """The best `k` documents for each query. The score of a document is the score of its best passage. A query
        without words finds nothing.

        Raises `ConfigError` when k is less than 1.
        """
        return self.search_passages(queries, k, LONGEST)

    def search_passages(self, queries: Sequence[str], k: int, chars: int) -> list[list[SearchHit]]:
        """Like `search`, with up to `chars` characters of the passage that was found."""
        check_search(queries, k)
        check_chars(chars)
        found: list[list[SearchHit]] = [[] for _ in queries]
        asked = [(n, query, terms) for n, query in enumerate(queries) if (terms := words(query))]
        if not asked or not len(self):
            return found
        vectors = unit(self.embedder.embed([clean_text(query) for _, query, _ in asked], query=True))
        for at in range(0, len(asked), _QUERIES):
            block = asked[at : at + _QUERIES]
            for (number, _, terms), rows in zip(
                block, self._rows(vectors[at : at + _QUERIES], k), strict=True
            ):
                found[number] = [self._hit(row, score, terms, chars) for score, row in rows]
        return found

    def _rows(self, queries: Vectors, k: int) -> Iterator[list[tuple[float, int]]]:
        """The scores and rows of the best passage of each of the k best documents, for each query."""
        wanted = k + _MARGIN
        while True:
            scores, rows = self._nearest(queries, min(wanted, len(self._places)))
            best = [self._by_document(s, r, k) for s, r in zip(scores, rows, strict=True)]
            # All k best passages may belong to one page.
            if wanted >= len(self._places) or all(len(hits) == k for hits in best):
                yield from best
                return
            wanted *= 4

    def _nearest(self, queries: Vectors, count: int) -> tuple[Vectors, NDArray[np.int64]]:
        kept_scores = np.empty((len(queries), 0), np.float32)
        kept_rows = np.empty((len(queries), 0), np.int64)
        for start in range(0, len(self._vectors), _ROWS):
            scores = queries @ np.asarray(self._vectors[start : start + _ROWS]).T
            rows = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
            kept_scores = np.concatenate([kept_scores, scores], axis=1)
            kept_rows = np.concatenate([kept_rows, rows], axis=1)
            if kept_scores.shape[1] > count:
                top = np.argpartition(-kept_scores, count - 1, axis=1)[:, :count]
                kept_scores = np.take_along_axis(kept_scores, top, axis=1)
                kept_rows = np.take_along_axis(kept_rows, top, axis=1)
        return kept_scores, kept_rows

    def _by_document(self, scores: Vectors, rows: NDArray[np.int64], k: int) -> list[tuple[float, int]]:
        ranked = sorted(
            zip((-np.round(scores.astype(np.float64), DECIMALS)).tolist(), rows.tolist(), strict=True)
        )
        best: dict[int, tuple[float, int]] = {}
        for score, row in ranked:
            best.setdefault(int(self._places[row, 0]), (-score, row))
            if len(best) == k:
                break
        return list(best.values())

    def _hit(self, row: int, score: float, terms: Sequence[str], chars: int) -> SearchHit:
        number, start, end = self._places[row].tolist()
        url, title, text = self._document(number)
        weighted = [(term, 1.0) for term in dict.fromkeys(terms)]
        passage = snippet(" ".join(text[start:end].split()), weighted, chars)
        return SearchHit(url, neutralise(title), neutralise(passage), score)

    def fetch(self, url: str) -> Page | None:
        """The document at `url`, or at a trivial variant of it, as a page of plain text. None when there is no such
        document."""
        for key in lookup_keys(url):
            hashes, numbers = self._keys
            at = int(np.searchsorted(hashes, np.uint64(url_hash(key))))
            while at < len(hashes) and int(hashes[at]) == url_hash(key):
                known, title, text = self._document(int(numbers[at]))
                if url_key(known) == key:
                    return Page(known, title, text_to_html(text, title))
                at += 1
        return None

    def _document(self, number: int) -> tuple[str, str, str]:
        url, title, text = self._documents.read(number).decode().split(_SEPARATOR)
        return url, title, text

    def close(self) -> None:
        """Release the files. A second call does no harm."""
        self._documents.close()

    def __len__(self) -> int:
        return len(self._documents)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (still_there(self.path), self.embedder)

    def __copy__(self) -> DenseIndex:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> DenseIndex:
        return self  # it cannot change

    def __repr__(self) -> str:
        return f"DenseIndex({short(str(self.path))}, {len(self)} documents)"


def unit(vectors: Vectors) -> Vectors:
    """The vectors scaled to length 1. Zero vectors are not changed."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors, np.float32), where=lengths > 0)
    return scaled


def check_search(queries: Sequence[str], k: int) -> None:
    """Raise `ConfigError` when `queries` is a string or `k` is less than 1."""
    if isinstance(queries, str):
        raise ConfigError("queries must be a sequence of strings; put a single query into a list")
    if k < 1:
        raise ConfigError(f"k must be at least 1, not {k}")


def _embedder_for(path: Path, manifest: dict[str, Any], given: Embedder | None) -> Embedder:
    if given is None:
        if not manifest.get("model"):
            raise ConfigError(f"{path} does not name the folder of its model; open it with embedder=")
        given = load_embedder(str(manifest["model"]), manifest.get("settings"))
    if given.name != manifest.get("embedder"):
        raise ConfigError(
            f"{path} was built with the embedder {manifest.get('embedder')}, not with {given.name}; "
            "open it with that one, or build it again"
        )
    return given


def _to_npy(raw: Path, file: Path, rows: int, dimension: int) -> None:
    """Write raw float32 numbers as a NumPy file, copied in blocks because the vectors may not fit into memory."""
    with open(file, "wb") as out, open(raw, "rb") as data:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)}
        write_header: Any = np.lib.format.write_array_header_1_0  # typed in some releases of NumPy only
        write_header(out, header)
        while block := data.read(1 << 24):
            out.write(block)
    raw.unlink()


def _save_keys(file: Path, urls: Sequence[str]) -> None:
    hashes = np.array([url_hash(url_key(url)) for url in urls], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    np.save(file, np.stack([hashes[order], order.astype(np.uint64)]))
