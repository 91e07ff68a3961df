"""The sentence that says which columns the table must have. All generated questions contain this sentence."""

from __future__ import annotations

from collections.abc import Sequence

from wideseek_env.task import Language


def column_sentence(columns: Sequence[str], language: Language = "en") -> str:
    """The sentence that asks for a Markdown table with exactly these columns, named in one pipe-separated line."""
    line = "| " + " | ".join(columns) + " |"
    if language == "zh":
        return f"请用一个 Markdown 表格作答，列依次为：{line}"
    return f"Answer with one Markdown table whose columns are, in this order: {line}"
