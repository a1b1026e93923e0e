"""The figures of error against one swept value, the others held fixed along each line."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from ablate.design import short_names
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import shown

# With more lines than this, as where values are sampled rather than listed, a figure shows points alone.
LINES = 12
ASIDE = 3.5  # points between lines at the same value, so that bars do not cover each other
DASHES = ((0, (1, 1)), (0, (4, 1, 1, 1)), (0, (3, 3)), (0, (6, 1.5)), (0, (1, 3)))  # of levels, as many as are drawn


def slices(m: Material) -> Iterator[style.Picture]:
    """A figure for each swept path that takes at least two values."""
    for path in m.about.sweep:
        values = {shown(record.params[path]) for record in m.first.values() if path in record.params}
        if len(values) > 1:
            yield _slice(path, m)


def _slice(path: str, m: Material) -> style.Picture:
    names = short_names(m.about.sweep)
    points, others, words = _points(path, m)
    beside = {other for label in points["label"] for other in m.first[label].params if other != path}
    rest = ", ".join(names[other] for other in m.about.sweep if other in beside)
    joined = len(others) <= LINES
    figure = Figure(figsize=(1.6 * style.COLUMN, 2.7))
    axes = figure.subplots()
    axes.margins(x=0.12)
    handles = _draw(axes, points, others, m.look) if joined else _scatter(axes, points, m.look)
    levels = _references(axes, points, m)
    _value_axis(axes, points, words)
    cut = style.fit(axes, "y", [*points["error"], *(float(level.get_ydata()[0]) for level in levels)])  # type: ignore[index, arg-type]
    axes.set_xlabel(path)
    axes.set_ylabel(m.error_title)
    title = rest if rest and joined else None
    figure.legend(handles=[*handles, *levels], loc="outside right upper", title=title, alignment="left")
    said = [f"Each line holds {rest} fixed." if rest else "", m.intervals.said, "Some go on outside." if cut else ""]
    if not joined:
        said = [f"A point a configuration, over whatever values of {rest}."]
    if levels:
        said.append(f"Levels across do not sweep {names[path]}.")
    name, caption = f"slice_{names[path].replace('.', '_')}", " ".join(filter(None, said))
    return style.Picture(name=name, title=f"Error against {names[path]}", caption=caption, figure=figure)


def _points(path: str, m: Material) -> tuple[pd.DataFrame, list[str], list[str]]:
    """A row a configuration that sweeps ``path`` (label, group, others, x, error, below, above), the other values'
    texts in rising order, and the words that the numbers in x stand for, if any does."""
    rows: list[dict[str, Any]] = []
    keys: dict[str, list[tuple[bool, Any]]] = {}
    for label, record in m.first.items():
        if path in record.params and not np.isnan(m.errors["mean"][label]):
            rest = [record.params[other] for other in m.about.sweep if other != path and other in record.params]
            text = ", ".join(map(shown, rest))
            keys[text] = [(_is_number(v), v if _is_number(v) else str(v)) for v in rest]
            rows.append({"label": label, "group": record.group, "others": text, "x": record.params[path]})
    words = [] if all(_is_number(row["x"]) for row in rows) else list(dict.fromkeys(shown(row["x"]) for row in rows))
    if words:
        rows = [row | {"x": words.index(shown(row["x"]))} for row in rows]
    points = pd.DataFrame(rows)
    points["error"] = m.errors.loc[points["label"], "mean"].to_numpy()
    points[["below", "above"]] = m.intervals.around.loc[points["label"]].to_numpy()
    return points, sorted(keys, key=keys.__getitem__), words


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _draw(axes: Axes, points: pd.DataFrame, others: Sequence[str], look: style.Looks) -> list[Line2D]:
    """A line for each group (its stroke) and other values (their shade and marker), a little aside of each other."""
    ramp, figure = mpl.colormaps[style.RAMP], axes.figure.get_figure(root=True)
    assert figure is not None
    shades = {text: ramp(0.85 * i / max(1, len(others) - 1)) for i, text in enumerate(others)}
    markers = {text: style.MARKERS[i % len(style.MARKERS)] for i, text in enumerate(others)}
    groups = list(points["group"].unique())
    lines = [(str(group), str(text), part) for (group, text), part in points.groupby(["group", "others"], sort=False)]
    for place, (group, text, line) in enumerate(lines):
        line = line.sort_values("x", kind="stable")
        aside = ASIDE * (place - (len(lines) - 1) / 2) / 72
        axes.errorbar(
            line["x"],
            line["error"],
            yerr=line[["below", "above"]].to_numpy().T,
            color=shades[text],
            marker=markers[text],
            linestyle=look.strokes[group],
            markeredgecolor="white",
            markeredgewidth=0.4,
            elinewidth=0.7,
            capsize=1.5,
            transform=axes.transData + ScaledTranslation(aside, 0, figure.dpi_scale_trans),
        )
    for end in (points["error"] - points["below"], points["error"] + points["above"]):
        axes.update_datalim(np.column_stack([points["x"], end]))  # what is moved aside does not count by itself
    axes.autoscale_view()
    told = [Line2D([], [], color=shades[text], marker=markers[text], label=text) for text in others if text]
    if told and len(groups) == 1:
        return told
    return told + [Line2D([], [], color=style.INK, linestyle=look.strokes[group], label=group) for group in groups]


def _scatter(axes: Axes, points: pd.DataFrame, look: style.Looks) -> list[Line2D]:
    handles = []
    for group, part in points.groupby("group", sort=False):
        drawn: dict[str, Any] = {"color": look.colours[str(group)], "marker": look.markers[str(group)]}
        axes.plot(part["x"], part["error"], linestyle="", markersize=3, alpha=0.6, **drawn)
        handles.append(Line2D([], [], linestyle="", label=str(group), **drawn))
    return handles


def _references(axes: Axes, points: pd.DataFrame, m: Material) -> list[Line2D]:
    """A level for configurations of the groups that do not sweep this value, the baseline first."""
    inside = set(points["group"])
    outside = [label for label in m.labels if m.group[label] not in inside and not np.isnan(m.errors["mean"][label])]
    return [
        axes.axhline(
            m.errors["mean"][label],
            color=m.look.colours[m.group[label]],
            linestyle=stroke,
            linewidth=1.0,
            zorder=1,
            label=label,
        )
        for label, stroke in zip(outside, DASHES, strict=False)
    ]


def _value_axis(axes: Axes, points: pd.DataFrame, words: Sequence[str]) -> None:
    """Logarithmic where the swept values span more than a decade, with ticks at the values where they are few."""
    if words:
        axes.set_xticks(range(len(words)), labels=list(words))
        axes.set_xlim(-0.5, len(words) - 0.5)
        return
    values = sorted(points["x"].unique())
    style.spread_out(axes, "x", values)
    if len(values) <= LINES:
        axes.set_xticks(values, labels=[shown(float(value)) for value in values], rotation=45 if len(values) > 6 else 0)
