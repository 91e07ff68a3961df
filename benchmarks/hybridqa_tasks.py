"""Prints statistics of the HybridQA tasks.

The statistics are the number and size of tasks, the overlap of the splits, and how well search works.

Run `python benchmarks/hybridqa_tasks.py --data FOLDER [--corpus FOLDER]`. Only the last part needs the corpus, which
`benchmarks/hybridqa_build.py --out FOLDER` builds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from statistics import mean

from wideseek_env.corpus.hybridqa import Plans, load_plans, open_hybridqa
from wideseek_env.tasks.hybridqa import SPLITS, hybridqa_tasks, split_of
from wideseek_env.tasks.hybridqa.splits import pages_of, split_tables


def main() -> None:
    """Print the tables that docs/hybridqa.md quotes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the data")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus built from the data")
    options = parser.parse_args()
    plans = load_plans(options.data)
    modes = Counter(plan.mode for plan in plans.by_uid.values())
    print(f"{len(plans.tables):,} tables; with a plan: {modes['pages']:,} pages, {modes['table']:,} table\n")
    _sizes(options.data)
    _overlap(plans)
    if options.corpus:
        _findability(options.data, options.corpus)


def _sizes(data: Path) -> None:
    print(
        f"{'split':<11}{'mode':<7}{'tasks':>6}{'rows':>7}  rows 10-11 12-15 16-19    20  columns 2     3     4     5"
    )
    for split in SPLITS:
        for mode in ("pages", "table"):
            tasks = [task for task in hybridqa_tasks(data, split) if task.meta["mode"] == mode]
            rows = [task.meta["rows"] for task in tasks]
            buckets = Counter("a" if n < 12 else "b" if n < 16 else "c" if n < 20 else "d" for n in rows)
            columns = Counter(len(task.columns) for task in tasks)
            print(
                f"{split:<11}{mode:<7}{len(tasks):>6}{mean(rows):>7.1f}      "
                + "".join(f"{buckets[b]:>6}" for b in "abcd")
                + "    "
                + "".join(f"{columns[n]:>6}" for n in (2, 3, 4, 5))
            )


def _overlap(plans: Plans) -> None:
    planned = {split: [] for split in SPLITS}  # type: ignore[var-annotated]
    for table in plans.tables:
        if table.uid in plans.by_uid:
            planned[split_of(table.title)].append(pages_of(table, plans.by_uid[table.uid]))
    pages = {split: set().union(*planned[split]) for split in SPLITS}
    kept = split_tables(plans)
    print(
        "\nby title alone: "
        + ", ".join(f"{s} {len(planned[s]):,} tables, {len(pages[s]):,} pages" for s in SPLITS)
    )
    print(f"pages in both training and test: {len(pages['train'] & pages['test']):,}")
    print("after dropping what shares a page: " + ", ".join(f"{s} {len(kept[s]):,}" for s in SPLITS))


def _findability(data: Path, path: Path) -> None:
    corpus = open_hybridqa(path)
    tasks = hybridqa_tasks(data, "test")

    def share(queries: list[str], wanted: list[str], k: int, article: bool = False) -> str:
        urls = [
            [hit.url.partition("?")[0] if article else hit.url for hit in hits]
            for hits in corpus.search(queries, k)
        ]
        return f"{sum(url in found for url, found in zip(wanted, urls, strict=True)) / len(wanted):.1%}"

    lists = [task.meta["url"] for task in tasks]
    titles = [task.meta["title"] for task in tasks]
    both = [f"{task.meta['title']} {task.meta['section']}" for task in tasks]
    print(f"\n{len(tasks)} test tasks, share found among the first 3 hits")
    print(
        f"article by title              {share(titles, [u.partition('?')[0] for u in lists], 3, article=True)}"
    )
    print(f"table by title and section    {share(both, lists, 3)}")
    print(f"table by the question's text  {share([task.question for task in tasks], lists, 3)}")
    keys = [
        (row[0], url)
        for task in hybridqa_tasks(data, "test", mode="pages")
        if task.gold is not None
        for row, url in zip(task.gold.rows, task.meta["entities"], strict=True)
    ]
    print(f"entity by its key's text      {share([key for key, _ in keys], [url for _, url in keys], 3)}")
    corpus.close()


if __name__ == "__main__":
    main()
