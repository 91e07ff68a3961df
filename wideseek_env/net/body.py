"""Reads and decompresses the body of a response within limits. The code does not trust the size that a server
states."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from wideseek_env.net.errors import FetchError
from wideseek_env.net.limits import Limits

ACCEPTED = "gzip, deflate"
"""The encodings that are decompressed here. Both can be decompressed in pieces of limited size."""

_PIECE = 65_536


def read_body(raw: Any, encoding: str, length: str | None, limits: Limits) -> bytes:
    """The decompressed body of a response. `raw` is urllib3's response and `encoding` its Content-Encoding.

    Reading stops as soon as the body exceeds a limit. If the stated `length` is above the limit, nothing is read.
    """
    if length is not None:
        if not (length.isascii() and length.strip().isdecimal()):
            raise FetchError("protocol", "The server's answer could not be understood.")
        if int(length.strip()[:20]) > limits.body:
            raise _too_large(limits.body)
    pieces = _as_sent(raw, limits.body)
    names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
    match [name for name in names if name != "identity"]:
        case []:
            return b"".join(pieces)
        case ["gzip" | "x-gzip"]:
            return _unpacked(pieces, limits.unpacked, gzip=True)
        case ["deflate"]:
            return _unpacked(pieces, limits.unpacked, gzip=False)
        case _:
            raise FetchError("content", "The page is compressed in a way that cannot be read here.")


def _as_sent(raw: Any, most: int) -> Iterator[bytes]:
    total = 0
    # `read` and not `stream`, because `stream` reads the length of a chunk without a limit.
    while piece := raw.read(_PIECE, decode_content=False):
        total += len(piece)
        if total > most:
            raise _too_large(most)
        yield piece


def _unpacked(pieces: Iterator[bytes], most: int, *, gzip: bool) -> bytes:
    out: list[bytes] = []
    total = 0
    unpacker: Any = None
    complete = False
    for piece in pieces:
        while piece:
            if unpacker is None:
                if complete and not piece.strip(b"\0"):
                    break  # padding after the last member
                unpacker = zlib.decompressobj(_window(piece, gzip))
            try:
                data = unpacker.decompress(piece, most - total + 1)
            except zlib.error:
                if complete:
                    return b"".join(out)  # browsers also ignore bytes after a complete body
                raise FetchError("protocol", "The page arrived damaged.") from None
            out.append(data)
            total += len(data)
            if total > most:
                raise _too_large(most)
            complete = unpacker.eof
            piece = unpacker.unused_data if complete else unpacker.unconsumed_tail
            if complete:
                unpacker = None
                if not gzip:
                    return b"".join(out)
    if not complete and (out or unpacker is not None):
        raise FetchError("truncated", "The page arrived incomplete.")
    return b"".join(out)


def _window(start: bytes, gzip: bool) -> int:
    """zlib's window parameter. "deflate" means a zlib stream, but some servers send it without the header."""
    if gzip:
        return 16 + zlib.MAX_WBITS
    bare = len(start) < 2 or start[0] & 0x0F != 8 or (start[0] << 8 | start[1]) % 31
    return -zlib.MAX_WBITS if bare else zlib.MAX_WBITS


def _too_large(most: int) -> FetchError:
    return FetchError("too_large", f"The page is too large (more than {most / 1e6:g} MB).")
