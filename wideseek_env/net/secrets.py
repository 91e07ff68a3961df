"""API keys. They are read from the environment and sent in headers. They are never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, AnyStr, NoReturn

from wideseek_env.addresses import looks_like_token
from wideseek_env.errors import ConfigError
from wideseek_env.hiding import hide, keys_in

_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
CREDENTIAL = re.compile(r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE)
"""Matches the name of a header that contains a key."""


class Secret:
    """A secret value. The value is written into the header of a request and nowhere else.

    `str`, `repr` and formatting show where the secret is from, not its value. A secret cannot be pickled. So no
    recording or log contains the value by accident.

    Args:
        value: The value of a header, such as ``Bearer KEY``.
        source: Where the value is from, for messages.
        keys: The bare keys in `value`. A key after a scheme such as `Bearer` is found without this argument.
    """

    __slots__ = ("_value", "keys", "source")

    def __init__(self, value: str, source: str, keys: Iterable[str] = ()) -> None:
        if not value or not value.isascii() or not value.isprintable():
            raise ConfigError(f"{source} must hold printable ASCII characters without line breaks")
        self._value = value
        self.source = source
        found = {each for key in (value, *keys) for each in keys_in(key)}
        self.keys = tuple(sorted(found, key=lambda key: (-len(key), key)))
        """The texts that must not be shown: the value and the keys in it, the longest first."""

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def hide(self, text: AnyStr) -> AnyStr:
        """`text` without the keys, in whatever common form they are written (`wideseek_env.hiding`)."""
        return hide(text, self.keys)

    def __repr__(self) -> str:
        return f"Secret(from {self.source})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the secret from {self.source} cannot be pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    __hash__ = None  # type: ignore[assignment]


def secret_from_env(name: str, *, purpose: str) -> Secret:
    """The key in the environment variable `name`. Raises `ConfigError` that names the `purpose` when it is not set."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{purpose} needs a key: set the environment variable {name}")
    return Secret(value, name)


def headers_from_config(headers: Any) -> dict[str, str | Secret]:
    """Request headers from a configuration. `$NAME` in a value is replaced by that environment variable.

    Raises `ConfigError` when a header with a credential has a literal value instead of `$NAME`. A header has a
    credential if its name says so, or if its value has the form of one.
    """
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ConfigError(f"headers must be a table of texts, not {type(headers).__name__}")
    resolved: dict[str, str | Secret] = {}
    for name, value in headers.items():
        names = [first or second for first, second in _REFERENCE.findall(value)]
        if not names:
            if CREDENTIAL.search(name) or any(looks_like_token(word) for word in value.split()):
                raise ConfigError(f"the header {name} carries a key: write $NAME and set that variable")
            resolved[name] = value
            continue
        values = {n: secret_from_env(n, purpose=f"the header {name}").reveal() for n in names}
        filled = _REFERENCE.sub(lambda match, v=values: v[match[1] or match[2]], value)  # type: ignore[misc]
        resolved[name] = Secret(filled, ", ".join(names), values.values())
    return resolved


def keys_of(headers: Mapping[str, str | Secret]) -> tuple[str, ...]:
    """The keys in the headers of a request, the longest first."""
    found = {key for value in headers.values() if isinstance(value, Secret) for key in value.keys}
    return tuple(sorted(found, key=lambda key: (-len(key), key)))
