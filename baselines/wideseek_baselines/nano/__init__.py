"""A nano model: a Qwen3-architecture language model of a few million random weights, for tests and small experiments.

It loads wherever a large model loads (transformers, vLLM) and has a tokenizer that is fitted to the synthetic world,
so that whole episodes are short. It knows nothing until it is trained. See `wideseek_baselines.nano.build.make_nano`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
