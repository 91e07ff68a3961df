"""`FetchError`: the reason why something could not be fetched, as a kind, an HTTP status and a sentence for the
agent."""

from __future__ import annotations

from typing import Literal, get_args

from wideseek_env.errors import CorpusError

Kind = Literal[
    "bad_url",  # not an http(s) URL, or one that programs could parse differently
    "refused",  # the address is not on the public web
    "robots",  # the site's robots.txt forbids it
    "dns",  # the host's name has no address
    "connect",  # no server answers, or the connection failed before the response
    "tls",  # the server's certificate is not valid
    "timeout",  # a time limit passed
    "protocol",  # the answer is not HTTP
    "truncated",  # the body ended early
    "too_large",  # more bytes than allowed, as sent or once unpacked
    "content",  # a kind of document or an encoding that cannot be read
    "redirects",  # too many redirects, or redirects in a circle
    "http",  # the server answered with an error status
    "busy",  # too many requests of this process to the host are waiting or in flight
    "answer",  # a search engine's or reader's response does not have its documented form
    "unrecorded",  # the recording has no answer to this request
]

_STATUS: dict[str, int] = {
    "bad_url": 400,
    "refused": 403,
    "robots": 403,
    "timeout": 504,
    "too_large": 413,
    "content": 415,
    "redirects": 508,
    "busy": 503,
    "unrecorded": 404,
}
_TRANSIENT = frozenset(("connect", "timeout", "protocol", "truncated"))
_TRANSIENT_STATUS = frozenset((408, 425, 429, 500, 502, 503, 504))


class FetchError(CorpusError):
    """A fetch that failed. `str()` gives a sentence that may be shown to a model.

    The sentence never contains a header, a key or text from the server. `status` follows HTTP. `transient` says whether
    the same request may succeed later. `retry_after` is the number of seconds that the server asks clients to wait, or
    None.
    """

    def __init__(self, kind: Kind, message: str, status: int = 0, retry_after: float | None = None) -> None:
        assert kind in get_args(Kind), kind
        super().__init__(kind, message, status, retry_after)  # all arguments, so that it can be pickled
        self.kind: Kind = kind
        self.message = message
        self.status = status or _STATUS.get(kind, 502)
        self.retry_after = retry_after
        self.transient = kind in _TRANSIENT or (kind == "http" and status in _TRANSIENT_STATUS)

    def __str__(self) -> str:
        return self.message
