"""Reads tables and passages from the files of the data set, in either of its two layouts.

*JSON Lines*: a folder with `tables.jsonl` and `passages.jsonl`, each optionally gzipped (`.gz`).
*OTT-QA*: the folder `data/` of github.com/wenhuchen/OTT-QA. It has one JSON file per table in `traindev_tables_tok/`. A
file with the same name in `traindev_request_tok/` has the passages that the table links to (`{"/wiki/…": text, …}`).

Tables and passages are in file order, which is the same on every machine. Each table and passage is yielded once. The
data has some tables twice, because the authors of the data crawled one article under two names.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from wideseek_env.corpus.hybridqa.text import clean_cell, clean_heading, detokenize
from wideseek_env.errors import CorpusError

SITE = "https://en.wikipedia.org"
_TABLE_FOLDER, _PASSAGE_FOLDER = "traindev_tables_tok", "traindev_request_tok"


class Cell(NamedTuple):
    """One cell: the text to display, and the paths (`/wiki/…`) of its links."""

    text: str
    links: tuple[str, ...]


class Passage(NamedTuple):
    """The introduction of a linked page, as stored (tokenised). `path` is `/wiki/…`."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class WikiTable:
    """One table of a Wikipedia article, with all of its texts ready for display.

    `uid` is the article's name and `number` the position of the table in that article, as in the ids of the data set
    (`10,000_metres_0`). `rows` are as long as `header`.
    """

    uid: str
    number: int
    title: str
    path: str
    intro: str
    section: str
    section_text: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The place of the data and its layout: `jsonl` or `ottqa`."""

    path: Path
    layout: str

    @classmethod
    def find(cls, data: Path | str) -> DataFolder:
        """Recognise the layout of `data`, or of its folder `hybridqa/` or `data/`. Raises `CorpusError` when none of
        the layouts fits."""
        root = Path(data)
        for folder in (root, root / "hybridqa", root / "data"):
            if _jsonl(folder, "tables") and _jsonl(folder, "passages"):
                return cls(folder, "jsonl")
            if (folder / _TABLE_FOLDER).is_dir() and (folder / _PASSAGE_FOLDER).is_dir():
                return cls(folder, "ottqa")
        raise CorpusError(
            f"no HybridQA data in {root}: expected tables.jsonl and passages.jsonl (or .gz), or the folders "
            f"{_TABLE_FOLDER}/ and {_PASSAGE_FOLDER}/ of the OTT-QA repository"
        )

    def signature(self) -> tuple[object, ...]:
        """A value that changes when the files change: names, sizes and times of the files to read."""
        names = ["tables", "passages"] if self.layout == "jsonl" else [_TABLE_FOLDER, _PASSAGE_FOLDER]
        paths = [(_jsonl(self.path, n) if self.layout == "jsonl" else self.path / n) for n in names]
        stats = [(p.name, p.stat()) for p in paths if p is not None]
        return (str(self.path.resolve()), *((n, s.st_size, s.st_mtime_ns) for n, s in stats))

    def tables(self) -> Iterator[WikiTable]:
        """Every table in file order. Raises `CorpusError` with file and line for a table with another layout."""
        uids: set[str] = set()
        places: set[tuple[str, int]] = set()
        for where, record in self._records("tables", _TABLE_FOLDER):
            table = _table(record, where)
            if table.uid in uids:
                raise CorpusError(f"{where}: the table {table.uid!r} occurs a second time")
            uids.add(table.uid)
            if (table.path, table.number) not in places:
                places.add((table.path, table.number))
                yield table

    def passages(self) -> Iterator[Passage]:
        """Every passage in file order. If several share a path, only the first is yielded. Raises the same errors as
        `tables`."""
        seen: set[str] = set()
        for where, record in self._records("passages", _PASSAGE_FOLDER):
            pairs = [(record.get("url"), record.get("text"))] if self.layout == "jsonl" else record.items()
            for path, text in pairs:
                if not isinstance(path, str) or not isinstance(text, str) or not path.startswith("/wiki/"):
                    raise CorpusError(f"{where}: a passage needs a url '/wiki/…' and a text, not {path!r}")
                if path not in seen:
                    seen.add(path)
                    yield Passage(path, text)

    def _records(self, name: str, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Pairs of a position (for error messages) and the JSON object at this position."""
        if self.layout == "jsonl":
            yield from _lines(_jsonl(self.path, name))
            return
        for file in sorted((self.path / folder).glob("*.json")):
            try:
                record = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
                raise CorpusError(f"{file}:{line}: not a readable JSON file ({error})") from error
            if not isinstance(record, dict):
                raise CorpusError(f"{file}:1: expected a JSON object, found {type(record).__name__}")
            if name == "tables":
                record.setdefault("uid", file.stem)
            yield f"{file}:1", record


def _jsonl(folder: Path, name: str) -> Path | None:
    found = (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz")
    return next((path for path in found if path.is_file()), None)


def _lines(path: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    assert path is not None  # `find` checked it
    number = 0
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8") as file
        ):
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise CorpusError(f"{path}:{number}: expected an object, found {type(record).__name__}")
                yield f"{path}:{number}", record
    except json.JSONDecodeError as error:
        raise CorpusError(f"{path}:{number}: not valid JSON ({error})") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{path}:{number + 1}: cannot be read ({error}); download the file again"
        ) from error


def _table(record: dict[str, Any], where: str) -> WikiTable:
    try:
        uid, title, url = record["uid"], record["title"], record["url"]
        _, _, number = uid.rpartition("_")
        path = url[url.index("/wiki/") :]
        header = tuple(clean_cell(cell[0]) for cell in record["header"])
        rows = tuple(
            tuple(Cell(clean_cell(text), tuple(links)) for text, links in row) for row in record["data"]
        )
        table = WikiTable(
            uid,
            int(number),
            title,
            path,
            detokenize(record.get("intro", "")),
            clean_heading(record.get("section_title", "")),
            detokenize(record.get("section_text", "")),
            header,
            rows,
        )
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise CorpusError(f"{where}: not a table of the documented layout ({error!r})") from error
    for index, row in enumerate(table.rows):
        if len(row) != len(table.header):
            raise CorpusError(
                f"{where}: row {index} has {len(row)} cells, but the header has {len(table.header)} columns"
            )
    return table
