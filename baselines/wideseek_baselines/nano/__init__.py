"""A nano model: a language model with a few million random weights, for tests and small experiments.

The model has the architecture of Qwen3, so transformers and vLLM can load it. Its tokenizer is trained on text of the
synthetic world, so whole episodes have few tokens. The model can do nothing before it is trained.
`wideseek_baselines.nano.build.make_nano` makes such a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
