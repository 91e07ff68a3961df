"""Broad tasks over a synthetic world."""

from wideseek_env.tasks.synthetic.filters import Filter, ParsedQuestion, parse_question
from wideseek_env.tasks.synthetic.generate import evidence, needed_pages, synthetic_tasks

__all__ = ["Filter", "ParsedQuestion", "evidence", "needed_pages", "parse_question", "synthetic_tasks"]
