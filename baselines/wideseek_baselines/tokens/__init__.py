"""Conversations as the exact token ids that a model read and sampled. They are never decoded and encoded again."""

from wideseek_baselines.tokens.loading import load_tokenizer
from wideseek_baselines.tokens.template import ChatTemplate, History, Thread

__all__ = ["ChatTemplate", "History", "Thread", "load_tokenizer"]
