"""Speed-up, efficiency and Amdahl's law, against times whose serial share is known."""

from __future__ import annotations

import numpy as np
import pytest

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation import EpisodeRecord, Sweep, SweepPoint, fit_amdahl, speedup_of
from wideseek_env.evaluation.speedup import amdahl_lines, no_speedup
from wideseek_env.evaluation.summary import summarise

WIDTHS = (1, 2, 4, 8, 16)


def law(serial: float, width: float) -> float:
    return serial + (1 - serial) / width


def record(task: str, path: int, f1: float = 1.0, seconds: float = 0.0, trial: int = 0) -> EpisodeRecord:
    scores = [f1] * 7
    return EpisodeRecord(
        task, trial, *scores, f1, path, path, {"search": 3}, 1, True, "answered", 0, False, seconds
    )


def sweep_of(points: dict[int | None, list[EpisodeRecord]]) -> Sweep:
    return Sweep(tuple(SweepPoint(n, summarise(r), tuple(r)) for n, r in points.items()), {"policy": "p"})


def lawful(serial: float, f1: dict[int, float] | None = None, base: int = 1000) -> Sweep:
    sizes = np.random.default_rng(1).integers(base, 3 * base, 30)
    return sweep_of(
        {
            width: [
                record(f"t{n:02}", round(int(size) * law(serial, width)), (f1 or {}).get(width, 0.9), 0.5)
                for n, size in enumerate(sizes)
            ]
            for width in WIDTHS
        }
    )


@pytest.mark.parametrize("serial", [0.0, 0.1, 0.35, 0.8, 1.0])
def test_a_known_serial_share_is_found(serial: float) -> None:
    found = speedup_of(lawful(serial))
    assert found.fit is not None
    assert found.fit.serial == pytest.approx(serial, abs=2e-3)
    assert found.fit.low - 2e-3 <= serial <= found.fit.high + 2e-3
    assert found.fit.r2 > 0.999
    assert found.fit.warnings == ()
    for point in found.points:
        assert point.speedup == pytest.approx(1 / law(serial, point.width), rel=5e-3)
        assert point.efficiency == pytest.approx(point.speedup / point.width)
        assert point.low <= point.speedup <= point.high
        assert found.fit.speedup(point.width) == pytest.approx(point.speedup, rel=1e-2)


def test_noise_widens_the_interval_and_it_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(40):
        tasks = rng.gamma(4, 50, 25)[:, None]
        shares = rng.normal(0.3, 0.08, (25, 1))
        times = tasks * (shares + (1 - shares) / np.array(WIDTHS)) * rng.lognormal(0, 0.1, (25, 5))
        fit = fit_amdahl(WIDTHS, times, seed=seed)
        covered.append(fit.low <= 0.3 <= fit.high)
        assert 0.02 < fit.high - fit.low < 0.3
    assert np.mean(covered) >= 0.8


def test_a_speed_up_over_a_smallest_width_that_is_not_one() -> None:
    sweep = lawful(0.2)
    found = speedup_of(Sweep(sweep.points[1:], {}))
    assert found.points[0].width == 2
    assert found.points[-1].speedup == pytest.approx(law(0.2, 2) / law(0.2, 16), rel=5e-3)
    assert found.points[-1].efficiency == pytest.approx(found.points[-1].speedup / 8)
    assert found.fit is not None
    assert found.fit.serial == pytest.approx(0.2, abs=2e-3)


def test_what_the_law_does_not_describe_is_warned_of() -> None:
    slower = fit_amdahl((1, 2, 4), np.array([[10.0, 12.0, 13.0]] * 3))
    assert slower.serial > 1
    assert "serial share is above 1" in slower.warnings[0]
    bent = fit_amdahl((1, 2, 4, 8), np.array([[10.0, 4.0, 4.0, 9.0]] * 3))
    assert bent.r2 < 0.9
    assert any("does not describe these times well" in each for each in bent.warnings)
    better = fit_amdahl((1, 2, 4), np.array([[10.0, 4.0, 1.0]] * 3))
    assert "serial share is below 0" in better.warnings[-1]
    for fit in (slower, bent, better):
        assert 0 <= fit.low <= fit.high <= 1, "a share is from 0 to 1"
    times = {1: 10, 2: 12, 4: 13}
    found = speedup_of(sweep_of({w: [record(f"t{n}", path) for n in range(3)] for w, path in times.items()}))
    assert found.fit is None
    assert "wider teams take longer" in amdahl_lines(found)[0]


