"""Speed-up and efficiency of wider teams, and how much of their work is serial (Amdahl's law).

The time of an episode is its critical path in turns, or its wall-clock time in seconds. T(w) is the mean time over
tasks at width w, and w₁ is the smallest width. The speed-up is S(w) = T(w₁) / T(w), and the efficiency is
S(w) · w₁ / w. Amdahl's law is T(w) = T(1) · (s + (1 - s) / w), where s is the share of the work that cannot be done in
parallel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.record import EpisodeRecord
from wideseek_env.evaluation.statistics import bootstrap_intervals, bootstrap_means, percentile_interval
from wideseek_env.evaluation.sweep import Sweep

Clock = Literal["critical_path", "seconds"]

TOLERANCE = 0.01
"""Mean item-F1 values that differ by at most this count as the same quality, whatever their interval."""

GOOD_FIT = 0.9
"""A fit with R² below this gets a warning."""

_DIGITS = 9
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class SpeedupPoint:
    """One width compared with the smallest width, on the tasks that were run at every width.

    `difference` is the difference of mean item-F1 (the score of the table's cells), with its paired 95 % interval. The
    point is `comparable` if the interval contains 0 or the difference is at most `TOLERANCE`. Only comparable teams did
    the same work.
    """

    width: int
    time: float
    speedup: float
    low: float
    high: float
    efficiency: float
    difference: float
    difference_low: float
    difference_high: float
    comparable: bool


@dataclass(frozen=True, slots=True)
class AmdahlFit:
    """A fit of Amdahl's law: the serial share with its 95 % bootstrap interval over tasks, and the time at width 1.

    `r2` is the R² of T(w) over the fitted `widths`. `warnings` give reasons why the law may not describe the data.
    """

    serial: float
    low: float
    high: float
    time: float
    r2: float
    widths: tuple[int, ...]
    warnings: tuple[str, ...]

    def speedup(self, width: float, base: float = 1.0) -> float:
        """The speed-up of `width` over the width `base` that the law predicts."""
        return (self.serial + (1 - self.serial) / base) / (self.serial + (1 - self.serial) / width)


@dataclass(frozen=True, slots=True)
class Speedup:
    """Speed-ups measured by one `clock`. If `fit` is None, `why_no_fit` gives the reason."""

    clock: Clock
    tasks: int
    points: tuple[SpeedupPoint, ...]
    fit: AmdahlFit | None
    why_no_fit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The speed-ups as JSON values."""
        return asdict(self)


def speedup_of(sweep: Sweep, *, clock: Clock = "critical_path", seed: int = 0) -> Speedup:
    """The speed-ups of a width sweep over its smallest width.

    Raises:
        ConfigError: It is a depth sweep, its critical path is fixed, or it has fewer than two widths. Or the widths
            have no task in common or no right cell, or times were not measured.
    """
    if sweep.kind != "width":
        raise ConfigError("speed-up needs a width sweep, because a single agent does nothing in parallel")
    if fixed_path(sweep) is not None:
        raise ConfigError(why_fixed(sweep))
    points = [point for point in sweep.points if point.size is not None and point.records]
    if len(points) < 2:
        raise ConfigError("speed-up needs episodes of at least two widths")
    by_task = [_by_task(point.records) for point in points]
    common = sorted(set.intersection(*(set(each) for each in by_task)))
    if not common:
        raise ConfigError("the widths have no task in common")
    widths = np.array([point.size for point in points], float)
    times = np.array([[_mean(each[task], clock) for each in by_task] for task in common])
    f1 = np.array([[_mean(each[task], "f1_by_item") for each in by_task] for task in common])
    if not (times.mean(axis=0) > 0).all():
        raise ConfigError(f"some episodes have no {clock.replace('_', ' ')}: it was not measured")
    if not f1.any():
        raise ConfigError("no width found a right cell, so no width did any work")
    means = bootstrap_means(times, seed=seed)
    ratios = percentile_interval(means[:, :1] / means)
    gaps = f1 - f1[:, :1]
    spans = bootstrap_intervals(gaps, seed=seed)
    time = times.mean(axis=0)
    found = tuple(
        SpeedupPoint(
            width=int(width),
            time=_round(time[at]),
            speedup=_round(time[0] / time[at]),
            low=_round(ratios[at, 0]),
            high=_round(ratios[at, 1]),
            efficiency=_round(time[0] / time[at] * widths[0] / width),
            difference=_round(gaps[:, at].mean()),
            difference_low=_round(spans[at, 0]),
            difference_high=_round(spans[at, 1]),
            comparable=_comparable(gaps[:, at].mean(), spans[at, 0], spans[at, 1]),
        )
        for at, width in enumerate(widths)
    )
    same = np.array([point.comparable for point in found])
    if same.sum() < 3:
        others = ", ".join(str(point.width) for point in found if not point.comparable)
        why = f"item-F1 at width {others} differs from width {found[0].width}" if others else ""
        why = f"it needs at least three widths that did the same work{f', but {why}' if why else ''}"
        return Speedup(clock, len(common), found, None, why)
    fit = fit_amdahl(widths[same], times[:, same], seed=seed)
    if not -_SLACK <= fit.serial <= 1 + _SLACK:
        return Speedup(clock, len(common), found, None, fit.warnings[-1])
    return Speedup(clock, len(common), found, fit)


def no_speedup(sweep: Sweep) -> str:
    """Why a width sweep has no speed-up worth showing, as a sentence without a full stop. "" if it has one.

    A depth sweep and a sweep with one width have none either, but there is nothing to say about them.
    """
    if sweep.kind != "width" or sum(point.size is not None for point in sweep.points) < 2:
        return ""
    if fixed_path(sweep) is not None:
        return why_fixed(sweep)
    try:
        found = speedup_of(sweep)
    except ConfigError as error:
        return str(error)
    if same_work(found):
        return ""
    first = found.points[0].width
    return (
        f"no wider team did the same work as width {first}, because item-F1 differs at every other width. To measure "
        "speed, use limits that agents do not reach (--rules default)"
    )


def same_work(found: Speedup) -> bool:
    """Whether a wider team did the same work as the narrowest. If none did, speed-ups say nothing."""
    return any(point.comparable for point in found.points[1:])


def fixed_path(sweep: Sweep) -> int | None:
    """The critical path that the budget or the rules allow every episode, in turns. None if it is not limited."""
    equal, rules = sweep.settings.get("equal"), sweep.settings.get("rules")
    if isinstance(equal, Mapping) and equal.get("kind") == "critical-path":
        return int(equal["amount"])
    path = rules.get("episode_path") if isinstance(rules, Mapping) else None
    return int(path) if path is not None else None


def why_fixed(sweep: Sweep) -> str:
    """Why a sweep with a fixed critical path has no speed-up."""
    return (
        f"every width has the same critical path of at most {fixed_path(sweep)} turns, so wider teams find more in the "
        "same time instead of being faster"
    )


def amdahl_lines(found: Speedup) -> list[str]:
    """The fit of Amdahl's law in sentences, or the reason why there is no fit."""
    fit = found.fit
    if fit is None:
        return [f"No fit of Amdahl's law: {found.why_no_fit}."]
    widths = ", ".join(map(str, fit.widths))
    return [
        f"Amdahl's law over the widths {widths}: {100 * fit.serial:.1f} % of the time is serial "
        f"(95 % {100 * fit.low:.1f} – {100 * fit.high:.1f}), R² {fit.r2:.3f}.",
        *(f"Warning: {warning}." for warning in fit.warnings),
    ]


def fit_amdahl(
    widths: Sequence[float] | NDArray[np.float64], times: NDArray[np.float64], *, seed: int = 0
) -> AmdahlFit:
    """Fit Amdahl's law by least squares, as T(w) = a + b / w.

    The serial share is a / (a + b). If the share of all tasks is outside [0, 1], the law does not describe the data,
    and a warning says so. The interval is within [0, 1]. The bootstrap resamples whole tasks.

    Args:
        widths: The widths, at least three.
        times: The times, of shape (tasks, widths).
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: There are fewer than three widths.
    """
    sizes = np.asarray(widths, float)
    if len(sizes) < 3:
        raise ConfigError("a fit needs at least three widths, because it always fits two exactly")
    design = np.stack([np.ones_like(sizes), 1 / sizes], axis=1)
    solve = np.linalg.pinv(design).T
    # least squares are linear: the mean of the fits of all tasks is the fit of the mean over tasks
    coefficients = times @ solve
    a, b = coefficients.mean(axis=0)
    mean = times.mean(axis=0)
    off = float(((mean - design @ [a, b]) ** 2).sum())
    all_off = float(((mean - mean.mean()) ** 2).sum())
    r2 = 1 - off / all_off if all_off > 1e-12 * float(mean.mean()) ** 2 else 1.0
    drawn = bootstrap_means(coefficients, seed=seed)
    low, high = percentile_interval(np.clip(drawn[:, 0] / drawn.sum(axis=1), 0, 1)[:, None])[0]
    serial = a / (a + b)
    warnings = []
    if r2 < GOOD_FIT:
        warnings.append(f"the law does not describe these times well (R² {r2:.2f})")
    if serial > 1 + _SLACK:
        warnings.append("wider teams take longer, which the law cannot describe: the serial share is above 1")
    if serial < -_SLACK:
        warnings.append(
            "the speed-up is above the width, which the law cannot describe: the serial share is below 0"
        )
    return AmdahlFit(
        _round(serial), _round(low), _round(high), _round(a + b), _round(r2), tuple(int(w) for w in sizes),
        tuple(warnings),
    )  # fmt: skip


def _comparable(difference: float, low: float, high: float) -> bool:
    return bool(low <= 0 <= high or abs(difference) <= TOLERANCE)


def _by_task(records: Sequence[EpisodeRecord]) -> dict[str, list[EpisodeRecord]]:
    by_task: dict[str, list[EpisodeRecord]] = {}
    for record in records:
        by_task.setdefault(record.task_id, []).append(record)
    return by_task


def _mean(trials: Sequence[EpisodeRecord], name: str) -> float:
    return fsum(getattr(record, name) for record in trials) / len(trials)


def _round(value: float) -> float:
    return round(float(value), _DIGITS)
