"""The style of figures, and writing them to files. The same figure always gives the same bytes.

In SVG files, text stays text. So it can be searched, read aloud and edited. People with any kind of colour vision can
distinguish the colours. In a grey print, markers and line styles distinguish the curves.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wideseek_env.errors import ConfigError, MissingDependencyError, extra_hint

INSTALL = extra_hint("plot")

INK, GRID, PAPER = "#222222", "#dddddd", "#ffffff"

COLUMN, PAGE = 3.35, 6.9
"""Width of one column of a paper, and of a whole page, in inches."""

FORMATS = ("svg", "png", "pdf")

DOTS = 300
"""Resolution of PNG files, in pixels per inch."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """Colour, marker and line style of one curve."""

    colour: str
    marker: str
    line: Any


# Okabe and Ito's palette without yellow, which is too light for lines.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", (0, (5, 2)), (0, (1, 1.3)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica", "sans-serif"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 3.3,
    "savefig.dpi": DOTS,
    "svg.fonttype": "none",
    "svg.hashsalt": "wideseek",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "axes.unicode_minus": True,
}

_NO_DATES: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def plot_available() -> bool:
    """Whether figures can be drawn. They can if matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def stroke(number: int) -> Stroke:
    """The style of curve `number`, from 0. The first 35 styles all differ."""
    return Stroke(
        COLOURS[number % len(COLOURS)],
        _MARKERS[number % len(_MARKERS)],
        _LINES[(number + number // 35) % len(_LINES)],
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished figure. `render` and `save` give the same bytes every time."""

    figure: Any

    def render(self, form: str = "svg") -> bytes:
        """The bytes of the file. `form` is "svg", "png" or "pdf"."""
        if form not in FORMATS:
            raise ConfigError(f"unknown format {form!r} of a figure; use one of {', '.join(FORMATS)}")
        out = io.BytesIO()
        with styled():
            self.figure.savefig(out, format=form, metadata=_NO_DATES[form])
        return out.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the figure to `path`. The ending of the file name decides the format."""
        path = Path(path)
        data = self.render(path.suffix[1:].lower())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style of figures during a ``with`` block.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: F401
        from matplotlib.figure import Figure  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(f"drawing needs matplotlib; {INSTALL}") from error
    style: Any = _STYLE
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names may be in any script
        yield


def picture(width: float, height: float, draw: Callable[[Any], None]) -> Picture:
    """A figure of `width` by `height` inches. `draw` gets the matplotlib figure and draws on it.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with styled():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure: Any = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
        FigureCanvasAgg(figure)  # draws without a display and without pyplot's global state
        figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
        draw(figure)
        return Picture(figure)
