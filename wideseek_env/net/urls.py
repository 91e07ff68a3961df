"""Parses a URL strictly. If two programs could parse a URL differently, it is refused.

Attacks with URLs work when the program that checks a URL and the program that fetches it find different hosts in it.
This package parses every URL with this module only. The part between `//` and the path must be a plain host and port.
User names, backslashes, white space, percent signs, look-alike characters and unusual forms of IP addresses are errors.
In the path and the query, characters that must be percent-encoded are encoded.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import quote, urljoin

from wideseek_env.net.errors import FetchError

LONGEST = 4096
"""The most characters of a URL."""

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_BARE = re.compile(r"(?:[a-zA-Z0-9-]+\.)+[a-zA-Z]{2,24}(?=[/?#]|$)")  # example.org/page, which models write
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DOTS = re.compile("[\u3002\uff0e\uff61\u2024\ufe52]")
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?"


class WebUrl(NamedTuple):
    """A URL in the form in which it is requested. `text` has no fragment and is ASCII. `host` is in lower case, without
    brackets."""

    text: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """The scheme, host and port. After a redirect, a secret may be sent only to the same origin."""
        return self.scheme, self.host, self.port


def parse_url(url: str) -> WebUrl:
    """Parse `url`. Raises `FetchError` of kind "bad_url" that says what is wrong with it.

    If the scheme is missing and the rest looks like a domain, the scheme is https. The fragment is dropped.
    """
    text = url.strip(" \t\r\n").removeprefix("<").removesuffix(">")
    if len(text) > LONGEST:
        raise _bad(f"it has more than {LONGEST} characters")
    if _CONTROL.search(text):
        raise _bad("it contains control characters")
    if text.startswith("//"):
        text = f"https:{text}"
    elif not _SCHEME.match(text) and _BARE.match(text):
        text = f"https://{text}"
    match = _URL.fullmatch(text)
    if match is None:
        raise _bad("only complete http:// and https:// addresses can be opened")
    scheme, authority, path, query = match.groups()
    scheme = scheme.lower()
    host, port = _host_and_port(authority)
    port = port or _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    if port != _PORTS[scheme]:
        shown += f":{port}"
    path = quote(path or "/", safe=_PATH_SAFE)
    query = "?" + quote(query[1:], safe=_QUERY_SAFE) if query else ""
    return WebUrl(f"{scheme}://{shown}{path}{query}", scheme, host, port)


def join_url(base: WebUrl, location: str) -> WebUrl:
    """The URL that a redirect from `base` leads to."""
    location = location.strip(" \t\r\n")
    # urljoin silently drops tabs and line breaks and parses backslashes differently.
    if _CONTROL.search(location) or "\\" in location.partition("?")[0]:
        raise _bad("a redirect leads to a malformed address")
    if len(location) > LONGEST:
        raise _bad("a redirect leads to an address that is too long")
    try:
        return parse_url(urljoin(base.text, location))
    except ValueError:
        raise _bad("a redirect leads to a malformed address") from None


def _host_and_port(authority: str) -> tuple[str, int]:
    if "@" in authority:
        raise _bad("it contains a user name or password")
    if not authority:
        raise _bad("it has no host")
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _bad("its host is malformed")
        try:
            if "%" in literal or "%" in rest:
                raise ValueError
            return str(ipaddress.IPv6Address(literal)), _port(rest[1:]) if rest else 0
        except ValueError:
            raise _bad("its host is malformed") from None
    host, colon, port = authority.partition(":")
    return _host(host), _port(port) if colon else 0


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise _bad("its port is malformed")
    return int(text)


def _host(host: str) -> str:
    if not host.isascii():
        host = _ascii_host(host)
    host = host.lower()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad("its host is malformed")
    # Some programs read a name that ends in a number as an address. So such a name must be a plain IPv4 address.
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise _bad("its host is a number in a spelling that is not accepted") from None
    return host


def _ascii_host(host: str) -> str:
    """An international name in its ASCII form. A name with look-alikes of ASCII letters, digits or dots is refused."""
    import idna  # installed with requests

    if _DOTS.search(host) or unicodedata.normalize("NFKC", host) != unicodedata.normalize("NFC", host):
        raise _bad("its host contains look-alike characters")
    try:
        return idna.encode(unicodedata.normalize("NFC", host.lower()), uts46=False, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise _bad("its host is not a valid international name") from None


def _bad(why: str) -> FetchError:
    return FetchError("bad_url", f"This address cannot be opened: {why}.")
