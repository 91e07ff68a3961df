"""Tells quickly that a text has no tag of a call and no thought, so that plain messages are not searched for them.

As in `wideseek_env.parsing.patterns`, each check begins with a character that the form must have. A check may find a
sign where no call is. It never misses one.
"""

from __future__ import annotations

import re

from wideseek_env.parsing.calls import Tools
from wideseek_env.parsing.harmony import is_harmony
from wideseek_env.parsing.patterns import has_label
from wideseek_env.parsing.tags import ANY, search_tag

_BRACKET_TAG = re.compile(r"\[(?i:TOOL_CALLS)\]")
_ESCAPED = re.compile(r"\s*&lt;")


def has_tags(text: str) -> bool:
    """Whether `text` may have a tag of a call, a thought or a turn, or may consist of harmony messages."""
    return (
        search_tag(ANY, text) is not None
        or "◁" in text
        or (
            "[" in text
            and (
                ("K" in text and "THINK]" in text) or ("_" in text and _BRACKET_TAG.search(text) is not None)
            )
        )
        or ("{" in text and "call:" in text)
        or _ESCAPED.match(text) is not None
        or is_harmony(text)
    )


def is_prose(text: str, tools: Tools) -> bool:
    """Whether `text` is evidently no more than words: it has no sign of any call or thought."""
    if text.isalnum():  # an answer of one word
        return not is_harmony(text)
    return not (
        "<" in text
        or "{" in text
        or "(" in text
        or "[" in text
        or "“" in text
        or "｛" in text
        or "◁" in text
        or "&" in text
        or ((":" in text or "：" in text) and has_label(text, tools))
        or is_harmony(text)
    )
