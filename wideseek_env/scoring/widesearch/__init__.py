"""Scoring as in the WideSearch benchmark: `score_widesearch`, the strict mode of `score_response`."""

from wideseek_env.scoring.widesearch.score import score_widesearch

__all__ = ["score_widesearch"]
