"""The figure of ``ablate bench protocol``: what ways to sample err against the time they take."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.bench.ratios import Timing
from ablate.report.figures import callouts, style

if TYPE_CHECKING:
    from ablate.bench.protocol import Way

KINDS = (  # does it prune, is it low-passed, and its name in the figure
    (False, False, "dense"),
    (True, False, "pruned"),
    (False, True, "dense, low-passed"),
    (True, True, "pruned, low-passed"),
)


def picture(ways: Sequence["Way"], reference: "Way", yardstick: Timing, best: "Way", margin_mm: float) -> bytes:
    """A PNG of test error against seconds a window: a point a way, with the 95 % interval of its difference from the
    ``reference``'s error; hollow where it is low-passed, in another marker where it prunes; ``best`` is ringed.

    ``yardstick`` stands at the reference's error, and a line at ``margin_mm`` above it.
    """
    with style.house():
        figure = Figure(figsize=(style.PAGE, 3.6))
        axes = figure.subplots()
        axes.margins(x=0.1, y=0.1)
        for way in ways:
            _point(axes, way)
        error, name = reference.test_mm, f"{yardstick.name}, {reference.label}"
        axes.plot([yardstick.median], [error], "X", color=style.INK, linestyle="none", label=name)
        axes.axhline(error + margin_mm, color=style.PALE, linestyle="--", label=f"its error + {margin_mm} mm")
        ring: dict[str, Any] = {"mfc": "none", "mec": style.INK, "markersize": 10, "linestyle": "none"}
        axes.plot([best.timing.median], [best.test_mm], "o", label="recommended", **ring)
        style.spread_out(axes, "x", [yardstick.median, *(way.timing.median for way in ways)])
        style.fit(axes, "y", [way.test_mm for way in ways])
        axes.set_xlabel("seconds a window, measured here")
        axes.set_ylabel("MPJPE, test (mm)")
        for pruned, low_passed, name in KINDS:
            axes.plot([], [], **_look(pruned, low_passed), label=name)
        figure.legend(loc="outside upper center", ncols=7, columnspacing=1.2, handletextpad=0.5)
        _named(axes, sorted(ways, key=lambda way: way not in (reference, best)), (yardstick.median, error))
        held = io.BytesIO()
        figure.savefig(held, format="png", metadata={"Software": "pose-ablate"})
    return held.getvalue()


def _point(axes: Axes, way: "Way") -> None:
    x, y, off = way.timing.median, way.test_mm, way.test
    if off.known:
        ends = [[off.mean - off.low], [off.high - off.mean]]
        axes.errorbar([x], [y], yerr=ends, fmt="none", ecolor=style.PALE, elinewidth=0.7, capsize=1.5, zorder=1)
    configuration = way.cell.configuration
    look = _look(configuration.model.pruning is not None, configuration.evaluate.low_pass is not None)
    axes.plot([x], [y], **look)


def _look(pruned: bool, low_passed: bool) -> dict[str, Any]:
    colour, marker = style.COLOURS[pruned], style.MARKERS[pruned]
    return {"marker": marker, "color": colour, "mfc": "white" if low_passed else colour, "linestyle": "none"}


def _named(axes: Axes, ways: Sequence["Way"], yardstick_2: tuple[float, float]) -> None:
    """Each point by its row's label, where there is room."""
    points_P2 = np.array([(way.timing.median, way.test_mm) for way in ways])
    callouts.place(axes, points_P2, [way.label for way in ways], np.array([*points_P2, yardstick_2]))
