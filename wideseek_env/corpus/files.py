"""Users' documents as pages: JSON Lines, or a folder of HTML, Markdown and text files."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
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
_CONTENTS = ("html", "markdown", "text", "contents")
_IDS = ("docid", "id", "_id")
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)
_LONGEST_FRONT = 5000


def pages_from_jsonl(path: Path | str) -> Iterator[SourcePage]:
    """One page per line: an object with `url`, optionally a `title`, and `html`, `markdown`, `text` or `contents`.

    Corpora of benchmarks have the same form. `contents` is text that may begin with the title in quotation marks on a
    separate line, as in ``{"id", "url", "contents"}``. Consecutive lines with `contents` and the same URL are passages
    of one page. A text may begin with a block of properties between lines of ``---``, as in BrowseComp-Plus's
    ``{"docid", "text", "url"}``, and the title is then taken from it. A line without `url` gets one made of its `docid`
    or `id`.

    The file is UTF-8, and gzip-compressed when its name ends in `.gz`. Blank lines are skipped.

    Raises:
        CorpusError: A line has another form, or the file cannot be read. The message names file and line.
    """
    path = Path(path)
    number = 0
    waiting: _Row | None = None
    try:
        with open_bytes(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    page = _page_of(line, f"{path}:{number}")
                    if waiting is not None and page.is_passage and page.url == waiting.url:
                        waiting = waiting._replace(content=f"{waiting.content}\n\n{page.content}")
                        continue
                    if waiting is not None:
                        yield waiting.page()
                    waiting = page
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}, after line {number}" if number else str(path)
        raise CorpusError(f"cannot read {where}: {error}") from error
    if waiting is None:
        raise CorpusError(f"{path} holds no pages; check that the file is complete")
    yield waiting.page()


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


class _Row(NamedTuple):
    """The page of one line of JSON."""

    url: str
    title: str
    kind: str
    content: str
    text: str | None = None

    @property
    def is_passage(self) -> bool:
        """Whether the page may have further lines."""
        return self.kind == "contents"

    def page(self) -> SourcePage:
        """The page as a corpus stores it."""
        kind = "text" if self.is_passage else self.kind
        return _source_page(self.url, self.title, kind, self.content, self.text)


def _page_of(line: bytes, where: str) -> _Row:
    try:
        record: Any = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: not JSON in UTF-8 ({error})") from None
    if not isinstance(record, dict):
        raise CorpusError(f"{where}: a line must be an object, not {type(record).__name__}")
    for field in ("url", "title", *_CONTENTS):
        if not isinstance(record.get(field) or "", str):
            raise CorpusError(f"{where}: {field!r} must be a string, not {type(record[field]).__name__}")
    given = [field for field in _CONTENTS if record.get(field) is not None]
    if not given:
        raise CorpusError(
            f"{where}: there is none of 'html', 'markdown', 'text' and 'contents'; a page needs one"
        )
    url = (record.get("url") or "").strip() or _url_of_id(record)
    if not url:
        raise CorpusError(f"{where}: there is no 'url'; every page needs one, or a 'docid' or 'id'")
    title, kind, content = record.get("title") or "", given[0], record[given[0]]
    if kind in ("text", "contents"):
        title, content = _titled(title, content, quoted=kind == "contents")
    # If a page has HTML and text, the index searches the text, because its author wrote it for that.
    return _Row(url, title, kind, content, record.get("text") if kind == "html" else None)


def _url_of_id(record: dict[str, Any]) -> str:
    for field in _IDS:
        value = record.get(field)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return f"{LOCAL}doc/{quote(str(value).strip(), safe='')}"
    return ""


def _titled(title: str, text: str, *, quoted: bool) -> tuple[str, str]:
    """The title of a page and its text without the part at its beginning that only has the title."""
    if text.startswith("---") and (front := _FRONT.match(text, 0, _LONGEST_FRONT)) is not None:
        found = _TITLE.search(front[1])
        return title or (found[1].strip().strip("\"'") if found else ""), text[front.end() :]
    first, line_break, rest = text.partition("\n")
    if quoted and line_break and len(first) > 2 and first[0] == first[-1] == '"':
        return title or first[1:-1].replace('""', '"'), rest
    return title, text


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
