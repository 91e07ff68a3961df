"""Reads what models write: tool calls in the forms of all families, thoughts, and almost-JSON."""

from __future__ import annotations

from wideseek_env.parsing.calls import MAX_CALLS, Problem, RawCall, Tools
from wideseek_env.parsing.lenient_json import load_lenient
from wideseek_env.parsing.message import Parsed, parse_message, thoughts_of
from wideseek_env.parsing.thoughts import open_thought, strip_thinking

__all__ = [
    "MAX_CALLS",
    "Parsed",
    "Problem",
    "RawCall",
    "Tools",
    "load_lenient",
    "open_thought",
    "parse_message",
    "strip_thinking",
    "thoughts_of",
]
