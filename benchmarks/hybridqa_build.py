"""Builds the HybridQA corpus from the real data, and prints the time and memory that it took.

Run `python benchmarks/hybridqa_build.py --data FOLDER [--out FOLDER]`. Without `--out` the program builds the corpus in
a temporary folder and removes it at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from wideseek_env.corpus.hybridqa import build_hybridqa, load_plans


def main() -> None:
    """Measure one build in this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the data")
    parser.add_argument("--out", type=Path, help="folder that keeps the corpus")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary) / "corpus"
        start, cpu = time.perf_counter(), time.process_time()
        plans = load_plans(options.data)
        planned = time.perf_counter()
        corpus = build_hybridqa(options.data, out, overwrite=True)
        end = time.perf_counter()
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        start_search = time.perf_counter()
        titles = [table.title for table in plans.tables[:1000]]
        corpus.search(titles, 3)
        searched = time.perf_counter()
        corpus.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
    print(f"pages        {len(corpus):>10,}")
    print(f"plan         {planned - start:>10.1f} s")
    print(f"pages, index {end - planned:>10.1f} s")
    print(
        f"total        {end - start:>10.1f} s  ({time.process_time() - cpu:.1f} s of processor, {os.cpu_count()} cores)"
    )
    print(f"peak RSS     {peak:>10.0f} MiB")
    print(f"on disk      {size / 2**20:>10.0f} MiB")
    print(f"1,000 title searches {searched - start_search:.2f} s")


if __name__ == "__main__":
    main()
