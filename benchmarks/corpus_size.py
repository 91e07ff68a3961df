"""What building and searching a corpus costs at several sizes: processor time, memory, disk.

    python benchmarks/corpus_size.py --passages 200000 1000000 4000000 --folder /tmp/corpus-size

The passages are generated, in the form of the Wiki-2018 passages (``{"id", "contents"}``): 100 words each, about seven
to a page. Words have the frequencies of English text (Zipf-Mandelbrot, exponent 1.07) over a vocabulary of two million
spellings. A query is the title of a page and three words of one of its passages.

"memory" is the proportional set size (PSS) of a process and its children. Unlike the resident set size, it counts a
page of memory that several processes share once. It is read from /proc, so this script needs Linux. Everything is
written below `--folder`, and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 100
QUERIES = 20_000
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
VOCABULARY = 2_000_000
_BLOCK = 5_000
_SHIFT = 2.7
_EXPONENT = 1.07


def spelling(rank: int) -> str:
    """The word of a rank. Frequent words are short."""
    word, rest = "", rank + 5
    while rest:
        rest, syllable = divmod(rest, len(SYLLABLES))
        word += SYLLABLES[syllable]
    return word


def rows(passages: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """The rows of a corpus with generated text. The same arguments give the same rows."""
    rng = np.random.default_rng(seed)
    chances = 1 / (np.arange(VOCABULARY) + _SHIFT) ** _EXPONENT
    upto = np.cumsum(chances) / chances.sum()
    words = np.array([spelling(rank) for rank in range(VOCABULARY)], dtype=object)
    title, left, number = "", 0, 0
    for start in range(0, passages, _BLOCK):
        size = min(_BLOCK, passages - start)
        drawn = words[np.searchsorted(upto, rng.random((size, WORDS)))]
        lengths = rng.geometric(1 / 7, size)
        for place in range(size):
            text = drawn[place]
            if not left:
                number, left = number + 1, int(lengths[place])
                title = f"{' '.join(text[:2])} {spelling(number)}".title()
            left -= 1
            yield {"id": str(start + place), "contents": f'"{title}"\n{" ".join(text)}.'}


def write_rows(file: Path, passages: int) -> None:
    with open(file, "w", encoding="utf-8") as out:
        for row in rows(passages):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def queries_of(file: Path, count: int) -> list[str]:
    """One query from every passage at regular distances."""
    step = max(1, file.stat().st_size // count)
    found = []
    with open(file, "rb") as lines:
        for number in range(count):
            lines.seek(min(number * step, file.stat().st_size - 5_000))
            lines.readline()
            line = lines.readline()
            if not line:
                break
            title, _, text = json.loads(line)["contents"].partition("\n")
            at = 10 + number % 80
            found.append(" ".join([title.strip('"'), *text.split()[at : at + 3]]))
    return found


def memory_of(pid: int) -> dict[str, int]:
    """The memory of a process in bytes, by kind of the kernel's summary."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            name, _, rest = line.partition(":")
            if rest.endswith("kB\n"):
                found[name] = 1024 * int(rest.split()[0])
    return found


