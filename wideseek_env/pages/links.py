"""Makes links absolute when a page is read, and finds links in Markdown."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

_UNSAFE = re.compile(r"[\s<>|\"\\]")
_ESCAPED = {" ": "%20", "<": "%3C", ">": "%3E", "|": "%7C", '"': "%22", "\\": "%5C"}
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
# A URL may contain one level of balanced parentheses: …/Fargo_(film)
_LINK = re.compile(r"\[((?:[^\[\]]++|\[[^\[\]]*+\])*+)\]\(((?:[^()\s]++|\([^()\s]*+\))++)\)")
_LONGEST = 2_000


class Link(NamedTuple):
    """A link in a page's Markdown."""

    text: str
    url: str


def find_links(markdown: str) -> list[Link]:
    """The links of a piece of Markdown, in order."""
    return [Link(*match) for match in _LINK.findall(markdown)] if "](" in markdown else []


def strip_links(markdown: str) -> str:
    """The Markdown with every link replaced by its text."""
    return _LINK.sub(r"\1", markdown) if "](" in markdown else markdown


class Resolver:
    """Turns the hrefs of one page into absolute http(s) URLs.

    `scheme` ("https:") and `origin` ("https://host") are the prefixes of hrefs that begin with "//" and "/". Both are
    "" if the page has no http(s) URL.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        try:
            parts = urlsplit(base)
        except ValueError:
            parts = urlsplit("")
        web = parts.scheme in ("", "http", "https")
        self.scheme = f"{parts.scheme or 'https'}:" if web else ""
        self.origin = f"{parts.scheme}://{parts.netloc}" if web and parts.scheme and parts.netloc else ""

    def __call__(self, href: str | None) -> str:
        """The absolute URL, or "" if the link does not lead to another page with an http(s) URL."""
        if not href:
            return ""
        href = href.strip()
        if not href or href[0] == "#" or len(href) > _LONGEST:
            return ""
        # `urljoin` handles every link, but is slow. The fast cases here cover nearly all links.
        if href.startswith("//"):
            url = self.scheme + href
        elif href[0] == "/":
            url = self.origin + href
        elif _SCHEME.match(href):
            url = href
        else:
            url = self._join(href)
        if not url[:8].lower().startswith(("http://", "https://")):
            return ""
        if _UNSAFE.search(url):
            url = _UNSAFE.sub(lambda match: _ESCAPED.get(match.group(), ""), url)
        if url.count("(") != url.count(")"):
            url = url.replace("(", "%28").replace(")", "%29")
        return url

    def _join(self, href: str) -> str:
        try:
            return urljoin(self._base, href)
        except ValueError:
            return ""
