"""The logic of one request to an OpenAI-compatible server: its body, its retries and its error messages. This module
does no I/O.

A transport sends the bytes and waits. There are two transports: `wideseek_env.llm.client` for threads, and the engine
for asyncio in the baselines.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from wideseek_env.addresses import without_keys
from wideseek_env.clean import outside_json
from wideseek_env.llm.key import ApiKey
from wideseek_env.llm.retry import RETRIED_STATUSES, RetryPolicy, retry_after
from wideseek_env.llm.usage import Usage
from wideseek_env.llm.wire import is_spent

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""The errors that a look-up in an answer raises if the answer has an unexpected form."""


class TransientError(Exception):
    """An attempt failed, but the same request may succeed later.

    `status` is the status of the server's answer, or None when there was no answer. `asked` is the wait in seconds that
    the server asks for. If `slow` is True, no answer arrived in time, so the server may still be working on the
    request.
    """

    def __init__(
        self, message: str, status: int | None = None, asked: float | None = None, *, slow: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.asked = asked
        self.slow = slow


class RefusedRequestError(Exception):
    """The server refused this request. The same request would be refused again.

    `said` is the text of the server's answer. `spent` is True if the account has no credit left.
    """

    def __init__(self, message: str, status: int, said: str, *, spent: bool) -> None:
        super().__init__(message)
        self.status = status
        self.said = said
        self.spent = spent


class GivenUpError(Exception):
    """All attempts of a request failed. `silent` is True if the last attempt reached no server."""

    def __init__(self, message: str, status: int | None, *, silent: bool) -> None:
        super().__init__(message)
        self.status = status
        self.silent = silent


def encode_body(body: Mapping[str, Any]) -> bytes:
    """The JSON of a request."""
    return json.dumps(body).encode()


class Exchange:
    """The attempts of one request.

    Args:
        base_url: The URL of the API. Messages show it without parts that have the form of a key.
        key: The server's key. No error message contains the key.
        retry: How many times a failed request is sent again, and after which waits.
        random: Draws the jitter of waits.
    """

    def __init__(self, base_url: str, key: ApiKey, retry: RetryPolicy, random: Random) -> None:
        self._base_url = without_keys(base_url)
        self._key = replace(key, address=base_url)
        self._retry = retry
        self._random = random
        self._failures = 0

    @property
    def sending(self) -> Usage:
        """The usage to count when the next attempt is sent, before its answer is known."""
        return Usage(requests=1, retries=1 if self._failures else 0)

    def read(
        self, status: int, headers: Mapping[str, str], content: bytes, read: Callable[[Any], T], kind: str
    ) -> T:
        """Apply `read` to the JSON of an answer, in which the key is hidden, and return its result. The error message
        calls the expected answer `kind`.

        Raises:
            TransientError: The status is temporary, or `read` fails with one of `UNREADABLE`.
            RefusedRequestError: The server refuses.
        """
        if status != 200:
            said, spent = self._quoted(content), is_spent(content)
            if status in RETRIED_STATUSES and not spent:
                raise TransientError(f"status {status}: {said}", status, retry_after(headers))
            if 300 <= status < 400:
                said = f"it redirects to {self._key.clean(headers.get('location', ''))}: use that address"
            raise RefusedRequestError(
                self._key.refusal(self._base_url, status, said), status, said, spent=spent
            )
        try:
            return read(self._key.hide(outside_json(content)))
        except UNREADABLE as error:
            raise TransientError(
                f"the reply is not a {kind} ({type(error).__name__}): {self._quoted(content)}", status
            ) from None

    def wait(self, fault: TransientError) -> float:
        """The seconds to wait before the next attempt after this failure.

        Raises:
            GivenUpError: No further attempt is allowed.
        """
        self._failures += 1
        wait = self._retry.wait(self._failures, fault.asked, self._random)
        if wait is None:
            why = f"; it asks to wait {fault.asked:.0f} s" if fault.asked else ""
            times = "once" if self._failures == 1 else f"{self._failures} times"
            raise GivenUpError(
                f"{self._base_url} failed {times}: {fault}{why}; check that the server runs, or try later",
                fault.status,
                silent=fault.status is None and not fault.slow,
            )
        _LOG.info("%s: %s; trying again in %.1f s", self._base_url, fault, wait)
        return wait

    def unreachable(self, error: object) -> TransientError:
        """The error for a connection that failed."""
        return TransientError(f"no connection ({self._key.clean(error)})")

    def late(self, seconds: float) -> TransientError:
        """The error for an answer that was not complete within this number of seconds."""
        return TransientError(f"no complete reply within {seconds:g} s", slow=True)

    def oversized(self, limit: int) -> str:
        """The message about an answer of more than `limit` bytes."""
        return f"{self._base_url} sent a reply of more than {limit} bytes"

    def unsendable(self, error: object) -> str:
        """The message about a request that cannot be sent."""
        return f"cannot send a request to {self._base_url}: {self._key.clean(error)}"

    def _quoted(self, content: bytes) -> str:
        return self._key.clean(content.decode("utf-8", "replace"))
