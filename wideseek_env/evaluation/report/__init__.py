"""Writes one HTML page about several runs: figures, intervals, comparisons, settings and commands."""

from wideseek_env.evaluation.report.entries import Entry, read_entries, run_names
from wideseek_env.evaluation.report.page import report_page, write_report

__all__ = ["Entry", "read_entries", "report_page", "run_names", "write_report"]
