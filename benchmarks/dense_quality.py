"""Measures hit@1, hit@5 and the cost of three kinds of search on HybridQA: full-text, dense, and both merged.

    python benchmarks/dense_quality.py --model FOLDER [--pool 20000] [--static] [--work FOLDER]

The benchmark makes 2,000 queries from table rows that are drawn with a fixed seed. A query is the text of the row's
first linked cell and one header of the table. The right answer is the linked page (as in `test_index_speed.py`). The
pool, which is searched, has all right pages and a seeded sample of all other pages, up to `--pool` passages. 0 means
all passages.

`--static` first distils the model to a static model. `--qdrant` also searches the same vectors with Qdrant's local
mode. `--work` keeps the indexes for the next run. The data are read from `WIDESEEK_DATA` or `../shared/data`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from wideseek_env.corpus.base import Corpus
from wideseek_env.corpus.dense import (
    DenseIndex,
    Embedder,
    HybridCorpus,
    SentenceTransformerEmbedder,
    distill,
    load_embedder,
)
from wideseek_env.corpus.stored import SourcePage, StoredCorpus

QUERIES = 2_000
Documents = list[tuple[str, str, str]]


def load(folder: Path, size: int) -> tuple[Documents, list[tuple[str, str]]]:
    """The passages of the pool, and the queries with the URLs of their right pages."""
    with gzip.open(folder / "passages.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        everything = [(r["url"], unquote(r["url"][6:]).replace("_", " "), r["text"]) for r in records]
    known = {url for url, _, _ in everything}
    rng = random.Random(0)
    rows = []
    with gzip.open(folder / "tables.jsonl.gz", "rt", encoding="utf-8") as lines:
        for table in map(json.loads, lines):
            headers = [header for header, _ in table["header"]]
            for row in table["data"]:
                text, link = next(((text, links[0]) for text, links in row if links), ("", ""))
                if link in known:
                    rows.append((text, link, headers))
    queries = [(f"{text} {rng.choice(headers)}", link) for text, link, headers in rng.sample(rows, QUERIES)]
    if not size:
        return everything, queries
    right = {link for _, link in queries}
    others = [url for url, _, _ in everything if url not in right]
    chosen = right | set(random.Random(1).sample(others, max(0, size - len(right))))
    return [document for document in everything if document[0] in chosen], queries


def measure(name: str, corpus: Corpus, queries: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Measure hit@1, hit@5 and queries per second, with all queries in one batch."""
    start = time.perf_counter()
    found = corpus.search([query for query, _ in queries], 5)
    seconds = time.perf_counter() - start
    first = sum(bool(hits) and hits[0].url == url for hits, (_, url) in zip(found, queries, strict=True))
    five = sum(any(hit.url == url for hit in hits) for hits, (_, url) in zip(found, queries, strict=True))
    result = {
        "hit@1": first / len(queries),
        "hit@5": five / len(queries),
        "queries/s": round(len(queries) / seconds),
    }
    print(
        f"{name:24} hit@1 {result['hit@1']:.3f}  hit@5 {result['hit@5']:.3f}  {result['queries/s']:>7,} queries/s",
        flush=True,
    )
    return result


def dense(work: Path, documents: Documents, embedder: Embedder) -> DenseIndex:
    """The index in `work`. It is built if it does not exist."""
    path = work / f"dense-{embedder.name.replace(':', '-')}-{len(documents)}"
    if path.is_dir():
        return DenseIndex.open(path, embedder)
    start = time.perf_counter()

    def show(done: int) -> None:
        print(f"\r{done:,} of {len(documents):,} embedded", end="", flush=True)

    index = DenseIndex.build(path, documents, embedder, progress=show)
    seconds = time.perf_counter() - start
    print(f"\rembedded {len(documents):,} passages in {seconds:.0f} s ({len(documents) / seconds:.0f}/s)")
    return index


def qdrant(documents: Documents, embedder: Embedder) -> Corpus:
    """A collection of Qdrant's local mode with the documents."""
    from wideseek_env.corpus.dense import QdrantIndex

    return QdrantIndex.build("hybridqa", documents, embedder, location=":memory:")


def main() -> None:
    """Print one line for each kind of search, and the results as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of an embedding model")
    parser.add_argument("--dtype", default="float32", help="precision of a sentence-transformers model")
    parser.add_argument(
        "--max-tokens", type=int, help="largest number of tokens that such a model reads of a passage"
    )
    parser.add_argument("--pool", type=int, default=20_000, help="number of passages to search; 0 is all")
    parser.add_argument(
        "--static", action="store_true", help="distil the model to a static model and use the static model"
    )
    parser.add_argument("--qdrant", action="store_true", help="also search with Qdrant's local mode")
    parser.add_argument("--work", type=Path, help="folder that keeps the indexes")
    options = parser.parse_args()
    data = Path(os.environ.get("WIDESEEK_DATA") or Path(__file__).parents[2] / "shared" / "data") / "hybridqa"
    documents, queries = load(data, options.pool)
    print(f"{len(documents):,} passages, {len(queries):,} queries", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if options.static:
            folder = work / f"static-{options.model.resolve().parent.name}"
            embedder = load_embedder(folder) if folder.is_dir() else distill(options.model, folder)
        elif (options.model / "modules.json").is_file():
            embedder = SentenceTransformerEmbedder(
                options.model, dtype=options.dtype, max_tokens=options.max_tokens
            )
        else:
            embedder = load_embedder(options.model)
        lexical = StoredCorpus.build(
            work / "lexical",
            (SourcePage(url, title, "", text) for url, title, text in documents),
            name="hybridqa passages",
            overwrite=True,
        )
        index = dense(work, documents, embedder)
        results = {
            "passages": len(documents),
            "embedder": embedder.name,
            "lexical": measure("lexical", lexical, queries),
            "dense": measure("dense", index, queries),
        }
        for weight in (1.0, 0.5, 0.25):
            fused = HybridCorpus(lexical, index, weights=(1.0, weight))
            results[f"fusion {weight}"] = measure(f"fusion, dense weighs {weight}", fused, queries)
        if options.qdrant:
            results["qdrant"] = measure("qdrant, local mode", qdrant(documents, embedder), queries)
        lexical.close()
        index.close()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