@pytest.mark.parametrize(
    ("f1", "told"),
    [
        ({1: 0.5, 2: 0.7, 4: 0.9}, "no wider team did the same work as width 1"),
        ({1: 0.9, 2: 0.1, 4: 0.2}, "no wider team did the same work as width 1"),
        ({2: 0.1, 4: 0.5, 8: 0.9}, "no wider team did the same work as width 2"),
        ({1: 0.0, 2: 0.0, 4: 0.0}, "no width found a right cell"),
        ({1: 0.0, 2: 0.0, 4: 0.4}, ""),
        ({1: 0.9, 2: 0.9, 4: 0.9}, ""),
        ({1: 0.9, 2: 0.5, 4: 0.905}, ""),
        ({4: 0.9}, ""),
    ],
)
def test_speed_ups_of_other_work_are_one_sentence(f1: dict[int, float], told: str) -> None:
    found = sweep_of({w: [record(f"t{n}", 30 // w, value) for n in range(9)] for w, value in f1.items()})
    why = no_speedup(found)
    assert why.startswith(told)
    assert bool(why) == bool(told)
    assert no_speedup(Sweep(found.points, {}, "depth")) == ""


def test_a_fixed_path_is_a_reason_too() -> None:
    found = sweep_of({w: [record("t", 9)] for w in (1, 2)})
    fixed = Sweep(found.points, {"equal": {"kind": "critical-path", "amount": 9}})
    assert "the same critical path of at most 9 turns" in no_speedup(fixed)


def test_widths_that_found_more_are_not_the_same_work() -> None:
    found = speedup_of(lawful(0.3, {1: 0.5, 2: 0.7, 4: 0.9, 8: 0.9, 16: 0.9}))
    assert [p.comparable for p in found.points] == [True, False, False, False, False]
    assert found.points[1].difference == pytest.approx(0.2)
    assert found.fit is None
    assert "item-F1 at width 2, 4, 8, 16 differs from width 1" in amdahl_lines(found)[0]
    some = speedup_of(lawful(0.3, {8: 0.5}))
    assert some.fit is not None
    assert some.fit.widths == (1, 2, 4, 16)


def test_only_tasks_that_all_widths_have_count() -> None:
    sweep = sweep_of({
        1: [record("a", 10), record("b", 1000)],
        2: [record("a", 5)],
    })  # fmt: skip
    found = speedup_of(sweep)
    assert (found.tasks, found.points[1].speedup) == (1, 2.0)
    assert found.fit is None
    assert "three widths" in found.why_no_fit


def test_the_clock_is_another_measure() -> None:
    sweep = sweep_of({w: [record("a", 10, seconds=8 / w), record("b", 10, seconds=4 / w)] for w in (1, 2, 4)})
    assert speedup_of(sweep).points[2].speedup == 1.0
    found = speedup_of(sweep, clock="seconds")
    assert found.points[2].speedup == 4.0
    assert found.fit is not None
    assert found.fit.serial == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        (Sweep((), {}, "depth"), "needs a width sweep"),
        (sweep_of({1: [record("a", 3)]}), "at least two widths"),
        (sweep_of({1: [record("a", 3)], 2: [record("b", 3)]}), "no task in common"),
        (sweep_of({1: [record("a", 0)], 2: [record("a", 0)]}), "was not measured"),
    ],
)
def test_without_times_to_compare(sweep: Sweep, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        speedup_of(sweep)
    with pytest.raises(ConfigError, match="three widths"):
        fit_amdahl((1, 2), np.ones((2, 2)))
