"""Parallel coordinates: each configuration a line over all swept values, its compute and its error."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ablate.design import short_names
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import compute_title, shown

LEAST = 16  # configurations; of fewer the tables are as quick to read
AXES = 8
WORDS = 8  # ticks of an axis
SEEN = 30  # lines on top of each other that are as dark as one


def parallel(m: Material) -> Iterator[style.Picture]:
    """A line a configuration that has a value on every axis; only with three axes and ``LEAST`` configurations."""
    paths = [path for path in m.about.sweep if _differ(path, m)][: AXES - 2]
    compute = m.compute(m.about.report.compute)
    labels = [
        label
        for label, record in m.first.items()
        if all(path in record.params for path in paths) and np.isfinite([compute[label], m.errors["mean"][label]]).all()
    ]
    if len(labels) < LEAST or len(paths) + 2 < 3:
        return
    names = short_names(m.about.sweep)
    columns = [[m.first[label].params[path] for label in labels] for path in paths]
    error_L = m.errors.loc[labels, "mean"].to_numpy()
    columns += [list(compute[labels]), list(error_L)]
    titles = [*(names[path] for path in paths), compute_title(m.about.report.compute), m.error_title]
    figure = Figure(figsize=(style.PAGE, 2.9))
    axes = figure.subplots()
    heights_AL = np.stack([_axis(axes, place, values) for place, values in enumerate(columns)])
    best = m.front
    front_L = np.array([label in best for label in labels])
    rank_L = error_L.argsort(kind="stable").argsort(kind="stable") / (len(labels) - 1)
    _lines(axes, heights_AL, rank_L, front_L)
    axes.set_xticks(range(len(titles)), labels=[title.replace(" (", "\n(") for title in titles])
    axes.set(xlim=(-0.15, len(titles) - 0.6), ylim=(-0.04, 1.04), yticks=[])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    caption = (
        f"Each of {len(labels)} configurations is a line over its swept values, its compute and its error (means over"
        f" seeds), the darker the lower its error is among them. Thick: the {int(front_L.sum())} of them on the front."
    )
    yield style.Picture(name="parallel", title="All swept values at once", caption=caption, figure=figure)


def _differ(path: str, m: Material) -> bool:
    return len({shown(record.params[path]) for record in m.first.values() if path in record.params}) > 1


def _axis(axes: Axes, place: int, values: Sequence[object]) -> np.ndarray:
    """Draw one axis with its ticks at x = ``place``; where each value lies on it, in 0..1."""
    axes.axvline(place, color=style.INK, linewidth=0.6, zorder=3)
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        words = sorted({shown(value) for value in values})
        at = {word: i / max(1, len(words) - 1) for i, word in enumerate(words)}
        _ticks(axes, place, at)
        return np.array([at[shown(value)] for value in values])
    line = np.array(numbers)
    change = np.log if 0 < 10 * line.min() < line.max() else np.asarray
    low, high = float(change(line.min())), float(change(line.max()))
    span = high - low or 1.0
    different = np.unique(line)
    ticks = different if len(different) <= WORDS else np.linspace(low, high, 5)
    if len(different) > WORDS and change is np.log:
        ticks = np.exp(ticks)
    _ticks(axes, place, {f"{tick:.3g}": float((change(tick) - low) / span) for tick in ticks})
    return (change(line) - low) / span


def _ticks(axes: Axes, place: int, at: dict[str, float]) -> None:
    step = -(-len(at) // WORDS)
    for text, height in list(at.items())[::step]:
        axes.text(place + 0.02, height, text, va="center", fontsize=6.5, zorder=4, bbox=style.LABEL)


def _lines(axes: Axes, heights_AL: np.ndarray, rank_L: np.ndarray, front_L: np.ndarray) -> None:
    """The front over the others, which are drawn from the worst to the best."""
    places = np.arange(len(heights_AL))
    pale = float(np.clip(SEEN / len(rank_L), 0.06, 0.6))
    for chosen_L, width, alpha, order in ((~front_L, 0.6, pale, 1), (front_L, 1.4, 1.0, 2)):
        order_L = np.flatnonzero(chosen_L)[np.argsort(-rank_L[chosen_L])]
        lines = [np.column_stack([places, heights_AL[:, i]]) for i in order_L]
        axes.add_collection(
            LineCollection(
                lines, array=rank_L[order_L], clim=(0, 1), cmap=style.RAMP, linewidths=width, alpha=alpha, zorder=order
            )
        )
