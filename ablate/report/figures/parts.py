"""The cost of a window by stage, as stacked bars."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import compute_title
from ablate.report.tables import MINUS

ROWS = 14  # bars of a figure
PREFIX = "inference_gmacs_"
# In the order of a pass: what it is called, how dark it is and how it is hatched.
STAGES: Mapping[str, tuple[str, str, str]] = {
    "embedding": ("embedding", style.PALE, "...."),
    "dense_pairs": ("pairs on all frames", "#1b3a5c", ""),
    "tcep_pairs": ("pairs after TCEP", "#3f86c1", "///"),
    "mgptp_pairs": ("pairs after MGPTP", "#a9d0ee", "\\\\\\"),
    "selection": ("choosing frames", "#E69F00", "xxxx"),
    "recovery": ("recovery", "#f6d99b", "---"),
    "head": ("head", "#5c5c5c", ""),
    "other": ("not told by stage", "white", "++"),
}


def parts(m: Material) -> Iterator[style.Picture]:
    """A bar a configuration, its GMACs by stage; nothing where no record holds them."""
    table = pd.DataFrame({stage: m.compute(f"{PREFIX}{stage}") for stage in STAGES}).dropna(how="all").fillna(0.0)
    chosen = [label for label in m.few(ROWS) if label in table.index]
    if not chosen:
        return
    table = table.loc[chosen, table.loc[chosen].gt(0).any()]
    figure = Figure(figsize=(style.PAGE, 0.9 + 0.24 * len(chosen)))
    axes = figure.subplots()
    _bars(axes, table)
    _totals(axes, table.sum(axis=1), m.about.baseline)
    axes.set_yticks(range(len(chosen)), labels=[m.name(label) for label in chosen])
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{compute_title('inference_gmacs')}, one window with all its passes")
    figure.legend(loc="outside upper center", ncols=len(table.columns))
    caption = (
        f"{len(chosen)} of {len(m.labels)} configurations. The parts are closed forms and add up to the GMACs of"
        " lifting a window, with all hypotheses, steps and flips; beside them stands the total and its change against"
        f" {m.about.baseline}. A pair is a spatial and a temporal block; what takes less than a line's width can't be"
        " seen."
    )
    yield style.Picture(name="compute_by_stage", title="Compute by stage", caption=caption, figure=figure)


def _bars(axes: Axes, table: pd.DataFrame) -> None:
    left = np.zeros(len(table))
    for stage in table.columns:
        name, colour, hatch = STAGES[stage]
        values = table[stage].to_numpy()
        axes.barh(
            np.arange(len(table)),
            values,
            left=left,
            height=0.62,
            color=colour,
            hatch=hatch,
            edgecolor="white" if colour != "white" else style.INK,
            linewidth=0.4,
            label=name,
        )
        left += values


def _totals(axes: Axes, totals: pd.Series, baseline: str) -> None:
    for row, (label, total) in enumerate(totals.items()):
        text = f"{total:.3g}"
        if baseline in totals.index and label != baseline:
            change = 100 * (total / totals[baseline] - 1)
            text += f" ({change:+.0f} %)".replace("-", MINUS)
        axes.annotate(text, (total, row), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_xlim(0, 1.13 * float(totals.max()))
