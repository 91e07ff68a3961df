"""What agents are told, in English and Chinese: system prompts, notices and error sentences."""

from __future__ import annotations

from wideseek_env.messages import Role
from wideseek_env.prompts import en, zh
from wideseek_env.prompts.texts import Style, Texts
from wideseek_env.task import Language

__all__ = ["Language", "Role", "Style", "Texts", "texts_for"]

_TEXTS: dict[str, Texts] = {"en": en.TEXTS, "zh": zh.TEXTS}


def texts_for(language: Language) -> Texts:
    """The texts in `language`."""
    return _TEXTS[language]
