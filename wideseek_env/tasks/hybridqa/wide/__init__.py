"""Wide tasks: questions whose answer is the union of several lists of the HybridQA data, with 21 to 200 rows."""

from __future__ import annotations

from wideseek_env.tasks.hybridqa.wide.build import WideConfig, WideReport, build_wide_tasks

__all__ = ["WideConfig", "WideReport", "build_wide_tasks"]
