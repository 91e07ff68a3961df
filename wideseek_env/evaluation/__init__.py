"""Evaluating policies: playing many tasks into a run folder, scoring answers made elsewhere, summaries, comparisons.

`evaluate` plays tasks with a policy, `width_sweep` does so for several team widths and `depth_sweep` for a single
agent with several numbers of turns, `score_answers` scores what another system answered; `summarise` computes the
figures, `read_run` and `read_sweep` read what was recorded, `compare_runs` tests whether two runs differ, `speedup_of`
says what width saves, `draw_metric` and `draw_overview` draw, `write_report` writes a page. Names are imported when
they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wideseek_env.evaluation.budget import Budget
    from wideseek_env.evaluation.compare import Change, Comparison, Difference, compare_runs
    from wideseek_env.evaluation.curves import Curve
    from wideseek_env.evaluation.depth import depth_sweep
    from wideseek_env.evaluation.folder import RunFolder, run_settings
    from wideseek_env.evaluation.plot import draw_metric, draw_overview, plot_sweep
    from wideseek_env.evaluation.reading import RecordedRun, read_run
    from wideseek_env.evaluation.record import EpisodeRecord
    from wideseek_env.evaluation.report import read_entries, run_names, write_report
    from wideseek_env.evaluation.responses import Response, read_responses
    from wideseek_env.evaluation.run import EpisodeError, evaluate
    from wideseek_env.evaluation.scored import Scored, score_answers
    from wideseek_env.evaluation.speedup import AmdahlFit, Speedup, fit_amdahl, speedup_of
    from wideseek_env.evaluation.summary import Summary, Tally, TrialMetric, benchmark_summary, summarise
    from wideseek_env.evaluation.sweep import Sweep, SweepPoint, read_sweep
    from wideseek_env.evaluation.width import width_sweep

_HOME = {
    "AmdahlFit": "speedup",
    "Budget": "budget",
    "Change": "compare",
    "Comparison": "compare",
    "Curve": "curves",
    "Difference": "compare",
    "EpisodeError": "run",
    "EpisodeRecord": "record",
    "RecordedRun": "reading",
    "Response": "responses",
    "RunFolder": "folder",
    "Scored": "scored",
    "Speedup": "speedup",
    "Summary": "summary",
    "Sweep": "sweep",
    "SweepPoint": "sweep",
    "Tally": "summary",
    "TrialMetric": "summary",
    "benchmark_summary": "summary",
    "compare_runs": "compare",
    "depth_sweep": "depth",
    "draw_metric": "plot",
    "draw_overview": "plot",
    "evaluate": "run",
    "fit_amdahl": "speedup",
    "plot_sweep": "plot",
    "read_entries": "report",
    "read_responses": "responses",
    "read_run": "reading",
    "read_sweep": "sweep",
    "run_names": "report",
    "run_settings": "folder",
    "score_answers": "scored",
    "speedup_of": "speedup",
    "summarise": "summary",
    "width_sweep": "width",
    "write_report": "report",
}

__all__ = [
    "AmdahlFit",
    "Budget",
    "Change",
    "Comparison",
    "Curve",
    "Difference",
    "EpisodeError",
    "EpisodeRecord",
    "RecordedRun",
    "Response",
    "RunFolder",
    "Scored",
    "Speedup",
    "Summary",
    "Sweep",
    "SweepPoint",
    "Tally",
    "TrialMetric",
    "benchmark_summary",
    "compare_runs",
    "depth_sweep",
    "draw_metric",
    "draw_overview",
    "evaluate",
    "fit_amdahl",
    "plot_sweep",
    "read_entries",
    "read_responses",
    "read_run",
    "read_sweep",
    "run_names",
    "run_settings",
    "score_answers",
    "speedup_of",
    "summarise",
    "width_sweep",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
