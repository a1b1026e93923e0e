"""The figure of MACs against measured latency: where pruning saves the one and not the other."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.report import protocol
from ablate.report.figures import callouts, style
from ablate.report.figures.material import Material
from ablate.report.names import compute_title

BARS = 60  # points with a bar each
NAMED = 12


def latency(m: Material) -> Iterator[style.Picture]:
    """A point a configuration, and the line of latency in proportion to the baseline's MACs; only where the baseline
    and something of other MACs were measured."""
    points = pd.DataFrame({"macs": m.compute("inference_gmacs"), "ms": m.compute("latency_ms")})
    points["below"] = points["ms"] - m.compute("latency_q1_ms")
    points["above"] = m.compute("latency_q3_ms") - points["ms"]
    points = points.dropna(subset=["macs", "ms"])
    base = m.about.baseline
    if base not in points.index or points["macs"].nunique() < 2:
        return
    figure = Figure(figsize=(1.5 * style.COLUMN, 2.8))
    axes = figure.subplots()
    axes.margins(0.08)
    _draw(axes, points, m)
    logarithmic = style.spread_out(axes, "x", list(points["macs"]))
    style.spread_out(axes, "y", list(points["ms"]))
    if not logarithmic:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    slope = float(points["ms"][base] / points["macs"][base])
    macs = np.linspace(points["macs"].min() if logarithmic else 0.0, points["macs"].max(), 50)
    axes.plot(macs, slope * macs, color=style.INK, linestyle="--", linewidth=0.8, zorder=1, label="in proportion")
    axes.set_xlabel(f"{compute_title('inference_gmacs')}, one window")
    axes.set_ylabel(f"{compute_title('latency_ms')}, one window")
    figure.legend(loc="outside right upper")
    named = [label for label in m.few(NAMED) if label in points.index]
    line_P2 = np.column_stack([macs, slope * macs])
    every_P2 = points[["macs", "ms"]].to_numpy()
    callouts.place(
        axes,
        points.loc[named, ["macs", "ms"]].to_numpy(),
        [m.values.get(label, label) for label in named],
        np.concatenate([every_P2, line_P2]),
    )
    yield style.Picture(
        name="latency", title="MACs against measured latency", caption=_caption(points, slope, m), figure=figure
    )


def _draw(axes: Axes, points: pd.DataFrame, m: Material) -> None:
    for group, part in points.groupby(points.index.map(m.group), sort=False):
        colour, marker = m.look.colours[str(group)], m.look.markers[str(group)]
        if len(points) <= BARS and part[["below", "above"]].notna().all(axis=None):
            bounds = part[["below", "above"]].to_numpy().T
            axes.errorbar(part["macs"], part["ms"], bounds, fmt="none", ecolor=colour, elinewidth=0.6, capsize=1.5)
        axes.plot(
            part["macs"],
            part["ms"],
            marker,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.4,
            label=str(group),
        )


def _caption(points: pd.DataFrame, slope: float, m: Material) -> str:
    pruned = points[points["macs"] < points["macs"][m.about.baseline]]
    over = int((pruned["ms"] > slope * pruned["macs"]).sum())
    slower = int((pruned["ms"] >= points["ms"][m.about.baseline]).sum())
    caption = (
        f"Inference of one window, {len(points)} configurations; latency is the median of the repeats, meaned over"
        " seeds"
    )
    if points[["below", "above"]].notna().all(axis=None) and len(points) <= BARS:
        caption += ", bars its quartiles"
    caption += (
        f". Dashed: what {m.about.baseline} would take with fewer MACs if time were in proportion. {over} of"
        f" {len(pruned)} configurations with fewer MACs lie above it, {slower} are no faster than {m.about.baseline}."
    )
    return " ".join([caption, protocol.beside(m.records)]).strip()
