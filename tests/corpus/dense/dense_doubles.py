"""An embedder and documents for tests, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from wideseek_env.corpus.dense import Embedder
from wideseek_env.corpus.dense.base import Vectors
from wideseek_env.corpus.words import words

SYNONYMS = {"vessel": "ship", "boat": "ship", "automobile": "car", "vehicle": "car", "lofty": "mountain"}
"""What the embedder knows of the language: these words mean the same."""


class WordEmbedder:
    """A text is the sum of its words' random directions, synonyms sharing one."""

    def __init__(self, dimension: int = 64, name: str = "words") -> None:
        self.dimension, self.name = dimension, name
        self.asked: list[tuple[list[str], bool]] = []

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        self.asked.append((list(texts), query))
        out = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in words(text):
                seed = crc32(SYNONYMS.get(word, word).encode())
                out[row] += np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)
        return out


DOCUMENTS = [
    ("https://w.example/ferry", "Ferry", "A ship that carries cars over the fjord."),
    ("https://w.example/peak", "Galdhøpiggen", "The highest mountain of Norway."),
    ("https://w.example/saloon", "Saloon", "A car with four doors and a boot."),
    ("https://w.example/oslo", "Oslo", "The capital of Norway, a harbour of many ferries."),
    ("https://w.example/empty", "", ""),
]


def embedder() -> Embedder:
    return WordEmbedder()
