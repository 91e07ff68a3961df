"""The limits of a service, checked when the settings are made."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, replace

from wideseek_env.corpus.remote import KEY_VARIABLE
from wideseek_env.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The limits of a service.

    Attributes:
        key_variable: Environment variable with the API key. If it is not set, every client is served.
        require_key: Refuse to start without a key.
        default_k: Number of results per query if a request does not give a number.
        max_k: Maximum results per query.
        max_queries: Maximum queries in one request.
        max_urls: Maximum URLs in one request.
        max_query_chars: Maximum characters of a query or URL.
        max_body_bytes: Maximum bytes of a request's body.
        max_in_flight: Maximum requests in flight per worker. Further requests get status 503 and the header
            `Retry-After`.
        threads: Maximum requests that a worker processes at the same time. Each of these requests uses one thread.
        timeout: Maximum seconds for one request. A request that takes longer gets status 504.
        grace: Maximum seconds for requests in flight to finish when the service stops.
        passage_chars: Characters of a page's text in `contents` of `/retrieve`. 0 means the snippet of the search.
        page_chars: Characters of a page's Markdown in `contents` of `/access`.
        hosts: Host names and addresses that a request may be for, besides loopback ones. None means any.
        origins: Web pages (such as ``https://app.example``) that may send requests. Requests of other pages are
            refused. Programs that are no browser do not name an origin.
    """

    key_variable: str = KEY_VARIABLE
    require_key: bool = False
    default_k: int = 3
    max_k: int = 100
    max_queries: int = 256
    max_urls: int = 64
    max_query_chars: int = 8_000
    max_body_bytes: int = 1 << 20
    max_in_flight: int = 256
    threads: int = 4
    timeout: float = 30.0
    grace: float = 20.0
    passage_chars: int = 0
    page_chars: int = 200_000
    hosts: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the limits. Raises `ConfigError` if one is out of range."""
        counts = "default_k max_k max_queries max_urls max_query_chars max_body_bytes max_in_flight threads page_chars"
        for name in counts.split():
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.timeout <= 0 or self.grace < 0 or self.passage_chars < 0:
            raise ConfigError("timeout must be above 0, and grace and passage_chars must be at least 0")
        if self.default_k > self.max_k:
            raise ConfigError(f"default_k ({self.default_k}) must not exceed max_k ({self.max_k})")

    def for_address(self, host: str) -> ServeSettings:
        """These settings for a service that listens on `host`.

        A service on a loopback address answers only requests for a loopback name. Otherwise a web page could reach it
        through a host name that the page's owner points at this machine.
        """
        return replace(self, hosts=()) if self.hosts is None and is_loopback(host) else self

    def key(self) -> str | None:
        """The API key. None if the environment variable is not set.

        Raises:
            ConfigError: A key is required and the environment variable is not set.
        """
        key = os.environ.get(self.key_variable) or None
        if key is None and self.require_key:
            raise ConfigError(f"an API key is required: set the environment variable {self.key_variable}")
        return key


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
