"""Measures how much of real Wikipedia tables is kept in the Markdown of their pages, compared with other libraries.

    python benchmarks/pages_quality.py [folder with wikipages/pages.jsonl.gz] [--pages 420] [--peers]

Every library reads whole pages. The benchmark takes the tables from the output of the library. If the output is
Markdown, it parses the tables in the Markdown. On each page, the table that shares most cells with the gold CSV is
compared with the gold CSV. Before the comparison, cells are converted to Unicode NFKC, white space is collapsed, and
links become text.

The output has one row per library:

- the share of tables that equal the gold exactly;
- the share of gold cells in the right row and column;
- the F1 of cells as a multiset;
- the pages read per second, by the clock and by CPU time of one process.

For this project the output has three more results:

- the same shares if the table is chosen by its position on the page instead of by its cells;
- pages per second with two processes and with one, each the best of several rounds;
- how often `focus` with 2,000 characters keeps a gold cell.

`--peers` adds other libraries. For libraries that are missing, the output has the command that installs them.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib
import io
import json
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import turbohtml

from wideseek_env.pages import focus, strip_links, to_document

Rows = list[list[str]]
Page = dict[str, Any]
_CELL_END = re.compile(r"(?<!\\)\|")
_IMAGE = re.compile(r"!\[[^\[\]]*\]\([^()]*(?:\([^()]*\)[^()]*)*\)")
_TITLED = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*+)\]\((?:[^()\n]|\([^()\n]*\))*+\)")
_EMPHASIS = re.compile(r"(?<![\w\\])(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)")
_ESCAPE = re.compile(r"\\([^\w\s])")
ROUNDS = 5
_MARK = "the gold table follows"


class Quality(NamedTuple):
    """The quality of a library's tables, as shares from 0 to 1."""

    equal: float
    placed: float
    f1: float


def normal(cell: str) -> str:
    """A cell in the form in which cells are compared."""
    return " ".join((cell if cell.isascii() else unicodedata.normalize("NFKC", cell)).split())


def gold_of(page: Page) -> Rows:
    """The gold table, header first."""
    reader = csv.reader(io.StringIO(page["csv"]), escapechar="\\", doublequote=False)
    return [[normal(cell) for cell in row] for row in reader]


def peer_tables(markdown: str) -> list[Rows]:
    """The tables in Markdown from other libraries, without emphasis, images, link titles and escapes."""
    text = _TITLED.sub(r"\1", _TITLED.sub(r"\1", _IMAGE.sub("", markdown)))
    return [
        [[normal(_ESCAPE.sub(r"\1", _EMPHASIS.sub(r"\2", cell))) for cell in row] for row in table]
        for table in tables_of(text)
    ]


def tables_of(markdown: str) -> list[Rows]:
    """The pipe tables of a page, header first, without separator lines. Outer pipes may be missing."""
    tables: list[Rows] = []
    inside = False
    for line in markdown.split("\n"):
        if "|" not in line:
            inside = False
            continue
        line = line.strip()
        if not line.strip("|-: ") and ("---" in line or "-" not in line):
            continue  # a separator line, or nothing
        bare = line[1:] if line.startswith("|") else line
        bare = bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare
        if not inside:
            tables.append([])
            inside = True
        cells = _CELL_END.split(bare) if "\\|" in bare else bare.split("|")
        if "](" in bare or "\\|" in bare:
            cells = [strip_links(cell.replace("\\|", "|")) for cell in cells]
        tables[-1].append([normal(cell) for cell in cells])
    return tables


def f1(gold: Rows, rows: Rows) -> float:
    """F1 of the cells as a multiset."""
    a, b = Counter(c for r in gold for c in r), Counter(c for r in rows for c in r)
    return 2 * sum((a & b).values()) / max(1, sum(a.values()) + sum(b.values()))


