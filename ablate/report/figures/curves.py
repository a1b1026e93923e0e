"""The figure of how each training went: its loss and the validation error over the epochs."""

from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.records import Record
from ablate.report.figures import style
from ablate.report.figures.material import Material

# Each panel: the curve, the curve that holds its epochs (None: one value an epoch), the axis.
_PANELS = (
    ("train_loss_mm", None, "training loss (mm)"),
    ("validation_mpjpe_mm", "validation_epoch", "validation MPJPE (mm)"),
)
NAMED = 8  # kinds of trainings in a legend; more are drawn alike


def curves(m: Material) -> Iterator[style.Picture]:
    """A line a training (configurations that share weights share a line), a dot at the epoch whose weights count."""
    groups: dict[str, dict[str, None]] = {}
    for record in m.records:
        groups.setdefault(record.training_key, {})[record.group] = None
    trainings = {record.training_key: record for record in m.records}
    kinds: dict[str, list[str]] = {}
    for key, of in groups.items():
        kinds.setdefault(", ".join(of), []).append(key)
    figure = Figure(figsize=(style.PAGE, 2.4))
    both = figure.subplots(1, 2, sharex=True)  # a single validated epoch lies where it was trained
    panels = [(axes, *panel) for axes, panel in zip(both, _PANELS, strict=True)]
    for name, keys in kinds.items():
        colour, stroke = _look(m.look, next(iter(groups[keys[0]]))) if len(kinds) <= NAMED else (style.PALE, "-")
        some = {key: trainings[key] for key in keys}
        for axes, curve, epochs, _ in panels:
            _lines(axes, some, curve, epochs, colour, stroke)
        panels[0][0].plot([], [], color=colour, linestyle=stroke, label=name)
    for axes, curve, _, title in panels:
        _axes(axes, [value for record in trainings.values() for value in record.curves[curve]], title)
    handles = panels[0][0].get_legend_handles_labels()[0] if len(kinds) <= NAMED else []
    dot = Line2D([], [], marker="o", linestyle="", color=style.INK, markersize=3, label="kept epoch")
    figure.legend(handles=[*handles, dot], loc="outside upper center", ncols=5)
    caption = (
        f"A line a training ({len(trainings)} in all), told apart by what is evaluated from it; dots mark the epoch"
        " with the lowest validation error, whose weights count."
    )
    yield style.Picture(name="curves", title="Training", caption=caption, figure=figure)


def _look(look: style.Looks, group: str) -> tuple[str, str]:
    return look.colours[group], look.strokes[group]


def _lines(
    axes: Axes, trainings: Mapping[str, Record], curve: str, epochs: str | None, colour: str, stroke: str
) -> None:
    """One artist for all lines and one for all dots, however many trainings there are."""
    lines, dots = [], []
    for record in trainings.values():
        values = record.curves[curve]
        at = record.curves[epochs] if epochs else list(range(1, len(values) + 1))
        line_E2 = np.column_stack([at, values])
        lines.append(line_E2)
        dots.append(line_E2[line_E2[:, 0] == record.best_epoch])
    thin = 0.8 if len(lines) <= 40 else 0.4
    axes.add_collection(LineCollection(lines, colors=colour, linestyles=stroke, linewidths=thin, alpha=0.9))
    dots_D2 = np.concatenate(dots)
    axes.plot(dots_D2[:, 0], dots_D2[:, 1], "o", color=colour, markersize=3, zorder=3)


def _axes(axes: Axes, values: list[float], title: str) -> None:
    axes.autoscale_view()
    style.spread_out(axes, "y", values)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(title)
