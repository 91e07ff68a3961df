"""Users' documents as pages: JSON Lines, or a folder of HTML, Markdown and text files."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from wideseek_env.corpus.stored import SourcePage
from wideseek_env.errors import CorpusError
from wideseek_env.files import open_bytes
from wideseek_env.pages.from_markdown import markdown_to_html, text_to_html
from wideseek_env.pages.text import plain_text

LOCAL = "https://local.example/"
"""The beginning of the URLs of a folder's files. The domain is reserved and does not exist."""

_HTML = frozenset((".html", ".htm", ".xhtml"))
_MARKDOWN = frozenset((".md", ".markdown"))
_TEXT = frozenset((".txt", ".text"))
_CONTENTS = ("html", "markdown", "text")


def pages_from_jsonl(path: Path | str) -> Iterator[SourcePage]:
    """One page per line: an object with `url`, one of `html`, `markdown` or `text`, and optionally a `title`.

    The file is UTF-8, and gzip-compressed when its name ends in `.gz`. Blank lines are skipped.

    Raises:
        CorpusError: A line has another form, or the file cannot be read. The message names file and line.
    """
    path = Path(path)
    number = 0
    try:
        with open_bytes(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _page_of(line, f"{path}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}, after line {number}" if number else str(path)
        raise CorpusError(f"cannot read {where}: {error}") from error


def pages_from_folder(path: Path | str) -> Iterator[SourcePage]:
    """Every HTML, Markdown and text file below `path`, in the order of their names.

    The character set is detected from a declaration in the file, or else from its bytes. The URL of a file is
    `https://local.example/` and its path below the folder. Its title is the title in the file, or else its name. Hidden
    files and other kinds of files are skipped.

    Raises:
        CorpusError: There is no such folder, it has nothing to read, or a file cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder")
    found = 0
    for file in sorted(folder.rglob("*"), key=lambda file: file.relative_to(folder).as_posix()):
        relative = file.relative_to(folder)
        kind = file.suffix.lower()
        if kind not in _HTML | _MARKDOWN | _TEXT or any(part.startswith(".") for part in relative.parts):
            continue
        if file.is_file():
            found += 1
            yield _page_from_file(file, LOCAL + quote(relative.as_posix(), errors="surrogateescape"))
    if not found:
        raise CorpusError(f"{folder} holds no .html, .md or .txt files")


def _page_of(line: bytes, where: str) -> SourcePage:
    try:
        record: Any = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: not JSON in UTF-8 ({error})") from None
    if not isinstance(record, dict):
        raise CorpusError(f"{where}: a line must be an object, not {type(record).__name__}")
    for field in ("url", "title", *_CONTENTS):
        if not isinstance(record.get(field) or "", str):
            raise CorpusError(f"{where}: {field!r} must be a string, not {type(record[field]).__name__}")
    if not (record.get("url") or "").strip():
        raise CorpusError(f"{where}: there is no 'url'; every page needs one")
    given = [field for field in _CONTENTS if record.get(field) is not None]
    if not given:
        raise CorpusError(f"{where}: there is none of 'html', 'markdown' and 'text'; a page needs one")
    # If a page has HTML and text, the index searches the text, because its author wrote it for that.
    extra = record.get("text") if given[0] == "html" else None
    return _source_page(record["url"].strip(), record.get("title") or "", given[0], record[given[0]], extra)


def _page_from_file(file: Path, url: str) -> SourcePage:
    try:
        content = _decode(file.read_bytes())
    except OSError as error:
        raise CorpusError(f"cannot read {file}: {error}") from error
    kind = file.suffix.lower()
    name = "html" if kind in _HTML else "markdown" if kind in _MARKDOWN else "text"
    return _source_page(url, "", name, content, None)


def _source_page(url: str, title: str, kind: str, content: str, text: str | None) -> SourcePage:
    if kind == "text":
        title = title or _name(url)
        return SourcePage(url, title, text_to_html(content, title), content)
    html = content if kind == "html" else markdown_to_html(content, title)
    return SourcePage(url, title or plain_text(html)[0] or _name(url), html, text)


def _name(url: str) -> str:
    """The last part of a URL's path, as a title."""
    name = unquote(url.partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2])
    stem, dot, ending = name.rpartition(".")
    bare = stem if dot and f".{ending.lower()}" in _HTML | _MARKDOWN | _TEXT else name
    return " ".join(bare.replace("_", " ").split()) or url


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from bs4.dammit import UnicodeDammit

        return UnicodeDammit(data, is_html=True).unicode_markup or data.decode("utf-8", "replace")
