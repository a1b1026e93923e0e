"""Skeletons over time: the truth, and what the baseline and a pruned configuration made of one window.

Legend: H hypotheses, F frames, J joints, T times shown, N bones.
"""

import io
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from ablate.data.arrays import Array
from ablate.data.bones import bones, segments, upright, viewed
from ablate.records import Record
from ablate.report.figures import style
from ablate.report.figures.material import Material

TIMES = 12  # skeletons in a row
AZIMUTH, TURN = math.radians(35), math.radians(25)  # from beside the camera, since errors of depth are the large ones
NAMES = 0.15  # of the width of a row beside it, for its name
STEPS, MILLISECONDS, DPI = 41, 100, 90  # of the animation
WIDTHS = {"truth": 2.4, "pose": 1.2, "cloud": 0.4}  # points


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """What one row shows: ``pose_FJ3`` in its colours over the truth; ``cloud_HFJ3`` behind it; ``kept_K`` the frames
    that reached the network's end, None where all did. Metres, z up."""

    name: str
    pose_FJ3: Array
    truth_FJ3: Array | None = None
    cloud_HFJ3: Array | None = None
    kept_K: Array | None = None


def skeletons(m: Material) -> Iterator[style.Picture]:
    """A row of skeletons each, and the same in motion; nothing where no record holds poses."""
    rows, shown = _rows(m)
    if not rows:
        return
    frame_T = np.unique(np.linspace(0, len(rows[0].pose_FJ3) - 1, TIMES).round().astype(int))
    caption = (
        f"One window of the test split, seed {shown[0].seed}, seen from beside the camera; blue: the left side, orange:"
        " the right, grey behind them: the truth. Errors are of this window alone. Squares mark frames that were kept"
        " to the network's end, where frames were dropped; the poses of the others were recovered."
    )
    if any(row.cloud_HFJ3 is not None for row in rows):
        caption += " Thin lines are the single hypotheses (ten at most), over them is their mean."
    yield style.Picture(
        name="skeletons", title="Poses over time", caption=caption, figure=_strip(rows, frame_T), moving=_moving(rows)
    )


def _rows(m: Material) -> tuple[list[Row], list[Record]]:
    """The truth, the baseline, the cheapest configuration that prunes, on the front if any is; and the hypotheses of
    the last one that has several. All of one window; and the records they are of."""
    every = [record for record in m.first.values() if "sample/pose" in record.arrays]
    if not every:
        return [], []
    base = next((record for record in every if record.label == m.about.baseline), every[0])
    truth_FJ3 = base.arrays["sample/truth"]
    pruned = [record for record in every if record is not base and _kept(record, len(truth_FJ3)) is not None]
    pruned.sort(key=lambda record: (record.label not in m.front, record.compute["inference_gmacs"] or 0.0))
    same = (record for record in pruned if np.array_equal(record.arrays["sample/truth"], truth_FJ3))
    shown = [base, *itertools.islice(same, 1)]
    rows = [Row(name="truth", pose_FJ3=upright(truth_FJ3))]
    rows += [_row(m.name(record.label), record) for record in shown]
    several = [record for record in shown if "sample/hypotheses" in record.arrays]
    if several:
        cloud_HFJ3 = upright(several[-1].arrays["sample/hypotheses"])
        rows.append(_row(f"{len(cloud_HFJ3)} hypotheses of\n{m.name(several[-1].label)}", several[-1], cloud_HFJ3))
    return rows, shown


def _row(name: str, record: Record, cloud_HFJ3: Array | None = None) -> Row:
    pose_FJ3, truth_FJ3 = record.arrays["sample/pose"], record.arrays["sample/truth"]
    error_mm = 1000 * float(np.linalg.norm(pose_FJ3 - truth_FJ3, axis=-1).mean())
    return Row(
        name=name if cloud_HFJ3 is not None else f"{name}\n{error_mm:.1f} mm",
        pose_FJ3=upright(pose_FJ3),
        truth_FJ3=upright(truth_FJ3) if cloud_HFJ3 is None else None,
        cloud_HFJ3=cloud_HFJ3,
        kept_K=_kept(record, len(pose_FJ3)),
    )


def _kept(record: Record, frames: int) -> Array | None:
    """The frames that reached the network's end in this window; None where none was dropped."""
    kept_K = record.arrays.get("strip/mgptp", record.arrays.get("strip/tcep"))
    return kept_K if kept_K is not None and len(kept_K) < frames else None


