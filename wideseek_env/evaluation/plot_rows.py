"""A figure of where gold rows were lost: one stacked bar for each size of a sweep."""

from __future__ import annotations

from typing import Any

from wideseek_env.errors import ConfigError
from wideseek_env.evaluation.coverage import FATES, LABELS, Fate
from wideseek_env.evaluation.curves import SIZE_LABELS, Curve
from wideseek_env.evaluation.drawing import COLOURS, COLUMN, INK, PAPER, Picture, picture

_LOOKS: dict[Fate, tuple[str, str]] = {
    "right": (COLOURS[2], ""),
    "wrong_values": (COLOURS[4], "////"),
    "lost_in_merge": (COLOURS[1], "xxxx"),
    "not_reported": (COLOURS[5], "----"),
    "not_found": (COLOURS[6], ""),
}
"""Colour and hatch of each fate. In a grey print, the hatches tell them apart."""


def has_rows(curve: Curve) -> bool:
    """Whether it is known for some size where gold rows were lost."""
    return any(FATES[0] in summary.rows for _, summary in curve.points)


def draw_rows(curve: Curve) -> Picture:
    """Draw the shares of gold rows by what became of them, as wide as one column of a paper.

    There is one bar for each size, and one for the single agent. Its parts sum to 100. A line shows item-F1. Sizes for
    which the shares are not known have no bar.

    Raises:
        ConfigError: The shares are known for no size.
        MissingDependencyError: matplotlib is not installed.
    """
    if not has_rows(curve):
        raise ConfigError(f"{curve.name} has no record of where gold rows were lost")
    named = [("single", curve.single)] if curve.single is not None else []
    points = [*named, *((str(size), summary) for size, summary in curve.points)]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = [at for at, (_, summary) in enumerate(points) if FATES[0] in summary.rows]
        bottoms = [0.0] * len(places)
        for fate in FATES:
            colour, hatch = _LOOKS[fate]
            shares = [100 * points[at][1].rows[fate] for at in places]
            axes.bar(
                places, shares, bottom=bottoms, color=colour, hatch=hatch, edgecolor=PAPER, linewidth=0.4, width=0.72,
                label=LABELS[fate],
            )  # fmt: skip
            bottoms = [bottom + share for bottom, share in zip(bottoms, shares, strict=True)]
        first = len(named)
        scores = [100 * summary.item_f1 for _, summary in points]
        look = {"color": INK, "marker": "o", "markerfacecolor": PAPER, "linewidth": 1.0}
        axes.plot(range(first, len(points)), scores[first:], label="item-F1", **look)
        axes.plot(range(first), scores[:first], **look)
        axes.set_xticks(range(len(points)), labels=[name for name, _ in points])
        axes.set_xlabel(SIZE_LABELS[curve.kind])
        axes.set_ylim(0, 104)
        axes.set_ylabel("Gold rows (%), item-F1")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)

    return picture(COLUMN, 3.0, draw)
