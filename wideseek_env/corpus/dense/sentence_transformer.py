"""`SentenceTransformerEmbedder`: makes vectors with a sentence-transformers model in a local folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from wideseek_env.corpus.dense.base import DTYPES, Vectors, fingerprint
from wideseek_env.errors import ConfigError, MissingDependencyError, extra_hint


class SentenceTransformerEmbedder:
    """A sentence-transformers model from a local folder. This class needs the extra `dense`.

    The model is loaded when it is first used. A pickle of the embedder has only its path and settings.

    Args:
        path: The folder of the model.
        query_prompt: The text that precedes a query ("query: " for the E5 models).
        passage_prompt: The text that precedes a passage ("passage: " for the E5 models).
        batch_size: The number of texts in one batch.
        max_tokens: The most tokens of a text that the model reads. None means the model's own limit.
        device: "cpu", "cuda", …. With None, an accelerator is used when there is one.
        dtype: The precision of the weights: "float32", "bfloat16" or "float16". Half precision is two to four times as
            fast on processors and accelerators that support it.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        query_prompt: str = "",
        passage_prompt: str = "",
        batch_size: int = 32,
        max_tokens: int | None = None,
        device: str | None = None,
        dtype: str = "float32",
    ) -> None:
        self.path = Path(path).absolute()
        if not (self.path / "modules.json").is_file():
            raise ConfigError(f"{path} is not a sentence-transformers model: it has no modules.json")
        if batch_size < 1 or (max_tokens is not None and max_tokens < 1):
            raise ConfigError("batch_size and max_tokens must be at least 1")
        if dtype not in DTYPES:
            raise ConfigError(f"no dtype {dtype!r}; there are: {', '.join(DTYPES)}")
        self.settings: dict[str, Any] = {
            "query_prompt": query_prompt,
            "passage_prompt": passage_prompt,
            "batch_size": batch_size,
            "max_tokens": max_tokens,
            "device": device,
            "dtype": dtype,
        }
        self._query_prompt, self._passage_prompt = query_prompt, passage_prompt
        self._batch_size, self._max_tokens, self._device, self._dtype = batch_size, max_tokens, device, dtype
        marks = json.dumps([query_prompt, passage_prompt, max_tokens, dtype])
        self.name = f"sentence-transformers:{fingerprint(self.path, marks)}"
        self._loaded: Any = None

    @property
    def dimension(self) -> int:
        """The length of a vector. This loads the model."""
        return int(self._model().get_embedding_dimension())

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """float32 vectors of shape (len(texts), dimension)."""
        prompt = self._query_prompt if query else self._passage_prompt
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        vectors = self._model().encode(
            [prompt + text for text in texts], batch_size=self._batch_size, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def _model(self) -> Any:
        if self._loaded is None:
            try:
                library = import_module("sentence_transformers")
            except ImportError as error:
                raise MissingDependencyError(
                    f"the model {self.path} needs sentence-transformers ({error}); {extra_hint('dense')}"
                ) from None
            self._loaded = library.SentenceTransformer(
                str(self.path),
                device=self._device,
                local_files_only=True,
                model_kwargs={"dtype": self._dtype},
            )
            if self._max_tokens is not None:
                self._loaded.max_seq_length = self._max_tokens
        return self._loaded

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.settings), (self.path,)

    def __repr__(self) -> str:
        return f"SentenceTransformerEmbedder({str(self.path)!r})"
