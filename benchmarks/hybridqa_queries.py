"""Documents and queries for the search benchmarks: HybridQA's passages, and its table rows with known answers.

A query is the text of the first linked cell of a table row and one header of that table. The right answer is the page
that the cell links to. The data are read from `WIDESEEK_DATA` or `../shared/data`.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from wideseek_env.corpus import SearchHit

Passages = list[tuple[str, str, str]]
"""(url, title, text)"""

Asked = list[tuple[str, str]]
"""(query, URL of the right page)"""


def folder() -> Path:
    """The folder of the data. Raises `FileNotFoundError` if it does not exist."""
    path = Path(os.environ.get("WIDESEEK_DATA") or Path(__file__).parents[2] / "shared" / "data") / "hybridqa"
    if not path.is_dir():
        raise FileNotFoundError(f"no data at {path}: set WIDESEEK_DATA")
    return path


def passages() -> Passages:
    """All 170,846 passages, in the order of the file."""
    with gzip.open(folder() / "passages.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        return [(r["url"], unquote(r["url"][6:]).replace("_", " "), r["text"]) for r in records]


def draws(known: set[str], seeds: Sequence[int], count: int = 2_000) -> list[Asked]:
    """For each seed, `count` queries whose right pages are in `known`."""
    rows = []
    with gzip.open(folder() / "tables.jsonl.gz", "rt", encoding="utf-8") as lines:
        for table in map(json.loads, lines):
            headers = [header for header, _ in table["header"]]
            for row in table["data"]:
                text, link = next(((text, links[0]) for text, links in row if links), ("", ""))
                if link in known:
                    rows.append((text, link, headers))
    found = []
    for seed in seeds:
        rng = random.Random(seed)
        drawn = rng.sample(rows, count)
        found.append([(f"{text} {rng.choice(headers)}", link) for text, link, headers in drawn])
    return found


def hits_at(k: int, found: Sequence[Sequence[str]], asked: Asked) -> float:
    """The share of queries whose right page is among the first `k` URLs found."""
    return sum(url in urls[:k] for urls, (_, url) in zip(found, asked, strict=True)) / len(asked)


def urls(found: Sequence[Sequence[SearchHit]]) -> list[list[str]]:
    """The URLs of hits, one list per query."""
    return [[hit.url for hit in hits] for hits in found]