def quality(pages: list[Page], found: list[Rows]) -> Quality:
    """The quality of one table per page, compared with the gold."""
    equal = right = cells = 0
    total = 0.0
    for page, rows in zip(pages, found, strict=True):
        gold = gold_of(page)
        total += f1(gold, rows)
        equal += rows == gold
        cells += sum(map(len, gold))
        right += sum(a == b for g, row in zip(gold, rows, strict=False) for a, b in zip(g, row, strict=False))
    return Quality(equal / len(pages), right / cells, total / len(pages))


def best(page: Page, tables: list[Rows]) -> Rows:
    """The table that shares most cells with the gold."""
    gold = gold_of(page)
    return max(tables, key=lambda rows: f1(gold, rows), default=[])


def in_its_place(page: Page) -> Rows:
    """The table at the place of the gold table, which is the `table_index`-th `table.wikitable`."""
    tree = turbohtml.parse(page["html"])
    tables = tree.select("table.wikitable")
    if page["table_index"] >= len(tables):
        return []
    tables[page["table_index"]].insert_before(turbohtml.Element("p", children=[turbohtml.Text(_MARK)]))
    markdown = to_document(tree.html, page["url"]).markdown
    return next(iter(tables_of(markdown.partition(_MARK)[2])), [])


def survives(pages: list[Page], limit: int = 2_000) -> float:
    """The share of gold cells in the page's text when it is focused on the row's first cell and the column's name."""
    kept = 0
    for page in pages:
        gold = gold_of(page)
        pick = random.Random(page["title"])
        row, column = pick.choice(gold[1:] or gold), pick.randrange(len(gold[0]))
        cell = row[column] if column < len(row) else ""
        question = f"{gold[0][column]} of {row[0]}, {page['title']}"
        text = normal(strip_links(focus(to_document(page["html"], page["url"]), question, limit)))
        kept += cell in text.replace("\\|", "|")
    return kept / len(pages)


def own(html: str) -> str:
    return to_document(html, "http://en.wikipedia.org/wiki/Page").markdown


def own_and_tables(html: str) -> list[Rows]:
    return tables_of(own(html))


def taken(tables: list[Rows]) -> list[Rows]:
    """The tables of a library that returns tables, unchanged."""
    return tables


def soup(html: str) -> list[Rows]:
    from bs4 import BeautifulSoup

    tables = BeautifulSoup(html, "lxml").find_all("table")
    return [
        [[normal(c.get_text()) for c in row.find_all(["td", "th"])] for row in table.find_all("tr")]
        for table in tables
    ]


def selectolax_naive(html: str) -> list[Rows]:
    from selectolax.lexbor import LexborHTMLParser

    return [
        [[normal(c.text()) for c in row.css("td, th")] for row in table.css("tr")]
        for table in LexborHTMLParser(html).css("table")
    ]


def pandas_tables(html: str) -> list[Rows]:
    import pandas as pd

    try:
        frames = pd.read_html(io.StringIO(html), keep_default_na=False)
    except ValueError:  # there is no table, or the library cannot read it
        return []
    joined = [
        [" ".join(dict.fromkeys(map(str, c))) if isinstance(c, tuple) else str(c) for c in frame.columns]
        for frame in frames
    ]
    return [
        [
            [normal(cell) for cell in head],
            *([normal(str(cell)) for cell in row] for row in frame.values.tolist()),
        ]
        for head, frame in zip(joined, frames, strict=True)
    ]


def trafilatura_markdown(html: str) -> str:
    import trafilatura

    return trafilatura.extract(html, output_format="markdown", include_tables=True) or ""


def markdownify_markdown(html: str) -> str:
    import markdownify

    return str(markdownify.markdownify(html))


def html2text_markdown(html: str) -> str:
    import html2text

    reader = html2text.HTML2Text(bodywidth=0)
    reader.ignore_images = True
    return str(reader.handle(html))


def turbohtml_markdown(html: str) -> str:
    style = turbohtml.Markdown
    options = style(
        images=style.Images(mode="ignore"),
        inline=style.Inline(ignore_emphasis=True),
        tables=style.Tables(cell_blocks="text"),
    )
    return turbohtml.parse(html).to_markdown(options)