def tree(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found.extend(tree(int(child)))
    return found


def tree_memory(pid: int) -> int:
    total = 0
    try:
        for each in tree(pid):
            total += memory_of(each).get("Pss", 0)
    except (OSError, ProcessLookupError):  # one of them has just ended
        return 0
    return total


def disk(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total


def build(source: Path, out: Path) -> dict[str, float]:
    """Run the command that builds a corpus, and measure it."""
    began, before = time.monotonic(), os.times()
    command = [sys.executable, "-m", "wideseek_env.cli", "corpus", "build", str(source), "--out", str(out)]
    process = subprocess.Popen(command)
    peak = most = looks = 0
    while process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        looks += 1
        if looks % 20 == 0:
            most = max(most, disk(out.parent) - source.stat().st_size)
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"the build ended with exit code {process.returncode}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    size = disk(out)
    return {
        "input_mb": source.stat().st_size / 1e6,
        "build_cpu_s": cpu,
        "build_s": time.monotonic() - began,
        "build_memory_mb": peak / 1e6,
        "disk_mb": size / 1e6,
        "disk_while_building_mb": max(most, size) / 1e6,
    }


def search(folder: Path, queries: list[str]) -> dict[str, float]:
    """Open and search a corpus in this process."""
    from wideseek_env.corpus.stored import StoredCorpus

    opened = []
    for _ in range(5):
        began = time.perf_counter()
        StoredCorpus(folder).close()
        opened.append(time.perf_counter() - began)
    corpus = StoredCorpus(folder)
    half = len(queries) // 2
    corpus.search(queries[:half], 5)  # reads the files
    began, cpu = time.perf_counter(), time.process_time()
    corpus.search(queries[half:], 5)
    took, cpu_took = time.perf_counter() - began, time.process_time() - cpu
    one = time.process_time()
    for query in islice(queries, 2_000):
        corpus.search([query], 5)
    one = time.process_time() - one
    fetched = time.process_time()
    hits = [hit for hits in corpus.search(queries[:200], 5) for hit in hits]
    for hit in hits:
        corpus.fetch(hit.url)
    memory = memory_of(os.getpid())
    return {
        "pages": len(corpus),
        "segments": corpus._index._searcher.num_segments,
        "open_s": statistics.median(opened),
        "queries_per_cpu_s": (len(queries) - half) / cpu_took,
        "queries_per_s": (len(queries) - half) / took,
        "queries_per_cpu_s_one_by_one": 2_000 / one,
        "ms_per_fetch": 1e3 * (time.process_time() - fetched) / len(hits),
        "memory_mb": memory["Rss"] / 1e6,
        "own_memory_mb": memory["Anonymous"] / 1e6,
    }


def shared(folder: Path, queries: Path, processes: int) -> dict[str, float]:
    """Let several processes search one corpus, and read their memory while all hold it."""
    command = [sys.executable, __file__, "--hold", str(folder), "--queries", str(queries)]
    held = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for process in held:
        assert process.stdout is not None
        process.stdout.readline()
    found = [memory_of(process.pid) for process in held]
    for process in held:
        process.communicate("\n")
    return {
        "processes": processes,
        "each_rss_mb": statistics.mean(memory["Rss"] for memory in found) / 1e6,
        "sum_pss_mb": sum(memory["Pss"] for memory in found) / 1e6,
        "each_own_mb": statistics.mean(memory["Anonymous"] for memory in found) / 1e6,
    }


def hold(folder: Path, queries: list[str]) -> None:
    """Search, say so, and keep the corpus open until a line arrives."""
    from wideseek_env.corpus.stored import StoredCorpus

    corpus = StoredCorpus(folder)
    corpus.search(queries, 5)
    print("ready", flush=True)
    sys.stdin.readline()
    corpus.close()


def measure(passages: int, folder: Path, processes: int) -> dict[str, Any]:
    source, out, asked = folder / "passages.jsonl", folder / "corpus", folder / "queries.json"
    write_rows(source, passages)
    asked.write_text(json.dumps(queries_of(source, QUERIES)))
    found: dict[str, Any] = {"passages": passages, **build(source, out)}
    source.unlink()
    # Each in a fresh process, so that nothing that was measured before counts.
    code = [sys.executable, __file__, "--search", str(out), "--queries", str(asked)]
    found |= json.loads(subprocess.run(code, check=True, capture_output=True, text=True).stdout)
    found |= shared(out, asked, processes)
    shutil.rmtree(out)
    return {name: round(value, 4 if value < 10 else 1) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--passages", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/corpus-size"))
    parser.add_argument("--processes", type=int, default=4, help="Processes that search one corpus.")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--queries", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.queries is not None:
        queries = json.loads(chosen.queries.read_text())
        if chosen.search is not None:
            print(json.dumps(search(chosen.search, queries)))
        else:
            hold(chosen.hold, queries)
        return
    chosen.folder.mkdir(parents=True)
    try:
        for passages in chosen.passages:
            print(json.dumps(measure(passages, chosen.folder, chosen.processes)), flush=True)
    finally:
        shutil.rmtree(chosen.folder)


if __name__ == "__main__":
    main()
