"""Finds out what kind of document a body is, and decodes its text with the right character set."""

from __future__ import annotations

import codecs
import re
from typing import Literal

from wideseek_env.net.errors import FetchError

Kind = Literal["html", "markdown", "json", "text"]

_KINDS: dict[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "application/json": "json",
    "text/json": "json",
}
_MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "an archive or office document"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"\x89PNG", "an image"),
    (b"GIF8", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x7fELF", "a program"),
    (b"%!PS", "a PostScript document"),
)
_NAMES = (
    ("application/pdf", "a PDF document"),
    ("image/", "an image"),
    ("audio/", "a sound file"),
    ("video/", "a video"),
    ("font/", "a font"),
    ("application/zip", "an archive or office document"),
)
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")
_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")  # the form of a type that an agent may be told
_SAMPLE = 65_536
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# The character sets of the web. Python has further "encodings". Some interpret escapes (unicode_escape) or take
# quadratic time (punycode, idna). A page must not be able to choose such an encoding.
_CHARSETS = frozenset(
    "ascii utf-8 utf-8-sig utf-16 utf-16-le utf-16-be iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 "
    "iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16 "
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp866 cp874 cp932 cp949 cp950 koi8-r koi8-u "
    "mac-roman mac-cyrillic gb2312 gbk gb18030 big5 big5hkscs euc_jp shift_jis iso2022_jp euc_kr tis-620".split()
)
_LATIN = frozenset(
    "ascii iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-9 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16 "
    "cp1250 cp1252 cp1254 cp1257 cp1258 mac-roman".split()
)
_WESTERN = frozenset(("ascii", "iso8859-1", "cp1252", "iso8859-15"))


def kind_of(content_type: str, data: bytes) -> Kind:
    """The kind of document. Raises `FetchError` of kind "content" for a document that is not text.

    The first bytes take precedence over the header: a PDF with an HTML header is a PDF.
    """
    declared = content_type.partition(";")[0].strip().lower()
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, name in _MAGIC:
        if start.startswith(magic):
            raise _unreadable(name)
    for prefix, name in _NAMES:
        if declared.startswith(prefix) and declared != "image/svg+xml":
            raise _unreadable(name)
    if declared in _KINDS:
        return _KINDS[declared]
    if declared.endswith("+json"):
        return "json"
    if declared.startswith("text/") or declared in ("application/xml", "application/rss+xml"):
        return "html" if start[:15].lower().startswith(_HTML_STARTS) else "text"
    if declared in ("", "application/octet-stream", "unknown/unknown"):
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if start[:15].lower().startswith(_HTML_STARTS):
            return "html"
        if wide or b"\0" not in data[:1024]:
            return "text" if declared else "html"
        raise _unreadable("a binary file")
    raise _unreadable(f"of the type {declared}" if _TYPE.fullmatch(declared) else "of an unknown type")


def text_of(data: bytes, content_type: str, *, html: bool) -> str:
    """The text of a document. Its character set is taken from the byte order mark, the header, the document or a guess.

    These sources are tried in this order. A document that claims a Western character set but is valid UTF-8 is UTF-8.
    Invalid bytes are replaced.
    """
    charset = _charset(data, content_type, html)
    text = data.decode(charset, "replace")
    return text.removeprefix("\ufeff")


def _charset(data: bytes, content_type: str, html: bool) -> str:
    from bs4.dammit import EncodingDetector, UnicodeDammit

    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    sample, whole = data[:_SAMPLE], len(data) <= _SAMPLE
    declared = _known(_parameter(content_type)) or _known(
        EncodingDetector.find_declared_encoding(sample, is_html=html) or ""
    )
    if declared == "" or declared in _WESTERN:
        if _fits(sample, "utf-8", whole):
            return "utf-8"
        if declared:
            return "cp1252"  # browsers read ascii and iso-8859-1 as cp1252
    elif declared.startswith("utf-16") and html and b"<" in sample and b"\0" not in sample:
        return "utf-8"  # the declaration was readable as ASCII, so the document is not UTF-16
    elif _fits(sample, declared, whole):
        return declared
    guess = UnicodeDammit(sample, exclude_encodings=[declared] if declared else [], is_html=False)
    found = _known(guess.original_encoding or "")
    # A guess between Latin character sets is unreliable. The default of browsers is right most often.
    return "cp1252" if found in _LATIN else found or "utf-8"


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return ""
    return found if found in _CHARSETS else ""


def _parameter(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value
    return ""


def _fits(sample: bytes, charset: str, whole: bool) -> bool:
    """Whether the bytes are text in `charset`. If `whole` is False, the sample may end in the middle of a character."""
    try:
        codecs.getincrementaldecoder(charset)().decode(sample, whole)
    except ValueError:
        return False
    return True


def _unreadable(what: str) -> FetchError:
    return FetchError("content", f"This is {what}; only HTML, text, Markdown and JSON pages can be read.")
