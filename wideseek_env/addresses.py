"""Keys in the addresses of services: where they are, and how an address is shown without them.

An address is shown in the name of a corpus, in records, logs and errors. So a service's key belongs into a header. A
key as a parameter is refused. A part of the path may look like a key without being one, so it is only not shown.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

_NAMES = frozenset(
    (
        *(
            "k",
            "key",
            "keys",
            "ak",
            "apikey",
            "appkey",
            "appid",
            "accesskey",
            "accesskeyid",
            "authkey",
            "userkey",
        ),
        *("subscriptionkey", "ocpapimsubscriptionkey", "clientkey", "secretkey", "privatekey", "licensekey"),
        *(
            "sig",
            "sign",
            "signature",
            "hmac",
            "mac",
            "sas",
            "jwt",
            "token",
            "tok",
            "accesstoken",
            "authtoken",
        ),
        *("refreshtoken", "idtoken", "sessiontoken", "usertoken", "apitoken", "auth", "oauth", "oauthtoken"),
        *(
            "authorization",
            "authorisation",
            "bearer",
            "credential",
            "credentials",
            "creds",
            "secret",
            "apisecret",
        ),
        *(
            "appsecret",
            "clientsecret",
            "pwd",
            "pw",
            "pass",
            "passwd",
            "password",
            "passphrase",
            "passcode",
            "pin",
        ),
        *(
            "session",
            "sessionid",
            "sid",
            "jsessionid",
            "phpsessid",
            "cookie",
            "otp",
            "login",
            "securitytoken",
        ),
    )
)
_WORDS = frozenset(
    "key apikey token secret password passwd pwd signature sig credential credentials auth cookie jwt".split()
)
_HARMLESS = re.compile(r"|[0-9]{1,4}|true|false|yes|no|\{\w*\}|<\w*>|\$\w+|\$\{\w+\}", re.IGNORECASE)
_COMMON = frozenset(
    ("k", "ak", "keys", "mac", "sas", "sign", "tok", "pin", "pass", "session", "sid", "login")
)
"""Names of keys in addresses that are also names of other options."""
_NO_KEYS = frozenset(
    "stop pad eos bos sep mask unk cls start end begin special max min think answer first last".split()
)
"""Words before ``token`` or ``key`` in names of options that hold no key."""
_BLOT = re.compile(r"\[key-[0-9a-f]{6}\]")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PREFIX = re.compile(
    r"(?:sk|pk|rk|tvly|jina|hf|gh[pousr]|github_pat|glpat|xox[abprs]|pplx|gsk|xai|key|exa)[-_][A-Za-z0-9_-]{8,}"
    r"|(?:AKIA|ASIA|AIza|eyJ|ya29\.|SG\.)[A-Za-z0-9._-]{10,}"
)
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]+")
_MIXED = re.compile(r"(?<=[a-zA-Z])(?=[0-9])|(?<=[0-9])(?=[a-zA-Z])")
_RISE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ADDRESS = re.compile(r"(?:([a-zA-Z][a-zA-Z0-9+.-]*:)?//)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_PIECES = re.compile(r"([/;:,=&|!@$()]+)")


def looks_like_token(text: str) -> bool:
    """Whether `text` has the form of a key: long, with letters and digits mixed, or with a known beginning. A UUID is
    none."""
    text = unquote(text)
    if _PREFIX.match(text):
        return True
    if _UUID.fullmatch(text) or not _TOKEN.fullmatch(text):
        return False
    signs = sum(sign.isalnum() for sign in text)
    mixed, rises = len(_MIXED.findall(text)), len(_RISE.findall(text))
    if signs < 12:
        return False
    if mixed >= (4 if signs < 20 else 3):
        return True
    if signs >= 24 and text.isdecimal():
        return True
    return signs >= 20 and ((mixed >= 1 and mixed + rises >= 4) or 5 * rises >= signs)


def has_key_form(text: str) -> bool:
    """Whether `text` begins like a key of a known service, such as ``sk-…`` or ``ghp_…``."""
    return _PREFIX.match(text) is not None


def is_key_name(name: str) -> bool:
    """Whether an option, a header or an environment variable with this name may hold a key, such as ``api_key``.

    A name such as ``api_key_env`` or ``stop_token`` holds none.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or (len(words) > 1 and words[-2] in _NO_KEYS):
        return False
    return words[-1] in _WORDS or "".join(words) in _NAMES - _COMMON


