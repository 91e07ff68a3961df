"""`StaticEmbedder`: the vector of a text is the mean of its tokens' vectors. This is very fast, because no neural
network runs.

The embedder reads folders of model2vec (github.com/MinishLab/model2vec). Such a folder has the files `tokenizer.json`,
`config.json` and `model.safetensors`. The tensor `embeddings` has the vectors. Some models also have `weights` of the
tokens and a `mapping` from tokens to rows. `distill` makes such a folder from a sentence-transformers model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wideseek_env.corpus.dense.base import Vectors, fingerprint
from wideseek_env.errors import ConfigError, MissingDependencyError, extra_hint

_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
_MAX_TOKENS = 512
_BATCH = 1024


class StaticEmbedder:
    """The static model in a local folder. This class needs the package `tokenizers`, part of the extra `dense`.

    Only the first `max_tokens` tokens of a text are used. A pickle of the embedder contains only its arguments.
    """

    def __init__(self, path: Path | str, *, max_tokens: int = _MAX_TOKENS) -> None:
        self.path = Path(path).absolute()
        self._max_tokens = max_tokens
        self.settings: dict[str, Any] = {"max_tokens": max_tokens}
        if max_tokens < 1:
            raise ConfigError(f"max_tokens must be at least 1, not {max_tokens}")
        tensors = read_safetensors(self.path / "model.safetensors")
        if "embeddings" not in tensors or tensors["embeddings"].ndim != 2:
            raise ConfigError(
                f"{self.path} is not a static model: model.safetensors has no matrix 'embeddings'; "
                "distill() makes a static model from a sentence-transformers one"
            )
        self._tokenizer = open_tokenizer(self.path / "tokenizer.json")
        table = tensors["embeddings"].astype(np.float32)
        try:
            if (mapping := tensors.get("mapping")) is not None:
                table = table[mapping]
            if (weights := tensors.get("weights")) is not None:
                table = table * weights.astype(np.float32)[:, None]
        except (IndexError, ValueError) as error:
            raise ConfigError(f"the tensors of {self.path} do not belong together ({error})") from None
        if len(table) < self._tokenizer.get_vocab_size(with_added_tokens=True):
            raise ConfigError(
                f"{self.path} has vectors for {len(table)} tokens, fewer than its tokenizer has"
            )
        self._table: Vectors = table
        self.dimension = int(table.shape[1])
        self.name = f"static:{fingerprint(self.path, str(max_tokens))}"
        self._unknown = self._tokenizer.token_to_id(_unknown_token(self.path / "tokenizer.json"))

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """float32 vectors of shape (len(texts), dimension) and length 1. A text without known tokens gets a vector of
        zeros."""
        out = np.zeros((len(texts), self.dimension), np.float32)
        for at in range(0, len(texts), _BATCH):
            batch = self._tokenizer.encode_batch_fast(list(texts[at : at + _BATCH]), add_special_tokens=False)
            for row, encoding in enumerate(batch, at):
                ids = [i for i in encoding.ids[: self._max_tokens] if i != self._unknown]
                if ids:
                    out[row] = self._table[ids].mean(axis=0)
        lengths = np.linalg.norm(out, axis=1, keepdims=True)
        np.divide(out, lengths, out=out, where=lengths > 0)
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.settings), (self.path,)

    def __repr__(self) -> str:
        return f"StaticEmbedder({str(self.path)!r})"


def open_tokenizer(file: Path) -> Any:
    """The tokenizer in a `tokenizer.json`. Raises `MissingDependencyError` without the package `tokenizers`."""
    try:
        library = import_module("tokenizers")
    except ImportError as error:
        raise MissingDependencyError(
            f"static models need tokenizers ({error}); {extra_hint('dense')}"
        ) from None
    try:
        tokenizer: Any = library.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare exceptions
        raise ConfigError(f"{file} cannot be read as a tokenizer ({error})") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _unknown_token(file: Path) -> str:
    model = json.loads(file.read_text("utf-8")).get("model", {})
    return str(model.get("unk_token") or "[UNK]")


def read_safetensors(file: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file. Such a file has the length of the header, a JSON header, and the numbers
    (little-endian, row by row)."""
    try:
        data = file.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header: dict[str, Any] = json.loads(data[8 : 8 + size])
        tensors = {}
        for name, facts in header.items():
            if name != "__metadata__" and facts["dtype"] in _TYPES:
                start, end = facts["data_offsets"]
                raw = data[8 + size + start : 8 + size + end]
                tensors[name] = np.frombuffer(raw, _TYPES[facts["dtype"]]).reshape(facts["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} cannot be read as a safetensors file ({error})") from None
    return tensors


def write_safetensors(file: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write float32 tensors as a safetensors file."""
    header, at = {}, 0
    arrays = {name: np.ascontiguousarray(tensor, dtype="<f4") for name, tensor in tensors.items()}
    for name, array in arrays.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            out.write(array.tobytes())
