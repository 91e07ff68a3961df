"""Places labels in a figure next to their points, where they cover no line, no marker and no other label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FAR = (5.0, 9.0, 14.0)  # distances from the point, in points (1/72 inch)
_ROUND = ((0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0))
_ALONG = ((0, 1), (0, -1))
_STEP = 2.0  # distance between two tested places on a line, in pixels
_MOST = 3.0  # largest cost of a place: a short piece of a line under the label
_MARKER = 3.0  # radius of a marker, in points


@dataclass(frozen=True, slots=True)
class _Label:
    axes: Any
    anchors: Sequence[tuple[float, float]]
    text: str
    colour: str
    size: float
    along: bool


@dataclass(slots=True)
class Labels:
    """Collects the labels of a figure. `place` draws them when everything else is drawn."""

    _waiting: list[_Label] = field(default_factory=list)

    def add(self, axes: Any, x: float, y: float, text: str, colour: str, size: float = 6.5) -> None:
        """A label for the point (x, y). It is left out if there is no room next to the point."""
        self._waiting.append(_Label(axes, [(x, y)], text, colour, size, False))

    def add_along(
        self, axes: Any, anchors: Sequence[tuple[float, float]], text: str, colour: str, size: float = 6.0
    ) -> None:
        """A label above or below a line, at the best of several points of the line."""
        self._waiting.append(_Label(axes, anchors, text, colour, size, True))

    def place(self, figure: Any) -> None:
        """Draw the labels. Nothing else may be added to the figure afterwards."""
        if not self._waiting:
            return
        figure.draw_without_rendering()  # only now the places of the panels are known
        scale = figure.dpi / 72
        renderer = figure.canvas.get_renderer()
        taken: dict[Any, list[_Box]] = {}
        lines = {axes: _line_points(axes) for axes in dict.fromkeys(label.axes for label in self._waiting)}
        markers = {axes: _marker_points(axes) for axes in lines}
        for axes in lines:
            legend = axes.get_legend()
            taken[axes] = [_Box.of(legend.get_window_extent(renderer))] if legend is not None else []
        for label in self._waiting:
            axes = label.axes
            text = axes.annotate(
                label.text, label.anchors[0], xytext=(0, 0), textcoords="offset points", ha="center", va="center",
                fontsize=label.size, color=label.colour, parse_math=False,
            )  # fmt: skip
            text.set_in_layout(False)
            size = text.get_window_extent(renderer)
            frame = _Box.of(axes.get_window_extent(renderer)).grown(1.5 * scale)
            best: tuple[float, tuple[float, float], tuple[float, float], _Box] | None = None
            order = 0
            for anchor in label.anchors:
                x, y = axes.transData.transform(anchor)
                for far in _FAR:
                    for right, up in _ALONG if label.along else _ROUND:
                        order += 1
                        dx = right * (far * scale + size.width / 2) * (0.8 if up else 1)
                        dy = up * (far * scale + size.height / 2 - (2 * scale if right else 0))
                        box = _Box(x + dx - size.width / 2, y + dy - size.height / 2, size.width, size.height)
                        cost = 0.02 * order + 100 * (not frame.holds(box))
                        cost += 100 * sum(box.meets(other) for other in taken[axes])
                        cost += 20 * box.grown(_MARKER * scale).count(markers[axes])
                        cost += box.count(lines[axes])
                        if best is None or cost < best[0]:
                            best = cost, anchor, (dx / scale, dy / scale), box
            assert best is not None
            if best[0] >= _MOST:  # it would hide a line, a marker or another label, or leave the frame
                text.remove()
                continue
            text.xy, text.xyann = best[1], best[2]
            taken[axes].append(best[3])


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle in pixels."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, box: Any) -> _Box:
        return cls(box.x0, box.y0, box.width, box.height)

    def grown(self, by: float) -> _Box:
        return _Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def has(self, at: tuple[float, float]) -> bool:
        return self.x <= at[0] <= self.x + self.width and self.y <= at[1] <= self.y + self.height

    def count(self, points: NDArray[np.float64]) -> int:
        """How many of `points`, of shape (n, 2), are in the box."""
        x, y = points.T
        inside = (x >= self.x) & (x <= self.x + self.width) & (y >= self.y) & (y <= self.y + self.height)
        return int(np.count_nonzero(inside))

    def holds(self, other: _Box) -> bool:
        return self.has((other.x, other.y)) and self.has((other.x + other.width, other.y + other.height))

    def meets(self, other: _Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def _marker_points(axes: Any) -> NDArray[np.float64]:
    marked = [line.get_xydata() for line in axes.lines if line.get_marker() not in ("", "None", None)]
    return _in_pixels(axes, marked)


def _line_points(axes: Any) -> NDArray[np.float64]:
    """Points on all lines of a panel, close to each other: curves, and the bars of intervals."""
    pieces = [line.get_xydata() for line in axes.lines if line.get_linestyle() not in ("None", "", " ")]
    pieces += [
        each for found in axes.collections if hasattr(found, "get_segments") for each in found.get_segments()
    ]
    points = []
    for piece in pieces:
        places = _in_pixels(axes, [piece])
        for start, end in pairwise(places):
            steps = max(1, int(hypot(*(end - start)) / _STEP))
            points.append(start + (end - start) * np.linspace(0, 1, steps + 1)[:, None])
    return np.concatenate(points) if points else np.empty((0, 2))


def _in_pixels(axes: Any, pieces: Sequence[Any]) -> NDArray[np.float64]:
    filled = [np.asarray(piece, float) for piece in pieces if len(piece)]
    if not filled:
        return np.empty((0, 2))
    return np.asarray(axes.transData.transform(np.concatenate(filled)), float)
