"""Scoring: table parsing, key alignment, column metrics, judges, item and row F1, success."""

from wideseek_env.scoring.judged import Judging, judging_of
from wideseek_env.scoring.judges import Judge, KeyAligner, OfflineJudge
from wideseek_env.scoring.result import CellVerdict, RowVerdict, TableScore
from wideseek_env.scoring.score import score_response, score_table
from wideseek_env.scoring.tables import ParsedTable, parse_table

__all__ = [
    "CellVerdict",
    "Judge",
    "Judging",
    "KeyAligner",
    "OfflineJudge",
    "ParsedTable",
    "RowVerdict",
    "TableScore",
    "judging_of",
    "parse_table",
    "score_response",
    "score_table",
]
