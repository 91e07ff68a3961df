"""Builds the HybridQA corpus into a folder, and opens it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from wideseek_env.corpus.hybridqa.pages import article_pages, entity_page
from wideseek_env.corpus.hybridqa.plan import PLAN_VERSION, Plans, TablePlan, load_plans
from wideseek_env.corpus.hybridqa.reader import WikiTable
from wideseek_env.corpus.hybridqa.text import detokenize
from wideseek_env.corpus.stored import SourcePage, StoredCorpus
from wideseek_env.errors import IndexDamagedError
from wideseek_env.files import write_whole

RECORD = "hybridqa.json"
"""The file in the corpus folder with the mode and the columns of every table that gives a task."""


def build_hybridqa(
    data: Path | str,
    out: Path | str,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> StoredCorpus:
    """Build the corpus from a data folder into the folder `out`, and open it.

    `wideseek_env.corpus.hybridqa.reader` describes the layouts of the data folder. `progress` is called with the number
    of pages done.

    Raises:
        CorpusError: The data has an unknown layout or an unreadable line, or `out` exists and `overwrite` is False.
    """
    plans = load_plans(data)
    corpus = StoredCorpus.build(
        Path(out), hybridqa_pages(plans), name=plans.corpus_name, overwrite=overwrite, progress=progress
    )
    _record(plans, Path(out))
    return corpus


def open_hybridqa(path: Path | str) -> StoredCorpus:
    """Open a corpus that `build_hybridqa` built. Raises `IndexDamagedError` when `path` is not such a corpus or the
    corpus is incomplete.

    Its `name` is `hybridqa:` and the digest of the plans. Tasks from the same data have this name in `meta["corpus"]`.
    """
    read_record(path)
    return StoredCorpus.open(path)


def read_record(path: Path | str) -> Mapping[str, TablePlan]:
    """The plans in the corpus at `path`, for every table that gives a task, by the table's `uid`."""
    file = Path(path) / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["version"] != PLAN_VERSION:
            raise IndexDamagedError(
                f"{path} was built by another version of this package ({record['version']}, not {PLAN_VERSION}): "
                "build it again"
            )
        return {
            uid: TablePlan(
                uid, p["mode"], p["key"], tuple(p["attributes"]), tuple(p["kinds"]), tuple(p["rows"])
            )
            for uid, p in record["tables"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamagedError(
            f"{path} is not a complete HybridQA corpus ({error}): build it again"
        ) from error


def hybridqa_pages(plans: Plans) -> Iterator[SourcePage]:
    """Every page of the corpus, with unique URLs: first the entities, then the articles with their tables."""
    articles: dict[str, list[WikiTable]] = {}
    for table in plans.tables:
        articles.setdefault(table.path, []).append(table)
    passages: dict[str, str] = {}
    for path, text in plans.folder.passages():
        if path in articles:
            passages[path] = detokenize(text)
        else:
            yield entity_page(path, detokenize(text))
    for path, tables in articles.items():
        tables.sort(key=lambda table: table.number)
        yield from article_pages(tables, [plans.by_uid.get(t.uid) for t in tables], passages.get(path, ""))


def _record(plans: Plans, out: Path) -> None:
    tables = {
        uid: {
            "mode": plan.mode,
            "key": plan.key,
            "attributes": plan.attributes,
            "kinds": plan.kinds,
            "rows": plan.rows,
        }
        for uid, plan in plans.by_uid.items()
    }
    write_whole(out / RECORD, json.dumps({"version": PLAN_VERSION, "tables": tables}))
