"""Embedders turn texts into vectors, with a model in a local folder. Nothing is ever downloaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wideseek_env.errors import ConfigError, MissingDependencyError

Vectors = NDArray[np.float32]
"""Shape (texts, dimension)."""

DTYPES = ("float32", "bfloat16", "float16")

_HASHED = 1 << 20  # bytes at each end of a file that its fingerprint reads


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors of one length.

    `name` identifies the model and its settings. An index can be searched only with the embedder that it was built
    with.
    """

    name: str

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """float32 vectors of shape (len(texts), dimension). They may have any length. `query` is True for search
        queries.

        Many models need different marks for queries and passages. Other models ignore `query`.
        """
        ...


class SentenceTransformerEmbedder:
    """A sentence-transformers model from a local folder. It needs the extra `dense`.

    The model is loaded when it is first used. The embedder pickles as its path and settings.

    Args:
        path: The folder of the model.
        query_prompt: The text that precedes a query ("query: " for the E5 models).
        passage_prompt: The text that precedes a passage ("passage: " for the E5 models).
        batch_size: The number of texts in one batch.
        max_tokens: The tokens of a text that are read. None means the model's limit.
        device: "cpu", "cuda", …. None uses an accelerator when there is one.
        dtype: The precision of the weights: "float32", "bfloat16" or "float16". Half precision is two to four times as
            fast on processors and accelerators made for it.
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
                    f"the model {self.path} needs sentence-transformers ({error}): "
                    'pip install "wideseek-env[dense]"'
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
        return load_embedder, (self.path, self.settings)

    def __repr__(self) -> str:
        return f"SentenceTransformerEmbedder({str(self.path)!r})"


def load_embedder(path: Path | str, settings: Mapping[str, Any] | None = None) -> Embedder:
    """The embedder in a local folder. The files in the folder decide its kind.

    `settings` are the keyword arguments of its class. Without them, a sentence-transformers model gets the prompts for
    queries and passages in its configuration. Raises `ConfigError` when the folder has no model.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder} with an embedding model")
    if (folder / "modules.json").is_file():
        query, passage = _prompts(folder)
        defaults = {"query_prompt": query, "passage_prompt": passage}
        return SentenceTransformerEmbedder(folder, **{**defaults, **(settings or {})})
    if (folder / "tokenizer.json").is_file() and (folder / "model.safetensors").is_file():
        from wideseek_env.corpus.dense.static import StaticEmbedder

        return StaticEmbedder(folder, **(settings or {}))
    raise ConfigError(
        f"{folder} has no embedding model: expected modules.json (sentence-transformers), or tokenizer.json and "
        "model.safetensors (static)"
    )


def _prompts(folder: Path) -> tuple[str, str]:
    try:
        config = json.loads((folder / "config_sentence_transformers.json").read_text("utf-8"))
        prompts = config.get("prompts") or {}
        query = prompts.get("query") or ""
        passage = prompts.get("document") or prompts.get("passage") or ""
    except (OSError, ValueError, AttributeError):
        return "", ""
    return str(query), str(passage)


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
