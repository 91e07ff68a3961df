"""`make_nano` makes a complete model folder in seconds. The same options give the same bytes."""

from __future__ import annotations

import filecmp
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wideseek_baselines.nano.copying import lay_copying
from wideseek_baselines.nano.measure import Fit, measure
from wideseek_baselines.nano.model import SIZES, Size, first_weights, model_config
from wideseek_baselines.nano.text import held_out_text, training_text
from wideseek_baselines.nano.tokenizer import CONTROL, SMALLEST, TURN_END, tokenizer_config, train_tokenizer
from wideseek_env.corpus.folders import LOCK, building
from wideseek_env.errors import ConfigError, MissingDependencyError, baselines_hint

WORLDS = 96
STAGES = 3
"""The number of times that `make_nano` reports its progress."""
_LARGEST_VOCAB = 1 << 16
_LARGEST_CONTEXT = 1 << 17
_MOST_WORLDS = 10_000
_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


@dataclass(frozen=True, slots=True)
class Nano:
    """Facts about a nano model that was made."""

    folder: Path
    size: str
    weights: int
    vocab: int
    context: int
    fit: Fit
    """How many tokens the tokenizer needs for text on which it was not trained."""


def make_nano(
    folder: str | Path,
    *,
    size: str = "tiny",
    vocab: int = 3072,
    context: int = 4096,
    seed: int = 0,
    worlds: int = WORLDS,
    copying: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Nano:
    """Make a nano model in `folder`. The folder appears when it is complete.

    Files: `config.json`, `generation_config.json`, `model.safetensors` (float32), `tokenizer.json` and
    `tokenizer_config.json` (with the chat template). Needs `tokenizers` and `safetensors`.

    Args:
        folder: The folder to write. It must not exist, be empty, or have the same model already, for example because
            an earlier call was killed after it had written the model.
        size: "tiny", "small" or "base". With 3,072 tokens in the vocabulary, they have 1.6, 3.2 and 4.9 million
            weights.
        vocab: Number of tokens in the vocabulary.
        context: Length of the longest sequence in tokens.
        seed: Seed of the initial weights. The tokenizer does not depend on it.
        worlds: Number of synthetic worlds whose text the tokenizer is trained on.
        copying: Whether to set some initial weights so that the model can copy names that it has read. Such a model can
            be trained on a CPU.
        progress: A function that is called with a short description of each stage.

    Raises:
        ConfigError: An option is out of range, or the folder has other files.
        CorpusError: The folder cannot be written.
        MissingDependencyError: `tokenizers` or `safetensors` is not installed.
    """
    folder = Path(folder)
    if size not in SIZES:
        raise ConfigError(f"unknown size {size!r}: use one of {', '.join(SIZES)}")
    for name, value, least, most in (
        ("vocab", vocab, 2 * SMALLEST, _LARGEST_VOCAB),
        ("context", context, 64, _LARGEST_CONTEXT),
        ("seed", seed, 0, 2**63),
        ("worlds", worlds, 1, _MOST_WORLDS),
    ):
        if not least <= value <= most:
            raise ConfigError(f"{name} must be from {least} to {most}, not {value}")
    there = {path.name for path in folder.iterdir()} - {LOCK} if folder.is_dir() else set()
    if folder.is_symlink() or folder.is_file() or (there and there != {*_FILES}):
        raise ConfigError(f"{folder} exists already: choose another folder, or remove it first")
    missing = [name for name in ("safetensors", "tokenizers") if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"a nano model needs {' and '.join(missing)}; {baselines_hint('transformers')}"
        )
    tell = progress or (lambda _: None)

    def write(place: Path) -> Fit:
        return _write_model(place, SIZES[size], vocab, context, seed, worlds, copying=copying, tell=tell)

    if there:
        with tempfile.TemporaryDirectory() as place:
            fit = write(Path(place))
            if filecmp.cmpfiles(place, folder, _FILES, shallow=False)[0] != [*_FILES]:
                raise ConfigError(
                    f"{folder} has another model already: choose another folder, or remove it first"
                )
        (folder / LOCK).unlink(missing_ok=True)
    else:
        with building(folder, overwrite=False) as new:
            fit = write(new)
    return Nano(folder, size, SIZES[size].weights(vocab), vocab, context, fit)


def _write_model(
    place: Path,
    shape: Size,
    vocab: int,
    context: int,
    seed: int,
    worlds: int,
    *,
    copying: bool,
    tell: Callable[[str], None],
) -> Fit:
    """Write the files of a model. The arguments are those of `make_nano`."""
    from safetensors.numpy import save_file

    tell(f"Training the tokenizer on episodes in {worlds} worlds")
    tokenizer = train_tokenizer(training_text(worlds), vocab)
    ids = {token["content"]: int(token["id"]) for token in json.loads(tokenizer)["added_tokens"]}
    end, pad = ids[TURN_END], ids[CONTROL[0]]
    (place / "tokenizer.json").write_text(tokenizer, "utf-8")
    _write(place / "tokenizer_config.json", tokenizer_config(context))
    _write(place / "config.json", model_config(shape, vocab, context, end=end, pad=pad))
    _write(
        place / "generation_config.json",
        {"do_sample": True, "temperature": 1.0, "eos_token_id": [end, pad], "pad_token_id": pad},
    )
    tell("Drawing the weights")
    weights = first_weights(shape, vocab, seed)
    if copying:
        lay_copying(weights, shape, seed)
    save_file(weights, place / "model.safetensors", {"format": "pt"})
    tell("Measuring")
    fit = measure(tokenizer, held_out_text())
    for file in place.iterdir():
        file.chmod(0o644)  # safetensors makes files readable for their owner only
    return fit


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", "utf-8")
