"""The figure of error against compute by the stages of pruning that are on, where a study varies them."""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.records import Record
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import compute_title
from ablate.statistics.fronts import nondominated

STAGES = {"tcep": "TCEP", "sft": "SFT", "mgptp": "MGPTP"}
NONE, JOIN = "none", " + "
# The more stages, the darker.
_MARKERS = ("D", "o", "s", "^", "<", "v", ">", "*")
_COLOURS = (style.PALE, "#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#0072B2", style.INK)
_SUBSETS = chain.from_iterable(combinations(STAGES.values(), n) for n in range(len(STAGES) + 1))
LOOKS = {
    JOIN.join(on) or NONE: {"marker": marker, "color": colour, "markersize": 5 + len(on)}
    for on, marker, colour in zip(_SUBSETS, _MARKERS, _COLOURS, strict=True)
}
BARS = 60  # points with a bar each


def stages(m: Material) -> Iterator[style.Picture]:
    """Points by combination of stages, each with its own front; only where two different combinations prune."""
    if m.best is None:
        return
    points = m.best.points
    control = [bool(m.first[label].config["evaluate"].get("low_pass")) for label in points["label"]]
    points = points.assign(stages=[_on(m.first[label]) for label in points["label"]])[~np.array(control)]
    if len(set(points["stages"]) - {NONE}) < 2:
        return
    points[["below", "above"]] = m.intervals.around.loc[points["label"]].to_numpy()
    figure = Figure(figsize=(1.5 * style.COLUMN, 2.8))
    axes = figure.subplots()
    axes.margins(x=0.08, y=0.08)
    for name, look in LOOKS.items():
        part = points[points["stages"] == name]
        if not part.empty:
            _draw(axes, part, name, look, bars=len(points) <= BARS)
    style.spread_out(axes, "x", list(points["compute"]))
    cut = style.fit(axes, "y", list(points["error"]))
    axes.set_xlabel(f"{compute_title(m.about.report.compute)}, one window")
    axes.set_ylabel(m.error_title)
    figure.legend(loc="outside right upper", title="stages that prune", alignment="left")
    said = [f"{len(points)} configurations by the stages of pruning that are on."]
    if points["stages"].duplicated().any():
        said.append("A line joins those of a combination that none of it beats on both axes.")
    if len(points) <= BARS:
        said += [m.intervals.said, *(["Some go on outside."] if cut else [])]
    yield style.Picture(name="stages", title="The front by stage of pruning", caption=" ".join(said), figure=figure)


def _on(record: Record) -> str:
    pruning = record.config["model"].get("pruning") or {}
    return JOIN.join(name for stage, name in STAGES.items() if pruning.get(stage) is not None) or NONE


def _draw(axes: Axes, part: pd.DataFrame, name: str, look: dict[str, Any], *, bars: bool) -> None:
    if bars:
        bounds = part[["below", "above"]].to_numpy().T
        axes.errorbar(
            part["compute"], part["error"], bounds, fmt="none", ecolor=look["color"], elinewidth=0.6, capsize=1.5
        )
    axes.plot(part["compute"], part["error"], linestyle="", label=name, **look)
    plane = part[["compute", "error"]].to_numpy()
    best = plane[nondominated(plane)]
    best = best[np.lexsort((-best[:, 1], best[:, 0]))]
    if len(best) > 1:
        stroke = style.STROKES[name.count(JOIN) % len(style.STROKES)]
        axes.plot(*best.T, drawstyle="steps-post", color=look["color"], linestyle=stroke, linewidth=0.8, zorder=1)
