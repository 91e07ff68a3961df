"""A nano model: a Qwen3-architecture language model of a few million random weights, for tests and small experiments.

It loads wherever a large model loads (transformers, vLLM) and has a tokenizer that is fitted to the synthetic world,
so that whole episodes are short. It knows nothing until it is trained. See `wideseek_baselines.nano.build.make_nano`.
"""

from __future__ import annotations

from wideseek_env.lazy import lazy_exports

__all__ = ["SIZES", "Nano", "Size", "make_nano"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"SIZES": "model", "Size": "model", "Nano": "build", "make_nano": "build"}
)
