"""The one sentence that every generated question shares: which columns the table must have."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.task import Language


def column_sentence(columns: Sequence[str], language: Language = "en") -> str:
    """Ask for a Markdown table with exactly these columns, given as one pipe-separated line."""
    line = "| " + " | ".join(columns) + " |"
    if language == "zh":
        return f"请用一个 Markdown 表格作答，列依次为：{line}"
    return f"Answer with one Markdown table whose columns are, in this order: {line}"
