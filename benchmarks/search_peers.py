"""Compares the search index with other search engines, in one table.

    python benchmarks/search_peers.py                  # all engines that are installed
    python benchmarks/search_peers.py --only wideseek sqlite-fts5 --seed 4

Each engine is built, opened and searched in separate processes. Passages, queries and right answers are those of
`hybridqa_queries.py`. Every engine returns the text of its five best documents.

Every round has 2,000 new queries. The queries of the first round are drawn with `--seed`, and this round gives hit@1
and hit@5. Later rounds use the next seeds. The speed is that of the fastest round. Slow engines answer only the first
200 queries.

"q/CPU s" divides by the CPU time of all threads, which depends less on other work of the machine. The other rates use
wall-clock time. The memory is that of a process that opened the index and answered all queries. bm25s is not a
dependency of this package. If bm25s is missing, its rows name the package to install.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hybridqa_queries import Passages, draws, hits_at, passages

THREADS = 2
K = 5
FEW = 200

Search = Callable[[list[str]], list[list[str]]]
"""A function that returns the URLs of the best K documents for each query."""


class Wideseek:
    name, needs, few = "wideseek", (), False

    def build(self, documents: Passages, path: Path) -> None:
        from wideseek_env.corpus.index import SearchIndex

        SearchIndex.build(documents, path / "index").close()

    def open(self, path: Path) -> tuple[Search, Search]:
        from wideseek_env.corpus.index import SearchIndex

        index = SearchIndex.open(path / "index")

        def search(queries: list[str]) -> list[list[str]]:
            return [[hit.url for hit in hits] for hits in index.search(queries, K)]

        return search, search


class Bm25s:
    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.name = f"bm25s+{backend}"
        self.needs: tuple[str, ...] = ("bm25s", "numba") if backend == "numba" else ("bm25s",)
        self.few = backend == "numpy"

    def build(self, documents: Passages, path: Path) -> None:
        import bm25s

        corpus = [{"url": url, "text": f"{title} {text}"} for url, title, text in documents]
        tokens = bm25s.tokenize([entry["text"] for entry in corpus], show_progress=False)
        retriever = bm25s.BM25(backend=self.backend)
        retriever.index(tokens, show_progress=False)
        retriever.save(str(path), corpus=corpus)

    def open(self, path: Path) -> tuple[Search, Search]:
        import bm25s

        retriever = bm25s.BM25.load(str(path), mmap=True, load_corpus=True)
        retriever.backend = self.backend
        if self.backend == "numba":
            retriever.activate_numba_scorer()

        def searching(threads: int) -> Search:
            def search(queries: list[str]) -> list[list[str]]:
                tokens = bm25s.tokenize(queries, return_ids=False, show_progress=False)
                found = retriever.retrieve(tokens, k=K, n_threads=threads, show_progress=False)
                return [[entry["url"] for entry in row] for row in found.documents]

            return search

        single = searching(1 if self.backend == "numba" else 0)
        single(["warm up"])  # numba compiles here, and this time is part of the time to open the index
        return single, searching(THREADS)


class SqliteFts5:
    name, needs, few = "sqlite-fts5", (), True

    def build(self, documents: Passages, path: Path) -> None:
        with sqlite3.connect(path / "fts.db") as connection:
            connection.execute(
                "CREATE VIRTUAL TABLE pages USING fts5(url UNINDEXED, title, text, "
                "tokenize='unicode61 remove_diacritics 2')"
            )
            connection.executemany("INSERT INTO pages VALUES (?, ?, ?)", documents)
        connection.close()

    def open(self, path: Path) -> tuple[Search, Search]:
        def search(queries: list[str]) -> list[list[str]]:
            connection = sqlite3.connect(path / "fts.db")
            found = []
            for query in queries:
                match = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
                rows: Any = ()
                if match:
                    rows = connection.execute(
                        "SELECT url, title, snippet(pages, 2, '', '', '…', 40) FROM pages WHERE pages MATCH ? "
                        f"ORDER BY bm25(pages, 0, 2, 1) LIMIT {K}",
                        (match,),
                    )
                found.append([row[0] for row in rows])
            connection.close()
            return found

        def batched(queries: list[str]) -> list[list[str]]:
            parts = [queries[at::THREADS] for at in range(THREADS)]
            with ThreadPoolExecutor(THREADS) as pool:
                answered: list[Iterator[list[str]]] = [iter(part) for part in pool.map(search, parts)]
            return [next(answered[at % THREADS]) for at in range(len(queries))]

        return search, batched


ENGINES: dict[str, Any] = {
    engine.name: engine for engine in (Wideseek(), Bm25s("numba"), Bm25s("numpy"), SqliteFts5())
}


def build(engine: Any, path: Path) -> dict[str, float]:
    documents = passages()
    start = time.perf_counter()
    engine.build(documents, path)
    return {"build": time.perf_counter() - start}


def search(engine: Any, path: Path) -> dict[str, float]:
    rounds = json.loads((path.parent / "queries.json").read_text("utf-8"))
    rounds = [asked[:FEW] if engine.few else asked for asked in rounds]
    start = time.perf_counter()
    single, batched = engine.open(path)
    facts = {"open": time.perf_counter() - start}
    half = len(rounds) // 2
    for name, asked_in in (("one", rounds[half:]), ("batched", rounds[:half])):
        for asked in asked_in:
            texts = [query for query, _ in asked]
            start, cpu = time.perf_counter(), time.process_time()
            found, times = one_by_one(single, texts) if name == "one" else (batched(texts), [])
            rates = {
                name: len(texts) / (time.perf_counter() - start),
                f"{name}_cpu": len(texts) / (time.process_time() - cpu),
            }
            facts |= {key: max(rate, facts.get(key, 0.0)) for key, rate in rates.items()}
            if times:
                middle, slow = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
                facts |= {
                    "p50": min(middle, facts.get("p50", middle)),
                    "p99": min(slow, facts.get("p99", slow)),
                }
            if asked is rounds[0]:
                facts |= {f"hit@{k}": hits_at(k, found, asked) for k in (1, K)}
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        facts["memory"] = int(line.split()[1]) / 1024
    return facts


def one_by_one(search: Search, texts: list[str]) -> tuple[list[list[str]], list[float]]:
    found, times = [], []
    for text in texts:
        start = time.perf_counter()
        found += search([text])
        times.append(time.perf_counter() - start)
    return found, sorted(times)


def child(*arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


COLUMNS = {
    "q/s one by one": "one", "q/CPU s": "one_cpu", "q/s batched": "batched", "q/CPU s batched": "batched_cpu",
    "p50 ms": "p50", "p99 ms": "p99", "hit@1": "hit@1", "hit@5": "hit@5", "build s": "build", "open s": "open",
    "memory MB": "memory",
}  # fmt: skip


def shown(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    places = (
        3 if key in ("hit@1", "hit@5", "open") else 2 if key in ("p50", "p99") else 1 if key == "build" else 0
    )
    return f"{value:,.{places}f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of rounds, each with new queries; the fastest counts"
    )
    parser.add_argument("--stage", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        stage, path = options.stage
        engine = ENGINES[options.only[0]]
        where = Path(path)
        print(json.dumps(build(engine, where) if stage == "build" else search(engine, where)))
        return
    try:
        known = {url for url, _, _ in passages()}
    except FileNotFoundError as error:
        sys.exit(str(error))
    # The first half of the queries is sent in batches, the other half one by one.
    rounds = draws(known, range(options.seed, options.seed + 2 * options.rounds))
    print(f"| engine | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}")
    for name in options.only:
        missing = [need for need in ENGINES[name].needs if importlib.util.find_spec(need) is None]
        if missing:
            print(f"| {name} | skipped: pip install {' '.join(missing)} |" + " |" * (len(COLUMNS) - 1))
            continue
        with tempfile.TemporaryDirectory() as held:
            (Path(held) / "queries.json").write_text(json.dumps(rounds), "utf-8")
            path = Path(held) / name
            path.mkdir()
            facts = child("--only", name, "--stage", "build", path)
            facts |= child("--only", name, "--stage", "search", path)
        print(
            f"| {name} | {' | '.join(shown(key, facts.get(key)) for key in COLUMNS.values())} |", flush=True
        )


if __name__ == "__main__":
    main()
