"""Labels of figures: inside the frame, on no marker and no other label, and dotted lines that end in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest

from wideseek_env.evaluation import Curve, Sweep, SweepPoint, draw_metric, draw_overview
from wideseek_env.evaluation.drawing import Picture
from wideseek_env.evaluation.speedup import Speedup, SpeedupPoint
from wideseek_env.evaluation.summary import Summary, TrialMetric

pytest.importorskip("matplotlib")


def curve(places: Sequence[tuple[float, float]], name: str = "mine", single: float | None = None) -> Curve:
    """A width curve with the given critical paths and item-F1."""

    def summary(path: float, f1: float) -> Summary:
        metric = TrialMetric(avg=f1, avg_low=max(0.0, f1 - 0.05), avg_high=min(1.0, f1 + 0.05))
        metrics = dict.fromkeys(("f1_by_item", "f1_by_row", "score"), metric)
        return Summary(
            episodes=9, tasks=9, turns=path, critical_path=path, tool_calls={"search": path}, metrics=metrics
        )

    points = [SweepPoint(2**n, summary(*place)) for n, place in enumerate(places)]
    alone = [SweepPoint(None, summary(places[0][0], single))] if single is not None else []
    return Curve.of(Sweep((*alone, *points), {}), name)


def boxes(drawn: Picture) -> dict[Any, list[Any]]:
    """The boxes of the labels in each panel, in pixels."""
    drawn.figure.draw_without_rendering()
    renderer = drawn.figure.canvas.get_renderer()
    return {axes: [text.get_window_extent(renderer) for text in axes.texts] for axes in drawn.figure.axes}


CROWDED = [(12.0, 0.99), (13.1, 0.9), (13.15, 0.62), (13.15, 0.4)]


@pytest.mark.parametrize(
    "places",
    [
        CROWDED,
        [(9, 1.0)] * 5,
        [(9 + n / 100, 1.0) for n in range(7)],
        [(9, 0.0), (18, 0.0)],
        [(1, 0.5)],
        [(2.0**n, 1 - n / 10) for n in range(7)],
        [(5, 0.05), (5, 0.1), (5, 1.0)],
        [(1000, 0.2), (1001, 0.21), (1002, 0.22)],
        [(3, 1.0), (3.2, 0.98), (9, 0.0)],
        [(0.5, 0.5), (0.6, 0.6)],
    ],
    ids=str,
)
def test_labels_collide_with_nothing(places: list[tuple[float, float]]) -> None:
    drawn = draw_metric([curve(places, single=places[-1][1])], axis="critical-path")
    (found,) = boxes(drawn).values()
    axes = drawn.figure.axes[0]
    frame = axes.get_window_extent()
    assert found, "at least one point has its label"
    for one, other in combinations(found, 2):
        assert not one.overlaps(other)
    points = axes.transData.transform([place for line in axes.lines for place in line.get_xydata()])
    for box in found:
        assert frame.x0 - 3 <= box.x0 <= box.x1 <= frame.x1 + 3
        assert frame.y0 - 3 <= box.y0 <= box.y1 <= frame.y1 + 3
        assert not any(box.contains(*point) for point in points)
    ticks = [text.get_text() for text in axes.get_xticklabels() if text.get_text()]
    assert all(float(tick.replace(",", "")).is_integer() for tick in ticks), "turns are counted"


def test_an_overview_has_whole_ticks_and_no_line_outside_its_frame() -> None:
    points = [
        SpeedupPoint(w, 20 / s, s, s * 0.95, s * 1.05, s / w, 0, 0, 0, comparable=True)
        for w, s in ((1, 1.0), (2, 1.4), (4, 1.7), (8, 1.9))
    ]
    places = [(20, 1.0), (14.2, 1.0), (11.7, 1.0), (10.5, 1.0)]
    drawn = draw_overview([curve(places, single=1.0)], [Speedup("critical_path", 9, tuple(points), None)])
    for axes, found in boxes(drawn).items():
        for one, other in combinations(found, 2):
            assert not one.overlaps(other)
        for line in axes.lines:
            places = [place for place in line.get_xydata() if len(line.get_xydata())]
            for x, y in places:
                assert axes.get_xlim()[0] <= x <= axes.get_xlim()[1]
                assert axes.get_ylim()[0] <= y <= axes.get_ylim()[1]
    path = drawn.figure.axes[1]
    assert all(text.get_text().isdigit() for text in path.get_yticklabels())
    assert [text.get_text() for text in path.texts if "." in text.get_text()] == [
        "20.0",
        "14.2",
        "11.7",
        "10.5",
    ]


def test_speed_up_has_a_panel_only_for_the_same_work() -> None:
    points = [SpeedupPoint(w, 9, 1, 1, 1, 1, w / 10, 0.1, 0.9, comparable=w == 1) for w in (1, 2, 4)]
    drawn = draw_overview([curve([(9, 0.5)] * 3)], [Speedup("critical_path", 9, tuple(points), None)])
    assert [axes.get_title(loc="left") for axes in drawn.figure.axes][3] == "Turns of all agents"


def test_many_sizes_have_numbers_where_there_is_room() -> None:
    sizes = range(1, 33)
    metric = TrialMetric(avg=0.5)
    found = Curve(
        "mine", "depth", tuple((n, Summary(episodes=1, metrics={"f1_by_item": metric})) for n in sizes)
    )
    axes = draw_metric([found], title="A title\nof two lines").figure.axes[0]
    shown = [text.get_text() for text in axes.get_xticklabels() if text.get_text()]
    assert shown[0] == "1"
    assert shown[-1] == "32"
    assert 8 < len(shown) < 24
