"""Users' documents as pages: JSON Lines, Parquet, or a folder of HTML, Markdown and text files."""

from __future__ import annotations

import glob
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from urllib.parse import quote

from wideseek_env.corpus.rows import (
    CONTENTS,
    FIELDS,
    HTML_FILES,
    LOCAL,
    MARKDOWN_FILES,
    TEXT_FILES,
    LineBatch,
    RowBatch,
    source_page,
)
from wideseek_env.corpus.sources import BATCH, Batch, Passage, Skipped, SourcePage
from wideseek_env.errors import CorpusError, MissingDependencyError, extra_hint

STDIN = "-"
"""The name of standard input as a source."""

_LINES = (".jsonl", ".jsonl.gz")
_TABLES = (".parquet",)
_DOCUMENTS = HTML_FILES | MARKDOWN_FILES | TEXT_FILES
_BLOCK = 1 << 20  # bytes of lines in a batch


class PageFiles:
    """The pages of files, in the order given. Iterate over it once.

    `skipped` counts what was left out so far. `share` is the share of the input's bytes that were read.

    Args:
        sources: Files (`.jsonl`, `.jsonl.gz`, `.parquet`, or a document), folders, patterns such as ``shards/*.jsonl``,
            or ``-`` for JSON Lines in standard input. If a folder has files of rows, these are read. Otherwise its
            HTML, Markdown and text files are read.

    Raises:
        CorpusError: A source does not exist or is of an unknown kind.
    """

    def __init__(self, *sources: Path | str) -> None:
        self.skipped = Skipped()
        self._files: list[_File] = []
        for source in sources:
            self._files.extend(self._found(str(source)))
        self._sources = [str(source) for source in sources]
        self._total = sum(file.size for file in self._files)
        self._done = 0
        self._open: Any = None

    @property
    def share(self) -> float | None:
        """The share of the input that was read, from 0 to 1. None if the size of the input is not known."""
        if any(file.path == STDIN for file in self._files) or not self._total:
            return None
        inside = 0
        if self._open is not None:
            try:
                inside = self._open.tell()
            except (OSError, ValueError):
                inside = 0
        return min(1.0, (self._done + inside) / self._total)

    def __iter__(self) -> Iterator[SourcePage | Passage]:
        for batch in self.batches():
            yield from batch.pages(self.skipped)

    def batches(self) -> Iterator[Batch]:
        """The input in batches, which other processes can turn into pages.

        Raises:
            CorpusError: A file cannot be read. The message names file and line.
        """
        for file in self._files:
            if file.kind == "lines":
                yield from self._lines(file)
            elif file.kind == "table":
                yield from self._rows(file)
            else:
                yield _FileBatch(file.root, [file.path])
            self._done += file.size
            self._open = None

    def none_found(self) -> str:
        """The error message for an input without pages."""
        what = ", ".join(self._sources)
        reason = f"; skipped: {self.skipped}" if self.skipped.counts else ""
        return f"{what} holds no pages{reason}; check that the input is complete"

    def _found(self, source: str) -> list[_File]:
        path = Path(source)
        if source == STDIN:
            return [_File("lines", STDIN, "", 0)]
        if path.is_dir():
            return self._folder(path)
        if path.is_file():
            kind = _kind(path.name)
            if not kind:
                raise CorpusError(
                    f"{path} is not a .jsonl file, a .jsonl.gz or .parquet file, or an HTML, Markdown or text file; "
                    "convert it to one of these"
                )
            return [_File(kind, str(path), str(path.parent), path.stat().st_size)]
        names = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []
        if not names:
            raise CorpusError(
                f"there is no file or folder {path}; give files, folders, a pattern such as 'shards/*.jsonl', or - for "
                "standard input"
            )
        return [file for name in names for file in self._found(name)]

    def _folder(self, folder: Path) -> list[_File]:
        found: dict[str, list[_File]] = {"lines": [], "table": [], "document": []}
        other: list[Path] = []
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
                continue
            if kind := _kind(path.name):
                found[kind].append(_File(kind, str(path), str(folder), path.stat().st_size))
            else:
                other.append(path)
        rows = found["lines"] + found["table"]
        if rows:
            other.extend(Path(file.path) for file in found["document"])
        for path in other:
            ending = path.suffix.lower()
            self.skipped.add("PDFs" if ending == ".pdf" else f"{ending or 'other'} files", str(path))
        if not rows and not found["document"]:
            raise CorpusError(f"{folder} holds no .html, .md, .txt, .jsonl or .parquet files")
        return sorted(rows, key=lambda file: file.path) if rows else found["document"]

    def _lines(self, file: _File) -> Iterator[Batch]:
        number = size = 0
        batch: list[bytes] = []
        name = "standard input" if file.path == STDIN else file.path
        try:
            with _open_lines(file.path) as (raw, lines):
                self._open = raw if file.path != STDIN else None
                for line in lines:
                    batch.append(line)
                    size += len(line)
                    if size >= _BLOCK:
                        yield LineBatch(name, number + 1, batch)
                        number, size, batch = number + len(batch), 0, []
            if batch:
                yield LineBatch(name, number + 1, batch)
        except (OSError, EOFError, zlib.error) as error:
            number += len(batch)
            where = f"{name}, after line {number}" if number else name
            raise CorpusError(f"cannot read {where}: {error}") from error
        finally:
            self._open = None

    def _rows(self, file: _File) -> Iterator[Batch]:
        parquet = _pyarrow()
        number = 0
        try:
            with open(file.path, "rb") as raw, parquet.ParquetFile(raw, pre_buffer=False) as table:
                columns = list(table.schema_arrow.names)
                if not any(name in columns for name in CONTENTS):
                    raise CorpusError(
                        f"{file.path}: its columns are {', '.join(columns)}; a page needs 'html', 'markdown', 'text' "
                        "or 'contents'"
                    )
                known = [name for name in columns if name in FIELDS]
                for batch in table.iter_batches(batch_size=BATCH, columns=known, use_threads=False):
                    self._open = raw
                    rows = batch.to_pylist()
                    yield RowBatch(file.path, number + 1, rows)
                    number += len(rows)
        except CorpusError:
            raise
        except Exception as error:  # pyarrow raises errors of many classes for a damaged file
            where = f"{file.path}, after row {number}" if number else file.path
            raise CorpusError(f"cannot read {where}: {error}") from error
        finally:
            self._open = None


