"""Evaluating policies.

* `evaluate` runs a policy on tasks.
* `width_sweep` evaluates a policy at several team widths (numbers of subagents).
* `depth_sweep` evaluates a policy as a single agent with several numbers of turns.
* `score_answers` scores the answers of another program.
* `summarise` computes the metrics of recorded episodes.
* `read_run` and `read_sweep` read recorded runs.
* `compare_runs` tests whether two runs differ.
* `speedup_of` measures how much time a larger width saves.
* `coverage_of` finds where gold rows were lost in an episode.
* `draw_metric`, `draw_overview` and `draw_rows` draw figures, and `write_report` writes a page.

Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
