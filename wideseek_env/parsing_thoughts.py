"""Finds the tag with which the end of a prompt leaves a thought open."""

from __future__ import annotations

import re

_OPENING = re.compile(
    r"(?:<(?:[a-z]{1,12}[:|])?(?:think|thinking|thought|reasoning)>|\[THINK\]|<\|START_THINKING\|>|◁think▷|"
    r"<\|channel\|>analysis<\|message\|>)\s*\Z"
)


def open_thought(prompt: str) -> str:
    """The opening tag with which the end of `prompt` leaves a thought open, or ""."""
    found = _OPENING.search(prompt, max(0, len(prompt) - 200))
    return found[0].rstrip() if found is not None else ""
