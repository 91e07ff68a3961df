"""`load_embedder`: opens an embedding model of any supported kind from a local folder. It never downloads anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wideseek_env.corpus.dense.base import Embedder
from wideseek_env.corpus.dense.sentence_transformer import SentenceTransformerEmbedder
from wideseek_env.corpus.dense.static import StaticEmbedder
from wideseek_env.errors import ConfigError


def load_embedder(path: Path | str, settings: Mapping[str, Any] | None = None) -> Embedder:
    """The embedder in a local folder. The files in the folder decide its kind.

    `settings` are the keyword arguments of the embedder's class. Without `settings`, a sentence-transformers model uses
    the prompts for queries and passages in its configuration file. Raises `ConfigError` when the folder has no model.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder} with an embedding model")
    if (folder / "modules.json").is_file():
        query, passage = _prompts(folder)
        defaults = {"query_prompt": query, "passage_prompt": passage}
        return SentenceTransformerEmbedder(folder, **{**defaults, **(settings or {})})
    if (folder / "tokenizer.json").is_file() and (folder / "model.safetensors").is_file():
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
