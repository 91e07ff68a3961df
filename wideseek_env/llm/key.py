"""`ApiKey`: the API key of a server. The key is read at the moment of use and is never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from wideseek_env.addresses import keys_in_address
from wideseek_env.errors import ConfigError
from wideseek_env.hiding import hide, hide_in

_QUOTED = 300
_HINTS = {
    401: "set {env} to a key that this server accepts",
    403: "the key in {env} may not use this model or address",
    404: "check the address (it usually ends in /v1) and the model's name",
    413: "send less in one request",
}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key in the environment variable `env`. The object itself does not contain it.

    `address` is the address of the service. A part of it that has the form of a key is hidden like the key.
    """

    env: str
    address: str = ""

    def read(self) -> str:
        """The key, or "" when the variable is not set. Raises `ConfigError` when an HTTP header cannot contain it."""
        key = os.environ.get(self.env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"the key in {self.env} has characters that an HTTP header cannot contain; set it again"
            )
        return key

    def hide(self, value: Any) -> Any:
        """A text, bytes or decoded JSON from the service, without the key in any common form (`wideseek_env.hiding`).

        An answer may be shown to agents and stored, so this is applied to every answer of a service that got the key.
        """
        key = os.environ.get(self.env, "").strip()
        keys = (*((key,) if key else ()), *keys_in_address(self.address))
        return hide(value, keys) if isinstance(value, bytes) else hide_in(value, keys)

    def clean(self, text: object, limit: int = _QUOTED) -> str:
        """`text` for an error message: without the key (some servers quote it), on one line, at most `limit`
        characters."""
        said = str(self.hide(str(text)))
        said = " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())
        return said if len(said) <= limit else said[:limit] + " …"

    def refusal(self, url: str, status: int, said: str) -> str:
        """The message that the server at `url` refused a request, and what to do about that status."""
        hint = _HINTS.get(status, "").format(env=self.env)
        return f"{url} refused the request with status {status}{f' ({hint})' if hint else ''}: {said}"
