"""Measures requests per second and latency of the service, for several numbers of workers and batch sizes.

    python benchmarks/serve_load.py [--corpus FOLDER] [--workers 1,2] [--clients 8] [--seconds 5]

The clients are threads of a separate process, each with a `RemoteCorpus`. Queries are titles of the corpus's pages,
never the same twice in a row. Without `--corpus` a synthetic world of 10,000 pages is built. Server and clients share
this machine's CPUs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from wideseek_env.corpus.remote import RemoteCorpus
from wideseek_env.corpus.stored import SourcePage, StoredCorpus


def world(folder: Path) -> Path:
    """The folder of a stored corpus of the synthetic world."""
    from wideseek_env.catalog import synthetic_world

    corpus = synthetic_world("synthetic:seed=0,pages=10000").corpus()
    pages = (corpus.fetch(url) for url in corpus.urls())  # type: ignore[attr-defined]
    sources = (SourcePage(page.url, page.title, page.html) for page in pages if page is not None)
    StoredCorpus.build(folder, sources, name="synthetic").close()
    return folder


def serve(folder: Path, workers: int, ready: Connection) -> None:
    """Run the server, in a separate process."""
    from wideseek_env.serve import run_server

    run_server(StoredCorpus.open(folder), port=0, workers=workers, announce=ready.send)


def load(url: str, queries: list[str], clients: int, batch: int, seconds: float, out: Connection) -> None:
    """Run the clients, in another process. Sends the latencies in seconds and the number of failed requests."""
    latencies: list[float] = []
    failures = 0
    stop = time.perf_counter() + seconds

    def client(number: int) -> None:
        nonlocal failures
        corpus = RemoteCorpus(url, batch=batch)
        at = number * 97
        while (start := time.perf_counter()) < stop:
            chosen = [queries[(at + n) % len(queries)] for n in range(batch)]
            at += batch
            try:
                corpus.search(chosen, 5)
            except Exception:
                failures += 1
            latencies.append(time.perf_counter() - start)
        corpus.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.send((latencies, failures))


def measure(folder: Path, workers: int, clients: int, seconds: float) -> list[dict[str, Any]]:
    """Start a server. Send it requests with one query, then requests with many queries."""
    corpus = StoredCorpus.open(folder)
    titles = [hit.title for url in list(corpus.urls())[::7][:2000] if (hit := corpus.fetch(url))]
    corpus.close()
    spawn = multiprocessing.get_context("spawn")
    receive, send = spawn.Pipe()
    server = spawn.Process(target=serve, args=(folder, workers, send))
    server.start()
    results = []
    try:
        url = receive.recv()
        RemoteCorpus(url, retries=20, backoff=0.05).health()
        time.sleep(2)  # wait until every worker runs
        for batch in (1, 32):
            took, give = spawn.Pipe()
            process = spawn.Process(target=load, args=(url, titles, clients, batch, seconds, give))
            process.start()
            latencies, failures = took.recv()
            process.join()
            p50, p99 = np.percentile(latencies, (50, 99)) * 1000
            results.append(
                {
                    "workers": workers,
                    "batch": batch,
                    "requests/s": round(len(latencies) / seconds),
                    "queries/s": round(len(latencies) * batch / seconds),
                    "p50 ms": round(float(p50), 1),
                    "p99 ms": round(float(p99), 1),
                    "failures": failures,
                }
            )
            print(json.dumps(results[-1]), flush=True)
    finally:
        if server.pid is not None:
            os.kill(server.pid, signal.SIGTERM)
        server.join()
    return results


def main() -> None:
    """Print one line of JSON for each number of workers and batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, help="folder of a stored corpus")
    parser.add_argument("--workers", default="1,2", help="numbers of workers, with commas")
    parser.add_argument("--clients", type=int, default=8, help="clients at the same time")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of load for each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.corpus or world(Path(temporary) / "corpus")
        for workers in options.workers.split(","):
            measure(folder, int(workers), options.clients, options.seconds)


if __name__ == "__main__":
    main()
