"""The figure of how each training went: its loss and the validation error over the epochs."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablate.records import Record
from ablate.report import style
from ablate.report.about import About

# Each panel: the curve, the curve that holds its epochs (None: one value an epoch), the axis.
_PANELS = (
    ("train_loss_mm", None, "training loss (mm)"),
    ("validation_mpjpe_mm", "validation_epoch", "validation MPJPE (mm)"),
)


def curves(frame: pd.DataFrame, records: Sequence[Record], about: About, folder: Path) -> style.Picture:
    """A line a training (configurations that share weights share a line), a dot at the epoch whose weights count."""
    look = style.looks(frame, about)
    groups: dict[str, dict[str, None]] = {}
    for record in records:
        groups.setdefault(record.training_key, {})[record.group] = None
    trainings = {record.training_key: record for record in records}
    names = {key: ", ".join(of) for key, of in groups.items()}
    colours = {names[key]: look.colours[next(iter(of))] for key, of in groups.items()}
    with style.house():
        figure = Figure(figsize=(style.PAGE, 2.4))
        for axes, (curve, epochs, title) in zip(figure.subplots(1, 2), _PANELS, strict=True):
            _panel(axes, _long(trainings, names, curve, epochs), colours, title)
        for name, colour in colours.items():
            axes.plot([], [], color=colour, label=name)
        axes.plot([], [], "o", color=style.PALE, label="kept epoch")
        figure.legend(loc="outside upper center", ncols=6)
        style.save(figure, folder, "curves")
    caption = (
        f"A line a training ({len(trainings)} in all), coloured by what is evaluated from it; dots mark the epoch with"
        " the lowest validation error, whose weights count."
    )
    return style.Picture(name="curves", title="Training", caption=caption)


def _long(trainings: dict[str, Record], names: dict[str, str], curve: str, epochs: str | None) -> pd.DataFrame:
    rows = []
    for key, record in trainings.items():
        values = record.curves[curve]
        at = record.curves[epochs] if epochs else range(1, len(values) + 1)
        for epoch, value in zip(at, values, strict=True):
            best = epoch == record.best_epoch
            rows.append({"training": key, "name": names[key], "epoch": epoch, "value": value, "best": best})
    return pd.DataFrame(rows)


def _panel(axes: Axes, rows: pd.DataFrame, colours: dict[str, str], title: str) -> None:
    sns.lineplot(
        rows,
        x="epoch",
        y="value",
        hue="name",
        palette=colours,
        units="training",
        estimator=None,
        linewidth=0.8,
        legend=False,
        ax=axes,
    )
    best = rows[rows["best"]]
    axes.scatter(best["epoch"], best["value"], s=9, color=best["name"].map(colours), zorder=3)
    style.spread_out(axes, "y", list(rows["value"]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(title)
