"""Tables of results for papers: any runs line by line, or a leaderboard, as Markdown, LaTeX or CSV."""

from wideseek_env.evaluation.tables.leaderboard import leaderboard
from wideseek_env.evaluation.tables.model import ResultTable
from wideseek_env.evaluation.tables.results import results_table
from wideseek_env.evaluation.tables.text import FORMS, render

__all__ = ["FORMS", "ResultTable", "leaderboard", "render", "results_table"]
