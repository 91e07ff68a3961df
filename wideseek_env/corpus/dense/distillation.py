"""`distill`: makes a static model from a sentence-transformers model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from wideseek_env.corpus.dense.sentence_transformer import SentenceTransformerEmbedder
from wideseek_env.corpus.dense.static import StaticEmbedder, open_tokenizer, write_safetensors
from wideseek_env.corpus.folders import building
from wideseek_env.errors import ConfigError


def distill(
    model: Path | str, out: Path | str, *, dimension: int = 256, overwrite: bool = False
) -> StaticEmbedder:
    """Make a static model in the folder `out` from the sentence-transformers model in the folder `model`.

    The method is that of model2vec. The model embeds every token of its vocabulary alone. The vectors are rotated to
    their principal components, and the first `dimension` components are kept. Each vector is weighted by a/(a + p).
    Here p is the token's frequency, estimated by Zipf's law from its position in the vocabulary. For 30,000 tokens,
    `distill` takes a minute or two.

    Raises `CorpusError` when `out` exists and `overwrite` is False.
    """
    source = SentenceTransformerEmbedder(model, batch_size=512)  # the texts are single tokens
    tokenizer = open_tokenizer(source.path / "tokenizer.json")
    vocabulary = sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
    if not vocabulary or [number for _, number in vocabulary] != list(range(len(vocabulary))):
        raise ConfigError(f"the vocabulary of {model} has gaps, so it cannot be distilled")
    texts = [token.removeprefix("##").replace("▁", " ").replace("Ġ", " ") for token, _ in vocabulary]
    vectors = source.embed(texts).astype(np.float64)
    if not 1 <= dimension <= vectors.shape[1]:
        raise ConfigError(f"dimension must be from 1 to {vectors.shape[1]}, not {dimension}")
    vectors -= vectors.mean(axis=0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    kept = vectors @ axes[:, ::-1][:, :dimension]
    rank = np.arange(1, len(kept) + 1)
    frequency = (1 / rank) / (1 / rank).sum()
    kept *= (1e-4 / (1e-4 + frequency))[:, None]
    kept[[n for n, (token, _) in enumerate(vocabulary) if _is_special(token)]] = 0
    with building(Path(out), overwrite=overwrite) as folder:
        shutil.copyfile(source.path / "tokenizer.json", folder / "tokenizer.json")
        write_safetensors(folder / "model.safetensors", {"embeddings": kept.astype(np.float32)})
        config = {"model_type": "model2vec", "normalize": True, "hidden_dim": dimension}
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
        # Marks the folder as built by this package, so that it may be overwritten.
        (folder / "manifest.json").write_text(
            json.dumps({"kind": "static model", "from": source.name}), "utf-8"
        )
    return StaticEmbedder(out)


def _is_special(token: str) -> bool:
    return len(token) > 2 and token[0] + token[-1] in ("[]", "<>")
