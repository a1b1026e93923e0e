"""The figure of which frames each configuration kept on one recording, under the motion of that recording."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.records import Record
from ablate.report.figures import style
from ablate.report.figures.material import Material
from ablate.report.results import distinct

# More rows than this read as a wall.
ROWS = 8

_STAGES = {"tcep": ("TCEP", style.PALE, 0.8), "mgptp": ("MGPTP", style.COLOURS[0], 1.6)}


def strip(m: Material) -> Iterator[style.Picture]:
    """Rows of kept frames, the costliest configuration on top; nothing where no record kept a strip."""
    shown, found = _chosen(list(m.first.values()))
    if not shown:
        return
    motion_F = shown[0].arrays["strip/motion"]
    figure = Figure(figsize=(style.PAGE, 1.5 + 0.22 * len(shown)))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 0.24 * len(shown) + 0.1])
    frames_F = np.arange(len(motion_F))
    above.fill_between(frames_F, motion_F, color=style.PALE, alpha=0.35, linewidth=0)
    above.plot(frames_F, motion_F, color=style.INK, linewidth=0.9)
    above.set_ylabel("motion\n(mm/frame)")
    above.set_ylim(bottom=0)
    _rows(below, shown, len(motion_F), [m.name(record.label) for record in shown])
    below.set_xlabel("frame")
    below.set_xlim(-0.5, len(motion_F) - 0.5)
    for name, colour, width in _STAGES.values():
        below.plot([], [], color=colour, linewidth=2 * width, label=f"kept by {name}")
    figure.legend(loc="outside upper right", ncols=2)
    caption = (
        f"{len(shown)} of {found} pruning configurations, on one recording of the test split. Pale ticks are the frames"
        " that TCEP keeps, dark ones those that MGPTP keeps of them; the counts stand on the right. The curve above is"
        " the mean motion of a joint."
    )
    if distinct(shown, "config.model.pruning.schedule"):
        caption += " Where a schedule changes the counts over the denoising steps, these are the configured ones."
    yield style.Picture(name="strip", title="Which frames are kept", caption=caption, figure=figure)


def _chosen(firsts: Sequence[Record]) -> tuple[list[Record], int]:
    """Evenly over the configurations that prune the same window, at most ``ROWS``, and of how many; of each its first
    seed's record is given."""
    pruned = [record for record in firsts if any(f"strip/{stage}" in record.arrays for stage in _STAGES)]
    same = [record for record in pruned if np.array_equal(_motion(record), _motion(pruned[0]))]
    if len(same) <= ROWS:
        return same, len(same)
    return [same[i] for i in np.linspace(0, len(same) - 1, ROWS).round().astype(int)], len(same)


def _motion(record: Record) -> np.ndarray:
    return record.arrays["strip/motion"]


def _rows(axes: Axes, records: Sequence[Record], frames: int, names: Sequence[str]) -> None:
    for row, record in enumerate(records):
        axes.axhline(row, color=style.GRID, linewidth=0.5, zorder=0)
        counts = [str(frames)]
        for stage, (_, colour, width) in _STAGES.items():
            kept = record.arrays.get(f"strip/{stage}")
            if kept is not None:
                half = 0.36 if stage == "tcep" else 0.26
                axes.vlines(kept, row - half, row + half, color=colour, linewidth=width, zorder=1 + width)
                counts.append(str(len(kept)))
        axes.text(1.005, row, " → ".join(counts), transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    axes.set_yticks(range(len(records)), labels=list(names))
    axes.set_ylim(len(records) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
