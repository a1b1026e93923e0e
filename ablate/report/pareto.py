"""The figure of error against compute, with the front."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.design import short_names
from ablate.records import Record
from ablate.report import callouts, style
from ablate.report.about import About
from ablate.report.front import MARGIN, Front
from ablate.report.names import compute_title, error_title
from ablate.report.results import error_unit, swept


def pareto(front: Front, frame: pd.DataFrame, records: Sequence[Record], about: About, folder: Path) -> style.Picture:
    """Error against compute: a point a configuration, bars of one standard deviation, the front as a step line."""
    points, look = front.points, style.looks(frame, about)
    with style.house():
        figure = Figure(figsize=(style.PAGE, 3.6))
        axes = figure.subplots()
        axes.margins(x=0.1, y=0.08)
        for on_front, some in points.groupby("front"):
            _scatter(axes, some, look, alpha=1.0 if on_front else 0.35)
        style.spread_out(axes, "x", list(points["compute"]))
        step_P2 = _front_line(axes, points[points["front"]].sort_values("compute"))
        axes.set_xlabel(f"{compute_title(about.report.compute)}, one window")
        axes.set_ylabel(error_title(about.report.metric, error_unit(frame, about)))
        _legend(figure, axes, look, about)
        _name_points(axes, points, step_P2, swept(records, about))
        style.save(figure, folder, "pareto")
    return style.Picture(name="pareto", title="Accuracy against compute", caption=_front_caption(front, about, frame))


def _scatter(axes: Axes, points: pd.DataFrame, look: style.Looks, alpha: float) -> None:
    for group, part in points.groupby("group", sort=False):
        axes.errorbar(
            part["compute"],
            part["error"],
            yerr=part["spread"],
            fmt="none",
            ecolor=look.colours[str(group)],
            elinewidth=0.7,
            capsize=1.5,
            alpha=alpha,
            zorder=2,
        )
    sns.scatterplot(
        points,
        x="compute",
        y="error",
        hue="group",
        style="group",
        palette=look.colours,
        markers=look.markers,
        s=32,
        alpha=alpha,
        linewidth=0.4,
        legend=False,
        ax=axes,
        zorder=3,
    )


def _front_line(axes: Axes, best: pd.DataFrame) -> np.ndarray:
    """Draw the border of what the front dominates, from the top of the axes to their right; its points, densely."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    x, y = best["compute"].to_numpy(), best["error"].to_numpy()
    corners_x = np.concatenate([[x[0]], np.repeat(x[1:], 2), [right]])
    corners_y = np.concatenate([np.repeat(y[:-1], 2), [y[-1], y[-1]]])
    axes.plot(corners_x, corners_y, color=style.INK, linewidth=0.8, zorder=1)
    axes.plot([x[0], x[0]], [y[0], top], color=style.INK, linewidth=0.8, linestyle=":", zorder=1)
    axes.set_xlim(axes.get_xlim()[0], right)
    axes.set_ylim(axes.get_ylim()[0], top)
    along = np.linspace(0, 1, 60)[:, None]
    ends = np.stack([corners_x, corners_y], axis=1)
    return np.concatenate([a + along * (b - a) for a, b in itertools.pairwise(ends)])


def _legend(figure: Figure, axes: Axes, look: style.Looks, about: About) -> None:
    for group in look.markers:
        axes.plot([], [], look.markers[group], color=look.colours[group], label=group)
    axes.plot([], [], color=style.INK, linewidth=0.8, label="front")
    axes.plot([], [], "o", color=style.PALE, alpha=0.5, label="pale: dominated")
    title = f"points are named {' / '.join(short_names(about.sweep).values())}" if about.sweep else None
    figure.legend(loc="outside upper center", title=title, ncols=8, columnspacing=1.2, handletextpad=0.5)


def _name_points(axes: Axes, points: pd.DataFrame, step_P2: np.ndarray, short: Mapping[str, str]) -> None:
    """Name every configuration that sweeps nothing, the baseline among them, then the front."""
    plain = ~points["label"].isin(list(short))
    named = pd.concat([points[plain], points[points["front"] & ~plain]])
    texts = [short.get(label, label) for label in named["label"]]
    x, y, spread = (points[name].to_numpy() for name in ("compute", "error", "spread"))
    bars = np.concatenate([np.stack([x, y + share * np.nan_to_num(spread)], axis=1) for share in np.linspace(-1, 1, 9)])
    callouts.place(axes, named[["compute", "error"]].to_numpy(), texts, np.concatenate([bars, step_P2]))


def _front_caption(front: Front, about: About, frame: pd.DataFrame) -> str:
    points, (compute, error) = front.points, front.reference
    return (
        f"{int(points['front'].sum())} of {len(points)} configurations are on the front: no other is as good on one"
        " axis and better on the other (on means over seeds; bars are one standard deviation, and points nearer to each"
        f" other than that could change places). Hypervolume {front.hypervolume:.4g}"
        f" ({100 * front.share:.1f} % of the rectangle from the origin to the reference point), reference point"
        f" {compute:.4g} on {compute_title(about.report.compute)} and {error:.4g} {error_unit(frame, about)}:"
        f" {MARGIN} times the worst of each axis."
    )
