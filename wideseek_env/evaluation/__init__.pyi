"""The names that `wideseek_env.evaluation` exports; each is imported when it is first used."""

from .budget import Budget as Budget
from .compare import (
    Change as Change,
)
from .compare import (
    Comparison as Comparison,
)
from .compare import (
    Difference as Difference,
)
from .compare import (
    compare_runs as compare_runs,
)
from .coverage import Coverage as Coverage
from .coverage import RowTrace as RowTrace
from .coverage import coverage_of as coverage_of
from .curves import Curve as Curve
from .depth import depth_sweep as depth_sweep
from .folder import RunFolder as RunFolder
from .folder import run_settings as run_settings
from .one_call import evaluate as evaluate
from .plot import draw_metric as draw_metric
from .plot import draw_overview as draw_overview
from .plot import plot_sweep as plot_sweep
from .plot_rows import draw_rows as draw_rows
from .reading import RecordedRun as RecordedRun
from .reading import read_run as read_run
from .record import EpisodeRecord as EpisodeRecord
from .report import read_entries as read_entries
from .report import run_names as run_names
from .report import write_report as write_report
from .responses import Response as Response
from .responses import read_responses as read_responses
from .run import EpisodeError as EpisodeError
from .run import evaluate_game as evaluate_game
from .scored import Scored as Scored
from .scored import score_answers as score_answers
from .speedup import (
    AmdahlFit as AmdahlFit,
)
from .speedup import (
    Speedup as Speedup,
)
from .speedup import (
    fit_amdahl as fit_amdahl,
)
from .speedup import (
    speedup_of as speedup_of,
)
from .summary import (
    Summary as Summary,
)
from .summary import (
    SummaryAccumulator as SummaryAccumulator,
)
from .summary import (
    TrialMetric as TrialMetric,
)
from .summary import (
    benchmark_summary as benchmark_summary,
)
from .summary import (
    summarise as summarise,
)
from .sweep import Sweep as Sweep
from .sweep import SweepPoint as SweepPoint
from .sweep import read_sweep as read_sweep
from .width import width_sweep as width_sweep
