"""Wrappers that give the environment other action and observation spaces."""

from wideseek_env.wrappers.flat import Flat
from wideseek_env.wrappers.layout import Choice, Layout
from wideseek_env.wrappers.numeric import NumericPolicy
from wideseek_env.wrappers.processes import SubprocSymbolicVec
from wideseek_env.wrappers.reading import Hit, MarkdownReader, PageView, Question, Reader
from wideseek_env.wrappers.symbolic import Symbolic
from wideseek_env.wrappers.vector import SymbolicVec

__all__ = [
    "Choice",
    "Flat",
    "Hit",
    "Layout",
    "MarkdownReader",
    "NumericPolicy",
    "PageView",
    "Question",
    "Reader",
    "SubprocSymbolicVec",
    "Symbolic",
    "SymbolicVec",
]
