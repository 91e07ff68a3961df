"""Lists pairs of distinct cells that lenient scoring holds equal, so that a person can read them.

The cells are those of the HybridQA tables, as their corpus shows them. Two cells form a pair if they are in one column
of a table, or in two tables' columns of the same header and kind. Cells that differ only in kinds of dashes and quotes
are the same cell, and so are cells without digits that differ only in case, white space and final punctuation.

Each kind of column is compared as tasks compare it, but without a tolerance. A column of text whose cells are short and
mostly begin with a number is also compared as a column of numbers, because authors of tasks may choose so.

Run `python benchmarks/merged_cells.py --data FOLDER --seed 1`. With `--against FILE`, the pairs that another version
found (`--save FILE`) and this version does not find are sampled instead. The run takes about five minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path

from wideseek_env.corpus.hybridqa.reader import DataFolder, WikiTable
from wideseek_env.corpus.hybridqa.values import column_kind, is_empty
from wideseek_env.scoring.cells import cells_match
from wideseek_env.task import ColumnSpec

Pair = tuple[str, str, str, str]
"""The way of comparing, the header of the column, and two cells."""

SPECS = {
    "text": ColumnSpec(),
    "number": ColumnSpec(("number_near",), ("extract_number",), 0.0),
    "date": ColumnSpec(("date_near",), ("norm_date",), 0.0),
}
MOST_CELLS = 400
"""Cells of one column of several tables that are compared with each other. More are sampled."""

_TRIVIAL = re.compile(r"[\s\"'.,;*]+")
_MEASURE = re.compile(r"[~≈<>+−–-]?\s?[$€£¥]?\d")
_SIGNS = str.maketrans(
    {**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("‘’′", "'"), **dict.fromkeys("“”", '"'), "\xa0": " "}
)


def main() -> None:
    """Print counts and a sample of pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the data")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--sample", type=int, default=100, help="pairs to print for each way of comparing")
    parser.add_argument("--save", type=Path, help="write all pairs to this file")
    parser.add_argument("--against", type=Path, help="sample the pairs of this file that are not found now")
    options = parser.parse_args()
    tables = list(DataFolder.find(options.data).tables())
    print(f"{sum(len(t.header) * len(t.rows) for t in tables):,} cells in {len(tables):,} tables")
    pairs = sorted(set(merged_pairs(tables)))
    if options.save:
        options.save.write_text(json.dumps(pairs, ensure_ascii=False), encoding="utf-8")
    if options.against:
        earlier = {tuple(pair) for pair in json.loads(options.against.read_text(encoding="utf-8"))}
        pairs = sorted(earlier - set(pairs))
        print(f"{len(pairs):,} pairs were equal before and are not equal now")
    for way, number in sorted(Counter(pair[0] for pair in pairs).items()):
        found = [pair for pair in pairs if pair[0] == way]
        print(f"\n{way}: {number:,} pairs")
        for _, header, one, other in _sample(found, options.sample, options.seed):
            print(f"  {header[:30]!r:32} {one[:90]!r}  =  {other[:90]!r}")


def _sample(pairs: list[Pair], size: int, seed: int) -> list[Pair]:
    """`size` pairs. Headers take turns, so that one common kind of column does not fill the sample."""
    shuffled = random.Random(seed).sample(pairs, len(pairs))
    seen: Counter[str] = Counter()
    ranks: list[tuple[int, int]] = []
    for at, pair in enumerate(shuffled):
        ranks.append((seen[pair[1].lower()], at))
        seen[pair[1].lower()] += 1
    return [shuffled[at] for _, at in sorted(ranks)[:size]]


def merged_pairs(tables: Iterable[WikiTable]) -> Iterator[Pair]:
    """The pairs of distinct cells of a column that the lenient comparison holds equal."""
    columns: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table in tables:
        for at, header in enumerate(table.header):
            cells = {row[at].text for row in table.rows}
            filled = [cell for cell in cells if not is_empty(cell)]
            kind = column_kind(filled) if filled else "text"
            columns[header.strip().lower(), "text" if kind == "year" else kind] |= cells
            yield from _pairs_of(header, "text" if kind == "year" else kind, sorted(cells))
    for (header, kind), cells in sorted(columns.items()):
        kept = sorted(cells)
        if len(kept) > MOST_CELLS:
            kept = sorted(random.Random(header).sample(kept, MOST_CELLS))
        yield from _pairs_of(header, kind, kept)


def _pairs_of(header: str, kind: str, cells: list[str]) -> Iterator[Pair]:
    ways = ("text", "number") if kind == "text" and _is_measured(cells) else (kind,)
    for way in ways:
        spec = SPECS[way]
        with_digits = [cell for cell in cells if any(map(str.isdigit, cell))] if way != "text" else cells
        for group in _groups(with_digits, way):
            for one, other in combinations(group, 2):
                if cells_match(one, other, spec) and _bare(one) != _bare(other):
                    yield way, header, one, other


def _is_measured(cells: list[str]) -> bool:
    filled = [cell for cell in cells if not is_empty(cell)]
    short = [
        cell for cell in filled if sum(map(str.isalpha, cell)) <= 10 and _MEASURE.match(cell) is not None
    ]
    return len(short) > 0.9 * len(filled)


def _groups(cells: list[str], way: str) -> Iterator[list[str]]:
    """Cells that may be equal: all cells of a small column. In a large column of text, only texts with digits and
    texts with the same letters, because comparing all pairs takes too long."""
    if way != "text" or len(cells) <= 60:
        yield cells
        return
    yield [cell for cell in cells if any(map(str.isdigit, cell))]
    groups: dict[str, list[str]] = defaultdict(list)
    key: Callable[[str], str] = lambda cell: "".join(filter(str.isalnum, cell.casefold()))  # noqa: E731
    for cell in cells:
        groups[key(cell)].append(cell)
    yield from groups.values()


def _bare(cell: str) -> str:
    """`cell` without what nobody would hold to be a difference."""
    text = " ".join(cell.translate(_SIGNS).split())
    return text if any(map(str.isdigit, text)) else _TRIVIAL.sub("", text).casefold()


if __name__ == "__main__":
    main()