class _File(NamedTuple):
    kind: str
    path: str
    root: str
    size: int


class _FileBatch(NamedTuple):
    """Documents below a folder."""

    root: str
    files: list[str]

    def pages(self, skipped: Skipped) -> Iterator[SourcePage | Passage]:
        for name in self.files:
            relative = Path(name).relative_to(self.root).as_posix()
            page = _page_from_file(Path(name), LOCAL + quote(relative, errors="surrogateescape"))
            if page is None:
                skipped.add("PDFs", name)
            else:
                yield page


def pages_from_jsonl(path: Path | str) -> PageFiles:
    """The pages and passages of a JSONL file: one row on each line.

    A row is an object with `url`, optionally a `title`, and `html`, `markdown`, `text` or `contents`. `contents` is
    text that may begin with the title in quotation marks on a separate line. Text may begin with a block of properties
    between lines of ``---``, and the title is then taken from it. A row with `text` or `contents` is a `Passage`. A row
    without `url` gets one made of its title, `docid` or `id`.

    The file is UTF-8, and gzip-compressed when its name ends in `.gz`. Empty lines, rows without text and PDFs are
    skipped, and counted in `skipped` of the result.

    Iterating raises `CorpusError` when a line has another form, or when the file cannot be read or has no page. The
    message names file and line.
    """
    return _Checked([_File("lines", str(path), "", _size(path))], [str(path)])


def pages_from_folder(path: Path | str) -> PageFiles:
    """Every HTML, Markdown and text file below `path`, in the order of their names.

    The character set is detected from a declaration in the file, or else from its bytes. The URL of a file is
    `https://local.example/` and its path below the folder. Its title is the title in the file, or else its name. Hidden
    files are ignored. Other kinds of files are skipped, and counted in `skipped` of the result.

    Raises:
        CorpusError: There is no such folder, it has nothing to read, or a file cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder")
    return PageFiles(folder)


class _Checked(PageFiles):
    """Files that are opened when they are read. An input without pages is an error."""

    def __init__(self, files: list[_File], sources: list[str]) -> None:
        super().__init__()
        self._files, self._sources = files, sources
        self._total = sum(file.size for file in files)

    def __iter__(self) -> Iterator[SourcePage | Passage]:
        empty = True
        for page in super().__iter__():
            empty = False
            yield page
        if empty:
            raise CorpusError(self.none_found())


def _size(path: Path | str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # reading it will say why


def _kind(name: str) -> str:
    lower = name.lower()
    if lower.endswith(_LINES):
        return "lines"
    if lower.endswith(_TABLES):
        return "table"
    return "document" if os.path.splitext(lower)[1] in _DOCUMENTS else ""


class _open_lines:
    """Opens a file of lines, compressed or not. Gives the file on disk, for its position, and the stream of lines."""

    def __init__(self, path: str) -> None:
        self._raw: IO[bytes] = sys.stdin.buffer if path == STDIN else open(path, "rb")  # noqa: SIM115
        packed = path.lower().endswith(".gz")
        if path == STDIN:
            packed = cast("io.BufferedReader", self._raw).peek(2)[:2] == b"\x1f\x8b"
        self._owned = path != STDIN
        self._lines: IO[bytes] = self._raw
        if packed:
            self._lines = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw))

    def __enter__(self) -> tuple[IO[bytes], IO[bytes]]:
        return self._raw, self._lines

    def __exit__(self, *error: object) -> None:
        if self._owned:
            self._raw.close()


def _pyarrow() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingDependencyError(f"Parquet files need pyarrow; {extra_hint('parquet')}") from error


def _page_from_file(file: Path, url: str) -> SourcePage | None:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {file}: {error}") from error
    if data.lstrip().startswith(b"%PDF-"):
        return None
    kind = file.suffix.lower()
    name = "html" if kind in HTML_FILES else "markdown" if kind in MARKDOWN_FILES else "text"
    return source_page(url, "", name, _decode(data), None, str(file))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from bs4.dammit import UnicodeDammit

        return UnicodeDammit(data, is_html=True).unicode_markup or data.decode("utf-8", "replace")
