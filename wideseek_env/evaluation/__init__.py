"""Evaluating policies: playing many tasks into a run folder, scoring answers made elsewhere, summaries, comparisons.

`evaluate` plays tasks with a policy, `width_sweep` does so for several team widths and `depth_sweep` for a single
agent with several numbers of turns, `score_answers` scores what another system answered; `summarise` computes the
figures, `read_run` and `read_sweep` read what was recorded, `compare_runs` tests whether two runs differ, `speedup_of`
says what width saves, `draw_metric` and `draw_overview` draw, `write_report` writes a page. Names are imported when
they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
