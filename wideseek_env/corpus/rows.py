"""Reads one row of a JSONL or Parquet file: a page, or a passage of a page.

The forms of published corpora are in `docs/corpora.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from wideseek_env.corpus.sources import Passage, Skipped, SourcePage
from wideseek_env.errors import CorpusError
from wideseek_env.pages.from_markdown import markdown_to_html, text_to_html
from wideseek_env.pages.text import plain_text

LOCAL = "https://local.example/"
"""The beginning of the URLs of a folder's files. The domain is reserved and does not exist."""

CONTENTS = ("html", "markdown", "text", "contents")
IDS = ("docid", "id", "_id")
FIELDS = ("url", "title", *CONTENTS, *IDS)
"""All fields of a row that are read."""

HTML_FILES = frozenset((".html", ".htm", ".xhtml"))
MARKDOWN_FILES = frozenset((".md", ".markdown"))
TEXT_FILES = frozenset((".txt", ".text"))
EMPTY_LINES, NO_TEXT, PDFS = "empty lines", "rows without text", "PDFs"

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)
_LONGEST_FRONT = 5000
_NUMBERED = re.compile(r"(?:(.+)[_#:-])?(\d{1,15})")
_PDF = "%PDF-"


class LineBatch(NamedTuple):
    """Lines of a JSONL file. `first` is the number of the first line, from 1."""

    name: str
    first: int
    lines: list[bytes]

    def pages(self, skipped: Skipped) -> Iterator[SourcePage | Passage]:
        for number, line in enumerate(self.lines, self.first):
            where = f"{self.name}:{number}"
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                skipped.add(EMPTY_LINES, where)
                continue
            page = page_of(_decoded(line, where), where, skipped)
            if page is not None:
                yield page


class RowBatch(NamedTuple):
    """Rows of a table. `first` is the number of the first row, from 1."""

    name: str
    first: int
    rows: list[dict[str, Any]]

    def pages(self, skipped: Skipped) -> Iterator[SourcePage | Passage]:
        for number, row in enumerate(self.rows, self.first):
            page = page_of(row, f"{self.name}, row {number}", skipped)
            if page is not None:
                yield page


def _decoded(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        hint = "; the file seems to be cut off" if not line.endswith(b"\n") else ""
        raise CorpusError(f"{where}: not JSON in UTF-8 ({error}){hint}") from None


def page_of(record: Any, where: str, skipped: Skipped) -> SourcePage | Passage | None:
    """The page or passage of one row. None, counted in `skipped`, for a row that has no text or is a PDF.

    Raises:
        CorpusError: The row has another form. The message begins with `where`.
    """
    if not isinstance(record, dict):
        raise CorpusError(f"{where}: a row must be an object, not {type(record).__name__}")
    for field in ("url", "title", *CONTENTS):
        if not isinstance(record.get(field) or "", str):
            raise CorpusError(f"{where}: {field!r} must be a string, not {type(record[field]).__name__}")
    given = [field for field in CONTENTS if field in record]
    if not given:
        found = ", ".join(map(repr, list(record)[:8])) or "nothing"
        raise CorpusError(
            f"{where}: there is none of 'html', 'markdown', 'text' and 'contents', only {found}; a page needs one"
        )
    kind = next((field for field in given if (record[field] or "").strip()), "")
    if not kind:
        skipped.add(NO_TEXT, where)
        return None
    content: str = record[kind]
    if content.lstrip("\ufeff \t\r\n").startswith(_PDF):
        skipped.add(PDFS, where)
        return None
    title = (record.get("title") or "").strip()
    url = (record.get("url") or "").strip()
    if kind in ("html", "markdown"):
        url = url or _url_of_id(record)
        _check_url(url, where)
        # If a page has HTML and text, the index searches the text, because its author wrote it for that.
        return source_page(url, title, kind, content, record.get("text") if kind == "html" else None, where)
    title, content = _titled(title, content, quoted=kind == "contents")
    if not content.strip():
        skipped.add(NO_TEXT, where)
        return None
    base, number = _numbered(record)
    url = url or _page_url(record, title, base, number, joined=kind == "contents")
    _check_url(url, where)
    return Passage(url, title or name_of(url), content.strip(), number)


def _check_url(url: str, where: str) -> None:
    if not url:
        raise CorpusError(f"{where}: there is no 'url'; every page needs one, or a 'docid' or 'id'")


def _id(record: dict[str, Any]) -> str:
    for field in IDS:
        value = record.get(field)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _url_of_id(record: dict[str, Any]) -> str:
    identity = _id(record)
    return f"{LOCAL}doc/{quote(identity, safe='')}" if identity else ""


def _numbered(record: dict[str, Any]) -> tuple[str, int | None]:
    """An id such as ``123_4`` as ("123", 4), and ``123`` as ("", 123). Another id has no number."""
    match = _NUMBERED.fullmatch(_id(record))
    return (match[1] or "", int(match[2])) if match else ("", None)


def _page_url(record: dict[str, Any], title: str, base: str, number: int | None, *, joined: bool) -> str:
    """The URL of the page of a row without URL.

    Rows with numbered ids and one title are passages of one page, if the number counts within a document (``123_0``),
    or if `joined` is True, as in the passages of Wikipedia. Any other row is a page.
    """
    identity = _id(record)
    if title and ((number is not None and (base or joined)) or (joined and not identity)):
        path = (base, title) if base else (title,)
        return f"{LOCAL}page/{'/'.join(quote(part.replace(' ', '_'), safe='') for part in path)}"
    return _url_of_id(record)


def _titled(title: str, text: str, *, quoted: bool) -> tuple[str, str]:
    """The title of a page and its text without the part at its beginning that only has the title."""
    if text.startswith("---") and (front := _FRONT.match(text, 0, _LONGEST_FRONT)) is not None:
        found = _TITLE.search(front[1])
        return title or (found[1].strip().strip("\"'") if found else ""), text[front.end() :]
    first, line_break, rest = text.partition("\n")
    first = first.strip()
    if quoted and line_break and len(first) > 2 and first[0] == first[-1] == '"':
        return title or first[1:-1].replace('""', '"').strip(), rest
    return title, text


def source_page(url: str, title: str, kind: str, content: str, text: str | None, where: str) -> SourcePage:
    """A page from its content. `kind` is html, markdown or text."""
    if kind == "text":
        title = title or name_of(url)
        return SourcePage(url, title, text_to_html(content, title), content, where)
    html = content if kind == "html" else markdown_to_html(content, title)
    return SourcePage(url, title or plain_text(html)[0] or name_of(url), html, text, where)


def name_of(url: str) -> str:
    """The last part of a URL's path, as a title."""
    name = unquote(url.partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2])
    stem, dot, ending = name.rpartition(".")
    bare = stem if dot and f".{ending.lower()}" in HTML_FILES | MARKDOWN_FILES | TEXT_FILES else name
    return " ".join(bare.replace("_", " ").split()) or url
