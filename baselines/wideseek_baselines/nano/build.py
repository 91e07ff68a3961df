"""`make_nano`: a whole model folder, made in seconds and the same bytes for the same options."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_baselines.nano.copying import lay_copying
from wideseek_baselines.nano.measure import Fit, measure
from wideseek_baselines.nano.model import SIZES, first_weights, model_config
from wideseek_baselines.nano.text import held_out_text, training_text
from wideseek_baselines.nano.tokenizer import CONTROL, SMALLEST, TURN_END, tokenizer_config, train_tokenizer
from wideseek_env.corpus.folders import building
from wideseek_env.errors import ConfigError, MissingDependencyError

WORLDS = 96
_LARGEST_VOCAB = 1 << 16
_LARGEST_CONTEXT = 1 << 17
_MOST_WORLDS = 10_000


@dataclass(frozen=True, slots=True)
class Nano:
    """What was made."""

    folder: Path
    size: str
    weights: int
    vocab: int
    context: int
    fit: Fit
    """How the tokenizer does on text that it was not made from."""


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
    """Make a nano model in `folder`, which appears when it is complete.

    Files: `config.json`, `generation_config.json`, `model.safetensors` (float32), `tokenizer.json` and
    `tokenizer_config.json` (with the chat template). Needs `tokenizers` and `safetensors`.

    Args:
        folder: Where to; must not exist, or be empty.
        size: "tiny", "small" or "base"; see `SIZES`.
        vocab: Tokens of the vocabulary.
        context: Tokens of the longest sequence.
        seed: Of the first weights. The tokenizer does not depend on it.
        worlds: Synthetic worlds whose text the tokenizer is made from.
        copying: Lay a circuit that copies names into the first weights; see `wideseek_baselines.nano.copying`.
        progress: Told what is being done, in a few words.

    Raises:
        ConfigError: an option out of range, or a folder that holds something already.
        CorpusError: a place that cannot be written to.
        MissingDependencyError: without the packages named above.
    """
    folder = Path(folder)
    if size not in SIZES:
        raise ConfigError(f"no size {size!r}; there are: {', '.join(SIZES)}")
    for name, value, least, most in (
        ("vocab", vocab, 2 * SMALLEST, _LARGEST_VOCAB),
        ("context", context, 64, _LARGEST_CONTEXT),
        ("seed", seed, 0, 2**63),
        ("worlds", worlds, 1, _MOST_WORLDS),
    ):
        if not least <= value <= most:
            raise ConfigError(f"{name} must be from {least} to {most}, not {value}")
    if folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already: choose another folder, or remove it first")
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise MissingDependencyError("a nano model needs safetensors: pip install safetensors") from error
    tell = progress or (lambda _: None)
    shape = SIZES[size]
    with building(folder, overwrite=False) as place:
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
            file.chmod(0o644)  # safetensors keeps its files to their owner
    return Nano(folder, size, shape.weights(vocab), vocab, context, fit)


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", "utf-8")
