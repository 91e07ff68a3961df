"""Finds the value of a column in plain prose, such as the introduction of an encyclopedia article.

The column's name tells what to look for: a date, a place, a person's name, a code. Each kind has patterns for the usual
style of such introductions. If no pattern matches, there is no value. The patterns were written and measured on
training tasks only.
"""

from wideseek_baselines.scripted.prose.columns import say
from wideseek_baselines.scripted.prose.subject import Subject

__all__ = ["Subject", "say"]
