"""Heat maps: error and compute over two swept values, where a study has every pair of them."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.design import short_names
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.names import COMPUTE, compute_title, shown
from ablate.report.tables import digits

PAIRS = 3  # figures of a report
GROUPS = 3  # panels of error in each
WRITTEN = 80  # cells with a number in them
LEAST = 5  # cells: of two by two a table is as clear
ROOM = 24  # characters side by side under a panel


def heat(m: Material) -> Iterator[style.Picture]:
    """A figure for each of the first pairs of swept paths that some group has a full grid of, two values each way."""
    made = 0
    for first, second in combinations(m.about.sweep, 2):
        grids = list(_grids(first, second, m))
        if grids and made < PAIRS:
            made += 1
            yield _figure(first, second, grids, m)


def _grids(first: str, second: str, m: Material) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Each group with its errors and its compute, ``second`` down and ``first`` across, both rising; means over the
    other swept values, each of which is there as often in every cell."""
    compute = m.compute(m.about.report.compute)
    rows = [
        {"group": record.group, "x": record.params[first], "y": record.params[second], "label": label}
        for label, record in m.first.items()
        if first in record.params and second in record.params
    ]
    if not rows:
        return
    cells = pd.DataFrame(rows).assign(
        x=[shown(row["x"]) for row in rows],
        y=[shown(row["y"]) for row in rows],
        error=[m.errors.loc[row["label"], "mean"] for row in rows],
        compute=[compute[row["label"]] for row in rows],
    )
    across, down = ([shown(v) for v in _rising([row[axis] for row in rows])] for axis in ("x", "y"))
    for group, part in cells.groupby("group", sort=False):
        here = [x for x in dict.fromkeys(across) if x in set(part["x"])]
        there = [y for y in dict.fromkeys(down) if y in set(part["y"])]
        times = part.groupby(["y", "x"]).size()
        if (
            min(len(here), len(there)) < 2
            or len(times) < LEAST
            or len(times) < len(here) * len(there)
            or times.nunique() > 1
        ):
            continue
        means = part.groupby(["y", "x"])[["error", "compute"]].mean()
        error, cost = (means[name].unstack().loc[there, here] for name in ("error", "compute"))
        if error.notna().all(axis=None):
            yield str(group), error, cost


def _rising(values: Sequence[object]) -> list[object]:
    """Numbers before words, each kind in its order."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return [*sorted(numbers), *sorted((v for v in values if not isinstance(v, int | float)), key=shown)]


def _figure(first: str, second: str, grids: list[tuple[str, pd.DataFrame, pd.DataFrame]], m: Material) -> style.Picture:
    names, compute = short_names(m.about.sweep), m.about.report.compute
    grids = grids[:GROUPS]
    every = np.concatenate([error.to_numpy().ravel() for _, error, _ in grids])
    limits = (float(every.min()), float(every.max()))  # one scale for all panels of error
    one = len({group for group, _, _ in grids}) == 1
    panels = [(m.error_title if one else f"{m.error_title}\n{group}", error, limits) for group, error, _ in grids]
    group, _, cost = grids[0]
    if cost.notna().all(axis=None):
        ends = (float(cost.to_numpy().min()), float(cost.to_numpy().max()))
        panels.append((compute_title(compute) if one else f"{compute_title(compute)}\n{group}", cost, ends))
    figure = Figure(
        figsize=(min(style.PAGE, 0.5 + 2.2 * len(panels)), 1.2 + 0.22 * max(len(grid[1]) for grid in grids))
    )
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        _panel(axes, *panel)
        axes.set_xlabel(names[first])
    figure.axes[0].set_ylabel(names[second])
    rest = [names[path] for path in m.about.sweep if path not in (first, second)]
    over = f" (and over {', '.join(rest)}, where a group sweeps it)" if rest else ""
    caption = f"A cell is a mean over seeds{over}; dark is low{', errors in one scale' if len(grids) > 1 else ''}."
    if len(panels) > len(grids):
        caption += f" On the right: {COMPUTE[compute]} of {group}."
    name = f"heat_{names[first]}_{names[second]}".replace(".", "_")
    title = f"Error over {names[first]} and {names[second]}"
    return style.Picture(name=name, title=title, caption=caption, figure=figure)


def _panel(axes: Axes, title: str, table: pd.DataFrame, limits: tuple[float, float]) -> None:
    sns.heatmap(
        table,
        ax=axes,
        cmap=style.RAMP,
        vmin=limits[0],
        vmax=limits[1],
        cbar=False,
        annot=table.size <= WRITTEN,
        fmt=f".{digits(pd.Series(table.to_numpy().ravel()), 3)}f",
        annot_kws={"fontsize": 7},
    )
    slanted: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    long = sum(map(len, table.columns)) > ROOM
    axes.set_xticks(axes.get_xticks(), labels=list(table.columns), **(slanted if long else {"rotation": 0}))
    axes.set_yticks(axes.get_yticks(), labels=list(table.index), rotation=0)
    axes.set_title(title)
    axes.set_xlabel("")
    axes.set_ylabel("")
    axes.grid(visible=False)
    axes.tick_params(length=0)
