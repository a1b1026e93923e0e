"""The figures of error against one swept value, the others held fixed along each line."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.design import short_names
from ablate.records import Record
from ablate.report import style
from ablate.report.about import About
from ablate.report.names import error_title, shown
from ablate.report.results import error_unit, headline, labels, spread

# Groups are told apart by marker and line, the other swept values by colour, from dark to light.
_STROKES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")

# With more lines than this, as where values are sampled rather than listed, a figure shows points alone.
LINES = 12


def slices(frame: pd.DataFrame, records: Sequence[Record], about: About, folder: Path) -> tuple[style.Picture, ...]:
    """A figure for each swept path that takes at least two values."""
    values = {path: [r.params[path] for r in records if path in r.params] for path in about.sweep}
    return tuple(
        _slice(path, frame, records, about, folder) for path in about.sweep if len(set(map(shown, values[path]))) > 1
    )


def _slice(path: str, frame: pd.DataFrame, records: Sequence[Record], about: About, folder: Path) -> style.Picture:
    names = short_names(about.sweep)
    lines, others = _lines(path, frame, records, about)
    look = style.looks(frame, about)
    name = f"slice_{names[path].replace('.', '_')}"
    rest = ", ".join(names[other] for other in about.sweep if other != path)
    joined = len(others) <= LINES
    with style.house():
        figure = Figure(figsize=(1.6 * style.COLUMN, 2.7))
        axes = figure.subplots()
        handles = _draw(axes, lines, others, look) if joined else _scatter(axes, lines, look)
        levels = _references(axes, frame, lines, about, look)
        _value_axis(axes, lines)
        axes.set_xlabel(path)
        axes.set_ylabel(error_title(about.report.metric, error_unit(frame, about)))
        title = rest if rest and joined else None
        figure.legend(handles=[*handles, *levels], loc="outside right upper", title=title, alignment="left")
        style.save(figure, folder, name)
    drawn = f"Each line holds {rest} fixed; bars" if rest else "Bars"
    if not joined:
        drawn = f"A point a record, over whatever values of {rest}; bands"
    caption = f"{drawn} are one standard deviation over seeds."
    if levels:
        caption += f" Dotted levels do not sweep {names[path]}."
    return style.Picture(name=name, title=f"Error against {names[path]}", caption=caption)


def _lines(path: str, frame: pd.DataFrame, records: Sequence[Record], about: About) -> tuple[pd.DataFrame, list[str]]:
    """A row a record that sweeps ``path`` (group, others, x, error), and the other values' texts in rising order."""
    errors = headline(frame, about).set_index(["label", "seed"])["value"]
    rows: list[dict[str, Any]] = []
    keys: dict[str, list[tuple[bool, Any]]] = {}
    for record in records:
        if path in record.params and (record.label, record.seed) in errors.index:
            rest = [record.params[other] for other in about.sweep if other != path and other in record.params]
            text = ", ".join(map(shown, rest))
            keys[text] = [(_is_number(v), v if _is_number(v) else str(v)) for v in rest]
            error = errors[(record.label, record.seed)]
            rows.append({"group": record.group, "others": text, "x": record.params[path], "error": error})
    if not all(_is_number(row["x"]) for row in rows):
        rows = [row | {"x": shown(row["x"])} for row in rows]
    return pd.DataFrame(rows), sorted(keys, key=keys.__getitem__)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _draw(axes: Axes, lines: pd.DataFrame, others: Sequence[str], look: style.Looks) -> list[Line2D]:
    ramp = mpl.colormaps["viridis"]
    palette = {text: ramp(0.85 * i / max(1, len(others) - 1)) for i, text in enumerate(others)}
    handles = [Line2D([], [], color=palette[text], linewidth=2.5, label=text) for text in others if text]
    for stroke, (group, part) in zip(itertools.cycle(_STROKES), lines.groupby("group", sort=False), strict=False):
        drawn: dict[str, Any] = {"marker": look.markers[str(group)], "linestyle": stroke}
        sns.lineplot(
            part,
            x="x",
            y="error",
            hue="others",
            hue_order=others,
            palette=palette,
            errorbar=("sd", 1),
            err_style="bars",
            err_kws={"elinewidth": 0.7, "capsize": 1.5},
            markeredgecolor="white",
            markeredgewidth=0.4,
            legend=False,
            ax=axes,
            **drawn,
        )
        handles.append(Line2D([], [], color=style.INK, label=str(group), **drawn))
    return handles


def _scatter(axes: Axes, lines: pd.DataFrame, look: style.Looks) -> list[Line2D]:
    groups = list(lines["group"].unique())
    sns.scatterplot(
        lines,
        x="x",
        y="error",
        hue="group",
        style="group",
        palette={group: look.colours[group] for group in groups},
        markers={group: look.markers[group] for group in groups},
        s=12,
        alpha=0.6,
        linewidth=0.2,
        legend=False,
        ax=axes,
    )
    return [Line2D([], [], color=look.colours[g], marker=look.markers[g], linestyle="", label=g) for g in groups]


def _references(axes: Axes, frame: pd.DataFrame, lines: pd.DataFrame, about: About, look: style.Looks) -> list[Line2D]:
    """A level for each configuration of the groups that do not sweep this value."""
    rows = headline(frame, about)
    rows = rows[~rows["group"].isin(lines["group"].unique())]
    handles = []
    for label, values in spread(rows, labels(rows)).iterrows():
        colour = look.colours[rows.loc[rows["label"] == label, "group"].iloc[0]]
        axes.axhline(values["mean"], color=colour, linestyle=":", linewidth=1.0, zorder=1)
        if values["count"] > 1:
            low, high = values["mean"] - values["std"], values["mean"] + values["std"]
            axes.axhspan(low, high, color=colour, alpha=0.08, linewidth=0, zorder=0)
        handles.append(Line2D([], [], color=colour, linestyle=":", linewidth=1.0, label=str(label)))
    return handles


def _value_axis(axes: Axes, lines: pd.DataFrame) -> None:
    """Logarithmic where the swept values span more than a decade, with ticks at the values where they are few."""
    values = sorted(lines["x"].unique())
    if isinstance(values[0], str):
        return
    style.spread_out(axes, "x", values)
    if len(values) <= LINES:
        axes.set_xticks(values, labels=[shown(float(value)) for value in values], rotation=45 if len(values) > 6 else 0)
