"""Functions that all adapters share: the metrics of an ended episode, and the error for a missing package."""

from __future__ import annotations

from wideseek_env.episode_run import EpisodeRun
from wideseek_env.errors import MissingDependencyError, baselines_hint


def outcome_metrics(run: EpisodeRun) -> dict[str, float]:
    """Metrics of an ended episode: its scores, and counts of turns, calls and subagents. Empty while the episode
    runs.
    """
    score, outcome = run.score, run.episode.outcome
    if score is None or outcome is None:
        return {}
    return {
        "item_f1": score.f1_by_item,
        "item_precision": score.precision_by_item,
        "item_recall": score.recall_by_item,
        "row_f1": score.f1_by_row,
        "success": score.score,
        "well_formed": float(score.well_formed and not score.missing_columns),
        "answered": float(outcome.answered),
        "turns": float(outcome.turns),
        "critical_path": float(outcome.critical_path),
        "subagents": float(outcome.subagents),
        "searches": float(outcome.tool_calls.get("search", 0)),
        "browses": float(outcome.tool_calls.get("browse", 0)),
        "call_errors": float(outcome.errors),
    }


def missing(extra: str, error: ImportError) -> MissingDependencyError:
    """The error to raise if an adapter's package cannot be imported."""
    return MissingDependencyError(
        f"this adapter needs {extra} ({error}); {baselines_hint(extra)}. If an installed package excludes it, use a "
        "separate environment (docs/adapters.md)"
    )