def html_to_markdown(html: str) -> str:
    import html_to_markdown

    return html_to_markdown.convert(html).content or ""


Read = Callable[[str], Any]
Tables = Callable[[Any], list[Rows]]
PEERS: list[tuple[str, Read, Tables, str]] = [
    ("selectolax, cell by cell", selectolax_naive, taken, "selectolax"),
    ("beautifulsoup4 + lxml, cell by cell", soup, taken, "bs4 lxml"),
    ("pandas.read_html", pandas_tables, taken, "pandas lxml"),
    ("turbohtml.to_markdown", turbohtml_markdown, peer_tables, "turbohtml"),
    ("html-to-markdown", html_to_markdown, peer_tables, "html_to_markdown"),
    ("trafilatura", trafilatura_markdown, peer_tables, "trafilatura"),
    ("markdownify", markdownify_markdown, peer_tables, "markdownify"),
    ("html2text", html2text_markdown, peer_tables, "html2text"),
]


def measured(pages: list[Page], read: Read, tables: Tables) -> str:
    """The cells of one row of the report, without its name. The time is that of `read`."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = [read(page["html"]) for page in pages]
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    score = quality(pages, [best(page, tables(output)) for page, output in zip(pages, found, strict=True)])
    shares = " | ".join(f"{100 * share:.1f}" for share in score)
    return f"{shares} | {len(pages) / clock:.0f} | {len(pages) / cpu:.0f}"


def speed(htmls: list[str], read: Read) -> str:
    """Pages per second in the best of several rounds: with two processes by the clock, with one by CPU time."""
    together: list[float] = []
    alone: list[float] = []
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(read, htmls[:20], chunksize=10))  # starts the processes and loads modules
        for _ in range(ROUNDS):
            start = time.perf_counter()
            list(pool.map(read, htmls, chunksize=10))
            together.append(time.perf_counter() - start)
    for _ in range(ROUNDS):
        start = time.process_time()
        for html in htmls:
            read(html)
        alone.append(time.process_time() - start)
    pages = len(htmls)
    return (
        f"{pages / min(together):.0f} pages/s in two processes, {pages / min(alone):.0f} pages/CPU s in one"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--pages", type=int, default=420, help="number of pages to read")
    parser.add_argument("--peers", action="store_true", help="also measure other libraries")
    options = parser.parse_args()
    with gzip.open(options.data / "wikipages" / "pages.jsonl.gz", "rt", encoding="utf-8") as lines:
        pages: list[Page] = [json.loads(line) for line in lines][: options.pages]
    print(f"{len(pages)} pages\n")
    print(
        "| | equal % | in place % | cell F1 % | pages/s | pages/CPU s |\n| --- | --: | --: | --: | --: | --: |"
    )
    print(f"| wideseek_env | {measured(pages, own, tables_of)} |", flush=True)
    missing: list[str] = []
    for name, read, tables, packages in PEERS if options.peers else []:
        try:
            for package in packages.split():
                importlib.import_module(package)
        except ImportError:
            missing.append(packages.replace("bs4", "beautifulsoup4").replace("_", "-"))
            continue
        print(f"| {name} | {measured(pages, read, tables)} |", flush=True)
    if missing:
        print(f"\nNot installed: pip install {' '.join(missing)}")

    placed = quality(pages, [in_its_place(page) for page in pages])
    print(f"\nThe table in the gold table's place: {' / '.join(f'{100 * share:.1f}' for share in placed)}")
    htmls = [page["html"] for page in pages]
    for what, read in (("To Markdown", own), ("To Markdown, tables parsed back", own_and_tables)):
        print(f"{what}: {speed(htmls, read)}")
    print(f"Gold cells that survive focus in 2,000 characters: {survives(pages):.1%}")


if __name__ == "__main__":
    main()
