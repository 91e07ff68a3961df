"""Compares URLs so that agents still find a page when they write a trivial variant of its URL."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from urllib.parse import unquote

_SCHEME = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_DEFAULT_PORT = re.compile(r":(?:80|443)?$")


def url_key(url: str) -> str:
    """A form that is the same for all trivial variants of a URL. Use it to compare URLs, not to fetch pages.

    The form ignores these differences: scheme (http, https or none), letter case of the host, default port,
    percent-encoding, trailing slashes, an empty query, surrounding white space and angle brackets.
    """
    bare = url.strip().strip("<>")
    if match := _SCHEME.match(bare):
        bare = bare[match.end() :]
    host, slash, path = bare.partition("/")
    if not slash and (mark := re.search(r"[?#]", host)):
        host, path = host[: mark.start()], host[mark.start() :]
    key = _DEFAULT_PORT.sub("", host.lower()) + slash + path
    if "%" in key:
        key = unquote(key, errors="replace")
    return (key if key.isascii() else unicodedata.normalize("NFC", key)).rstrip("/?")


def lookup_keys(url: str) -> list[str]:
    """The keys under which the page of this URL may be stored: first the key of the URL, then the key without the
    fragment."""
    return list(dict.fromkeys((url_key(url), url_key(url.partition("#")[0]))))


def url_hash(url: str) -> int:
    """A 64-bit hash of a URL (or of its key), the same in every process."""
    return int.from_bytes(blake2b(url.encode("utf-8", "replace"), digest_size=8).digest(), "little")


PASSAGE = "#passage-"
"""What the address of a page's second or later passage has after the URL of the page, before its number."""

_PASSAGE = re.compile(rf"{PASSAGE}(\d{{1,9}})\s*$")


def page_of(url: str) -> str:
    """The URL of the page that has the passage with this address. Other URLs are returned unchanged."""
    return _PASSAGE.sub("", url) if PASSAGE in url else url


def row_order(url: str) -> tuple[str, int]:
    """The order of documents in an index: by URL of the page, then by number of the passage."""
    match = _PASSAGE.search(url) if PASSAGE in url else None
    return (url[: match.start()], int(match[1])) if match else (url, 1)
