"""`Embedder` turns texts into vectors. `fingerprint` identifies the files of a model."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape (texts, dimension)."""

DTYPES = ("float32", "bfloat16", "float16")

_HASHED = 1 << 20  # bytes at each end of a file that its fingerprint reads


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors of one length.

    `name` identifies the model and its settings. An index can be searched only with the embedder that built it.
    """

    name: str

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """float32 vectors of shape (len(texts), dimension). The vectors need not be normalised.

        `query` is True for search queries. Many models need different marks for queries and passages. Other models
        ignore `query`.
        """
        ...


def fingerprint(folder: Path, settings: str = "") -> str:
    """Twelve hexadecimal digits that change with the model's weights, tokenizer, pooling or `settings`.

    Of a large file, only its size and both ends are read. So this is fast for a model of gigabytes too.
    """
    digest = sha256(settings.encode())
    for file in sorted(folder.rglob("*")):
        if file.suffix not in (".safetensors", ".bin", ".json", ".txt", ".npz") or not file.is_file():
            continue
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder).as_posix()} {size}\n".encode())
        with open(file, "rb") as data:
            digest.update(data.read(_HASHED))
            if size > _HASHED:
                data.seek(max(_HASHED, size - _HASHED))
                digest.update(data.read())
    return digest.hexdigest()[:12]
