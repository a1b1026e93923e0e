"""The house style: every figure of every report looks like one paper's, in colour and in greyscale.

Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart by colour-blind readers; a marker, a stroke
and a hatch of its own goes with each, so that nothing is told by hue alone. Values are shown from dark to light
(cividis; Nuñez et al., PLOS ONE 2018). Type is Times-like and of the size of a two-column paper's captions. Files carry
no date, so the same records give the same bytes.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ablate.report.about import About

# Widths of a two-column paper, inches.
PAGE, COLUMN = 7.16, 3.5

INK, PALE, GRID = "#222222", "#9a9a9a", "#e4e4e4"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "v", "P", "X", "<", ">", "p", "h")
BASELINE_MARKER = "D"
Stroke = Literal["-", "--", "-.", ":"]
STROKES: tuple[Stroke, ...] = ("-", "--", "-.", ":")
LABEL: dict[str, Any] = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
"""What stands behind a text that is drawn over lines."""
RAMP = "cividis"
"""The colour map of values, dark where they are low."""

_STYLE: dict[str, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.5,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with what is said of it: ``name`` is the files' stem under ``figures/``. ``moving`` is the content of a
    GIF that shows the same in motion; None where nothing moves."""

    name: str
    title: str
    caption: str
    figure: Figure = field(repr=False, compare=False)
    moving: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Looks:
    """A colour, a marker and a stroke for each group, the same in every figure of a report; the baseline's are its
    own."""

    colours: dict[str, str]
    markers: dict[str, str]
    strokes: dict[str, Stroke]


def looks(frame: pd.DataFrame, about: About) -> Looks:
    own = frame.loc[frame["label"] == about.baseline, "group"].unique()
    others = [group for group in frame["group"].unique() if group not in own]
    return Looks(
        dict.fromkeys(own, INK) | dict(zip(others, itertools.cycle(COLOURS), strict=False)),
        dict.fromkeys(own, BASELINE_MARKER) | dict(zip(others, itertools.cycle(MARKERS), strict=False)),
        {group: STROKES[i % len(STROKES)] for i, group in enumerate([*own, *others])},
    )


@contextmanager
def house() -> Iterator[None]:
    """The house style, whatever the reader's own matplotlib settings are, for drawing and for saving."""
    with mpl.style.context(["default", _STYLE]):
        yield


def spread_out(axes: Axes, which: Literal["x", "y"], values: Sequence[float]) -> bool:
    """Make an axis logarithmic, with plain numbers on it, where ``values`` are positive and span over a decade; and
    whether they do."""
    if not 0 < 10 * min(values) < max(values):
        return False
    axis, scale = (axes.xaxis, axes.set_xscale) if which == "x" else (axes.yaxis, axes.set_yscale)
    scale("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    return True


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``folder/<name>.pdf`` and ``.png``, free of dates and of one layout."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # else it would be laid out for each file again
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "Creator": "pose-ablate", "Producer": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": "pose-ablate"})


def fit(axes: Axes, which: Literal["x", "y"], means: Sequence[float], margin: float = 0.8) -> bool:
    """Narrow an axis to ``means`` and so many times their range on either side, and whether that cut anything off: an
    interval of few seeds may be a thousand times as long as what it is of."""
    get, put = (axes.get_xlim, axes.set_xlim) if which == "x" else (axes.get_ylim, axes.set_ylim)
    (low, high), room = get(), margin * (max(means) - min(means))
    if room == 0:
        return False
    new = max(low, min(means) - room), min(high, max(means) + room)
    put(*new)
    return new != (low, high)
