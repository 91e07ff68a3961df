"""A nano model: a Qwen3-architecture language model with a few million random weights, for tests and small experiments.

transformers and vLLM load it like any large model. Its tokenizer is fitted to the synthetic world, so whole episodes
are short. The model knows nothing before it is trained. `wideseek_baselines.nano.build.make_nano` makes one.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
