"""What agents are told, in English and Chinese: system prompts, notices and error sentences."""

from __future__ import annotations

from collections.abc import Mapping

from wideseek_env.prompts import en, zh
from wideseek_env.prompts.texts import ResultTexts, Texts
from wideseek_env.task import Language

__all__ = ["FULL", "RESULTS", "TERSE", "ResultTexts", "Texts"]

FULL: Mapping[Language, Texts] = {"en": en.TEXTS, "zh": zh.TEXTS}
"""Texts that explain the work to a capable model, by language."""
TERSE: Mapping[Language, Texts] = {"en": en.TERSE, "zh": zh.TERSE}
"""Texts with short prompts, which cost few tokens, for small models."""
RESULTS = ResultTexts()
"""The texts of search results and pages."""