def key_place(address: str) -> str:
    """Where `address` has a key: ``the parameter sig``, ``the fragment`` or ``the user name``. "" for nowhere.

    A parameter has a key if its name is one of a list, or if its value has the form of a key. A small number and a
    placeholder are no keys.
    """
    _, place, path, query, fragment = _parts(address)
    if "@" in place:
        return "the user name"
    for piece in re.split("[;/]", path):
        name, equals, value = piece.partition("=")
        if equals and _is_key(name, value):
            return f"the parameter {_told(name)}"
    for piece in re.split("[&;]", query[1:]):
        name, equals, value = piece.partition("=")
        if _is_key(name, value) if equals else looks_like_token(name):
            return f"the parameter {_told(name)}"
    for piece in re.split("[&;/?!]", fragment[1:]):
        name, equals, value = piece.partition("=")
        if _is_key(name, value) if equals else looks_like_token(name):
            return "the fragment"
    return ""


def without_keys(address: str) -> str:
    """`address` with `[key-1a2b3c]` in place of everything in it that may be a key.

    The six digits are a hash. So two addresses with different keys stay different. A UUID in the path counts as a key
    here, and so does the part of the path after a part such as `token`.
    """
    scheme, place, path, query, fragment = _parts(address)
    head = f"{scheme or ''}//" if "//" in address[: len(scheme or "") + 2] else ""
    user, at, host = place.rpartition("@")
    shown = f"{blot(user)}@{host}" if at else place
    return head + shown + _shown(path) + _shown(query) + _shown(fragment)


def keys_in_address(address: str) -> tuple[str, ...]:
    """The parts of `address` that have the form of a key, in the order in which they occur. A service may repeat them,
    so they are hidden in its answers. A UUID is not among them, because it may also be in the addresses of results."""
    _, _, path, query, fragment = _parts(address)
    pieces = [unquote(piece) for text in (path, query[1:], fragment[1:]) for piece in _PIECES.split(text)]
    return tuple(piece for piece in pieces if looks_like_token(piece))


def _parts(address: str) -> tuple[str, str, str, str, str]:
    match = _ADDRESS.fullmatch(address)
    assert match is not None  # the pattern fits every text
    scheme, place, path, query, fragment = (part or "" for part in match.groups())
    return scheme, place, path, query, fragment


def _shown(text: str) -> str:
    """A path, query or fragment without keys."""
    if not text:
        return text
    first = text[0] if text[0] in "?#" else ""
    pieces = _PIECES.split(text[len(first) :])
    shown = list(pieces)
    for at in range(0, len(pieces), 2):
        piece = pieces[at]
        after, name = (pieces[at - 1], pieces[at - 2]) if at else ("", "")
        named = (after == "=" and _is_key(name, piece)) or (
            after in ("/", ":") and name.lower() in _WORDS and not _HARMLESS.fullmatch(piece)
        )
        if piece and (named or _UUID.fullmatch(piece) or looks_like_token(piece)):
            shown[at] = blot(piece)
    return first + "".join(shown)


def _is_key(name: str, value: str) -> bool:
    value = unquote(value).strip()
    if _HARMLESS.fullmatch(value):
        return False
    name = unquote(name)
    words = [word.lower() for word in _WORD.findall(name)]
    return "".join(words) in _NAMES or not _WORDS.isdisjoint(words) or looks_like_token(value)


def _told(name: str) -> str:
    """The name of a parameter for a message."""
    return "without a name" if looks_like_token(name) or len(name) > 40 or not name.isprintable() else name


def blot(text: str) -> str:
    """What is shown instead of a key. The six digits are a hash, so different keys stay different."""
    if _BLOT.fullmatch(text):
        return text
    return f"[key-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}]"