def _strip(rows: Sequence[Row], frame_T: Array) -> Figure:
    """All of a row's skeletons in three artists, each moved aside by its place."""
    flat = [viewed(row.pose_FJ3[frame_T], AZIMUTH) for row in rows]
    low_2, high_2 = (
        np.min([f.min(axis=(0, 1)) for f in flat], axis=0),
        np.max([f.max(axis=(0, 1)) for f in flat], axis=0),
    )
    wide, high = (high_2 - low_2) * (1.02, 1.12)
    across = (1 + NAMES) * len(frame_T) * wide
    figure = Figure(figsize=(style.PAGE, style.PAGE * (len(rows) + 0.2) * high / across))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        offset_T2 = np.column_stack([np.arange(len(frame_T)) * wide, np.full(len(frame_T), -place * high)])
        _draw(axes, row, frame_T, AZIMUTH, offset_T2)
        axes.text(low_2[0] - 0.1 * wide, -place * high, row.name, ha="right", va="center", fontsize=7)
        for (x, y), frame in zip(offset_T2, frame_T, strict=True):
            if row.kept_K is not None and frame in row.kept_K:
                axes.plot(x, y + low_2[1] - 0.04 * high, "s", color=style.INK, markersize=2.5)
    for x, frame in zip(np.arange(len(frame_T)) * wide, frame_T, strict=True):
        axes.text(x, (1 - len(rows)) * high + low_2[1] - 0.1 * high, f"{frame}", ha="center", va="top", fontsize=7)
    axes.set(
        xlim=(low_2[0] - NAMES * len(frame_T) * wide, low_2[0] + len(frame_T) * wide),
        ylim=((1 - len(rows)) * high + low_2[1] - 0.2 * high, high_2[1]),
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure


def _draw(axes: Axes, row: Row, frame_T: Array, azimuth: float, offset_T2: Array) -> list[LineCollection]:
    """The skeletons of ``row`` at these frames, each at its offset."""
    grey = dict.fromkeys(("left", "right", "middle"), style.PALE)
    made = []
    for pose, width, colours in (
        (row.truth_FJ3, WIDTHS["truth"], grey),
        (row.cloud_HFJ3, WIDTHS["cloud"], None),
        (row.pose_FJ3, WIDTHS["pose"], None),
    ):
        if pose is None:
            continue
        lines = bones(axes, width, colours) if colours else bones(axes, width)
        at_TJ2 = viewed(pose[..., frame_T, :, :], azimuth) + offset_T2[:, None]
        lines.set_segments(list(segments(at_TJ2).reshape(-1, 2, 2)))
        made.append(lines)
    return made


def _moving(rows: Sequence[Row]) -> bytes:
    """The rows beside each other in motion, as a GIF; the viewer walks a little to and fro."""
    frames = len(rows[0].pose_FJ3)
    frame_S = np.unique(np.linspace(0, frames - 1, min(STEPS, frames)).round().astype(int))
    half = 1.15 * max(float(np.abs(viewed(row.pose_FJ3, azimuth)).max()) for row in rows for azimuth in (0, AZIMUTH))
    figure = Figure(figsize=(style.PAGE, 0.35 + style.PAGE / max(3, len(rows))), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    figure.set_layout_engine("none")
    panels = [figure.add_axes((i / len(rows), 0, 1 / len(rows), 0.84)) for i in range(len(rows))]
    for axes, row in zip(panels, rows, strict=True):
        axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
        axes.set_axis_off()
        axes.set_title(row.name, fontsize=7)
    pictures = []
    for place, frame in enumerate(frame_S):
        azimuth = AZIMUTH + TURN * math.sin(2 * math.pi * place / len(frame_S))
        moved = [
            _draw(axes, row, np.array([frame]), azimuth, np.zeros((1, 2)))
            for axes, row in zip(panels, rows, strict=True)
        ]
        said = figure.text(0.005, 0.01, f"frame {frame}", fontsize=7)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels_HW4 = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        pictures.append(Image.fromarray(pixels_HW4[..., :3].copy()))
        for artist in (said, *(lines for some in moved for lines in some)):
            artist.remove()
    return _gif(pictures)


def _gif(pictures: Sequence[Image.Image]) -> bytes:
    """One palette for all, so that nothing flickers, and no comment."""
    palette = pictures[0].quantize(64, method=Image.Quantize.MAXCOVERAGE)  # white stays white
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    content = io.BytesIO()
    flat[0].save(
        content, format="GIF", save_all=True, append_images=flat[1:], duration=MILLISECONDS, loop=0, optimize=False
    )
    return content.getvalue()
