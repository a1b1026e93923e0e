"""The figure of error against compute, with the front."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.design import short_names
from ablate.report.figures import callouts, style
from ablate.report.figures.material import Material
from ablate.report.front import MARGIN, Front
from ablate.report.names import compute_title
from ablate.statistics.fronts import attainment
from ablate.statistics.samples import Floats

BARS = 60  # dominated points with a bar each; more bars than that read as a wall
NAMED = 24


def pareto(m: Material) -> Iterator[style.Picture]:
    """Error against compute: a point a configuration, bars of one standard deviation, the front as a step line."""
    if m.best is None:
        return
    points = m.best.points
    figure = Figure(figsize=(style.PAGE, 3.6))
    axes = figure.subplots()
    axes.margins(x=0.1, y=0.08)
    for on_front in (False, True):
        _scatter(axes, points[points["front"] == on_front], m.look, alpha=1.0 if on_front else 0.35)
    style.spread_out(axes, "x", list(points["compute"]))
    step_P2 = _front_line(axes, points[points["front"]].sort_values("compute"))
    axes.set_xlabel(f"{compute_title(m.about.report.compute)}, one window")
    axes.set_ylabel(m.error_title)
    seeds = _band(axes, m)
    _legend(figure, axes, m)
    _name_points(axes, points, step_P2, m.values)
    caption = _caption(m.best, m, seeds)
    yield style.Picture(name="pareto", title="Accuracy against compute", caption=caption, figure=figure)


def _scatter(axes: Axes, points: pd.DataFrame, look: style.Looks, alpha: float) -> None:
    for group, part in points.groupby("group", sort=False):
        colour, marker = look.colours[str(group)], look.markers[str(group)]
        if len(points) <= BARS:
            axes.errorbar(
                part["compute"],
                part["error"],
                yerr=part["spread"],
                fmt="none",
                ecolor=colour,
                elinewidth=0.7,
                capsize=1.5,
                alpha=alpha,
                zorder=2,
            )
        axes.scatter(
            part["compute"],
            part["error"],
            s=26,
            marker=marker,
            color=colour,
            edgecolors="white",
            linewidths=0.4,
            alpha=alpha,
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


def _band(axes: Axes, m: Material) -> int:
    """Shade what the fronts of some seeds attain and not of all, within the axes; over how many seeds, 0 where there is
    one."""
    cost_LS = m.compute_LS(m.about.report.compute)
    seeds = int((np.isfinite(cost_LS) & np.isfinite(m.error_LS)).any(axis=0).sum())
    if seeds < 2:
        return 0
    stairs = attainment(cost_LS, m.error_LS, (0, 100))
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    x = np.unique(np.concatenate([*(stair[:, 0] for stair in stairs.values()), [right]]))
    lowest, highest = (_height(stairs[percent], x, top) for percent in (0, 100))
    axes.fill_between(
        x,
        lowest,
        highest,
        step="post",
        color=style.PALE,
        alpha=0.3,
        linewidth=0,
        zorder=0,
        label=f"fronts of {seeds} seeds",
    )
    return seeds


def _height(stair_P2: Floats, x: Floats, top: float) -> Floats:
    """The least error that the staircase has at no more compute than each of ``x``; ``top`` before its first step."""
    place = np.searchsorted(stair_P2[:, 0], x, side="right")
    return np.where(place > 0, np.minimum.accumulate(stair_P2[:, 1])[np.maximum(place - 1, 0)], top)


def _legend(figure: Figure, axes: Axes, m: Material) -> None:
    for group in m.look.markers:
        axes.plot([], [], m.look.markers[group], color=m.look.colours[group], label=group)
    axes.plot([], [], color=style.INK, linewidth=0.8, label="front")
    axes.plot([], [], "o", color=style.PALE, alpha=0.5, label="pale: dominated")
    sweep = m.about.sweep
    title = f"points are named {' / '.join(short_names(sweep).values())}" if sweep else None
    figure.legend(loc="outside upper center", title=title, ncols=8, columnspacing=1.2, handletextpad=0.5)


def _name_points(axes: Axes, points: pd.DataFrame, step_P2: np.ndarray, short: Mapping[str, str]) -> None:
    """Name every configuration that sweeps nothing, the baseline among them, then the front."""
    plain = ~points["label"].isin(list(short))
    named = pd.concat([points[plain], points[points["front"] & ~plain]]).head(NAMED)
    texts = [short.get(label, label) for label in named["label"]]
    x, y, spread = (points[name].to_numpy() for name in ("compute", "error", "spread"))
    bars = np.concatenate([np.stack([x, y + share * np.nan_to_num(spread)], axis=1) for share in np.linspace(-1, 1, 9)])
    callouts.place(axes, named[["compute", "error"]].to_numpy(), texts, np.concatenate([bars, step_P2]))


def _caption(front: Front, m: Material, seeds: int) -> str:
    points, (compute, error) = front.points, front.reference
    band = (
        f" The band: what the front of the luckiest of {seeds} seeds attains anywhere, down to what all of them do (the"
        " empirical attainment surfaces of 0 and 100 %)."
    )
    return (
        f"{int(points['front'].sum())} of {len(points)} configurations are on the front: no other is as good on one"
        " axis and better on the other (on means over seeds; bars are one standard deviation, and points nearer to each"
        f" other than that could change places). Hypervolume {front.hypervolume:.4g}"
        f" ({100 * front.share:.1f} % of the rectangle from the origin to the reference point), reference point"
        f" {compute:.4g} on {compute_title(m.about.report.compute)} and {error:.4g} {m.unit}:"
        f" {MARGIN} times the worst of each axis.{band if seeds else ''}"
    )
