"""The audit as files: a page, a table for programs, and a figure."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

from ablate.audit import Row
from ablate.audit.layout import CAPTION, COLUMNS, TITLE, cells, reasons
from ablate.audit.wording import read_as
from ablate.errors import StorageError
from ablate.report.figures import style

PAGE, NAME = "audit.md", "audit"
HEIGHT = 0.55  # of a bar, in rows


def write(rows: Sequence[Row], folder: Path) -> Path:
    """Write ``audit.md``, ``audit.csv`` and ``figures/audit.pdf`` and ``.png``; returns the page.

    Raises StorageError where ``folder`` can't be written.
    """
    page = folder / PAGE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{NAME}.csv").write_text(as_csv(rows), encoding="utf-8")
        caption = draw(rows, folder / "figures")
        page.write_text(_markdown(rows, caption), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder}: can't be written ({error.strerror}); choose another --out") from error
    return page


def _markdown(rows: Sequence[Row], caption: str) -> str:
    align = ["left", *["right"] * (len(COLUMNS) - 1)]
    table = tabulate(
        [cells(row) for row in rows], headers=COLUMNS, tablefmt="pipe", disable_numparse=True, colalign=align
    )
    told = "\n".join(f"- {text}" for text in reasons(rows))
    picture = f"![Published compute and this zoo's count](figures/{NAME}.png)"
    return f"# Compute audit\n\n{TITLE}.\n\n{table}\n\n{CAPTION}.\n\n{picture}\n\n*{caption}*\n\n## Why\n\n{told}\n"


def as_csv(rows: Sequence[Row]) -> str:
    """One line a row, unrounded; a column's name ends in its unit, and a cell is empty where there is nothing."""
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        figure, zoo, reading = row.published, row.zoo, row.reading
        line = {
            "method": figure.method,
            "frames": figure.frames,
            "hypotheses": figure.hypotheses,
            "steps": figure.steps,
            "published_g": figure.compute_g,
            "published_convention": figure.convention,
            "published_params_m": figure.params_m,
            "source": figure.source,
            "factor": reading and reading.factor,
            "attention_counted": reading and reading.attention,
            "per": reading and reading.per,
            "off_percent": reading and reading.off_percent,
            "converted_gmacs": row.gmacs,
            "zoo_model": zoo and zoo.model,
            "zoo_host": zoo and zoo.host,
            "zoo_linear_gmacs": zoo and zoo.linear,
            "zoo_attention_gmacs": zoo and zoo.attention,
            "zoo_other_gmacs": zoo and zoo.other + zoo.shared,
            "zoo_pass_gmacs": zoo and zoo.gmacs,
            "zoo_window_gmacs": zoo and zoo.window_gmacs,
            "zoo_window_hypotheses": zoo and zoo.hypotheses,
            "zoo_window_steps": zoo and zoo.steps,
            "zoo_window_flip": zoo and zoo.flip,
            "zoo_params_m": zoo and zoo.params_m,
            "why": "; ".join(row.why),
        }
        if writer is None:
            writer = csv.DictWriter(text, line, lineterminator="\n")
            writer.writeheader()
        writer.writerow(line)
    return text.getvalue()


def draw(rows: Sequence[Row], folder: Path) -> str:
    """Bars of this zoo's count by kind, each published figure as it stands and as it converts; returns the caption."""
    having = [row for row in rows if row.zoo is not None or row.published.compute_g is not None]
    # one pass is the same at every H and K
    shown = list(
        {(row.published.method, row.published.frames, row.published.compute_g): row for row in having}.values()
    )
    with style.house():
        figure = Figure(figsize=(style.PAGE, 1.1 + 0.24 * len(shown)))
        axes = figure.subplots()
        _bars(axes, shown)
        _points(axes, shown)
        axes.set_yticks(range(len(shown)), [row.published.method for row in shown])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.2)  # for the words beside the farthest mark
        axes.set_xlim(left=0)
        axes.set_xlabel("GMACs of a window in one pass; published figures in the unit beside them")
        figure.legend(loc="outside upper center", ncols=3)
        style.save(figure, folder, NAME)
    published = [row for row in shown if row.published.compute_g is not None]
    return (
        f"{sum(row.gmacs is not None for row in published)} of {len(published)} published figures convert to MACs of a"
        " window in one pass (H = K = 1, no flip) with attention products counted. Open squares are what was published,"
        " diamonds what that is in the one convention, and the words which multiple of this zoo's count it is; a cross"
        " is a figure whose convention is open. Bars are this zoo's closed form."
    )


def _bars(axes: Axes, shown: Sequence[Row]) -> None:
    left = np.zeros(len(shown))
    counts = {
        "zoo: linear layers": [row.zoo.linear if row.zoo else 0.0 for row in shown],
        "zoo: attention products": [row.zoo.attention if row.zoo else 0.0 for row in shown],
        "zoo: other products": [row.zoo.other + row.zoo.shared if row.zoo else 0.0 for row in shown],
    }
    colours = (style.COLOURS[5], style.COLOURS[0], style.COLOURS[2])
    for (label, values), colour in zip(counts.items(), colours, strict=True):
        axes.barh(range(len(shown)), values, HEIGHT, left=left, color=colour, label=label, linewidth=0)
        left = left + np.array(values)


def _points(axes: Axes, shown: Sequence[Row]) -> None:
    for at, row in enumerate(shown):
        number, stated = row.published.compute_g, row.published.stated
        if number is None or stated is None:
            continue
        converted = number if row.gmacs is None else row.gmacs
        axes.plot([number, converted], [at, at], color=style.PALE, linewidth=0.8, zorder=2)
        axes.plot([number], [at], "x" if row.gmacs is None else "s", mfc="white", color=style.COLOURS[1], zorder=3)
        if row.gmacs is not None:
            axes.plot([row.gmacs], [at], "D", color=style.INK, zorder=3)
        text = f"{number:g} G{stated.unit}" + ("" if row.reading is None else f" = {read_as(row.reading)}")
        beside = (max(number, converted), at)
        axes.annotate(text, beside, (6, 0), textcoords="offset points", va="center", fontsize=6.5)
    axes.plot([], [], "s", mfc="white", color=style.COLOURS[1], label="published")
    axes.plot([], [], "D", color=style.INK, label="published, converted")
    axes.plot([], [], "x", color=style.COLOURS[1], label="published, can't be converted")
