"""An animation: the 2D that was lifted on the left, the 3D poses on the right, seen by a viewer who walks around them.

Artists are made once and moved from frame to frame.

Legend: S frames of the animation, T frames of a person, J joints, L lines of the floor.
"""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablate.data.arrays import Array
from ablate.data.bones import bones, segments, upright, viewed
from ablate.errors import InputError
from ablate.lift.outputs import Lifted

SUFFIXES = (".gif", ".mp4")
RATE = 12.5  # frames a second of the animation: a gif counts in hundredths of a second
INCHES, DPI = (8.0, 4.0), 80
TURN_SECONDS = 12.0  # to walk once to and fro around the people
TURN = math.radians(60)
TILE = 0.5  # metres
WIDTH = 2.2  # points, of a bone
MARGIN = 1.15  # how much more is shown than the people take up
FILLED = "#d62728"


def checked(path: Path) -> None:
    """Raises InputError where an animation can't be made in the kind that ``path`` names."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--render {path}: ends in none of {', '.join(SUFFIXES)}, which say what is drawn")
    if path.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(f"--render {path}: ffmpeg, which mp4 needs, is not installed; name a .gif")


def render(path: Path, people: Sequence[Lifted], *, fps: float, size: tuple[int, int], seconds: float) -> None:
    """The first ``seconds`` of the clip to ``path`` (gif, or mp4 by ffmpeg); ``size`` is the picture's."""
    from matplotlib.animation import FFMpegWriter, PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first, last = min(int(p.frame_T[0]) for p in people), max(int(p.frame_T[-1]) for p in people)
    shown = min(seconds, (last - first + 1) / fps)
    frame_S = first + np.rint(np.arange(max(1, math.floor(shown * RATE))) * fps / RATE).astype(np.int64)
    flat, solid = zip(*(_at(person, frame_S) for person in people), strict=True)
    figure = Figure(figsize=INCHES, dpi=DPI)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.01, wspace=0.02)
    picture = _Picture(left, size, flat)
    room = _Room(right, np.stack(solid))
    title = figure.suptitle("", fontsize=9, color="#444444")
    kind: Any = PillowWriter if path.suffix.lower() == ".gif" else FFMpegWriter
    writer = kind(fps=RATE)
    with writer.saving(figure, str(path), DPI):
        for place, frame in enumerate(frame_S.tolist()):
            picture.show(place)
            room.show(place)
            title.set_text(f"frame {frame}, {(frame - first) / fps:.1f} s")
            writer.grab_frame()


def _at(person: Lifted, frame_S: Array) -> tuple[tuple[Array, Array], Array]:
    """A person's 2D with what was filled, and their 3D, at these frames; NaN where they are not in the clip."""
    place_S = frame_S - int(person.frame_T[0])
    there_S = (place_S >= 0) & (place_S < len(person.frame_T))
    place_S = np.clip(place_S, 0, len(person.frame_T) - 1)
    x2d_SJ2 = np.where(there_S[:, None, None], person.keypoint_TJ2[place_S], np.nan)
    filled_SJ2 = np.where(person.filled_TJ[place_S][..., None], x2d_SJ2, np.nan)
    return (x2d_SJ2, filled_SJ2), np.where(there_S[:, None, None], person.placed_TJ3[place_S], np.nan)


class _Picture:
    """Everybody's 2D and the part of the picture around it; what was filled is dotted."""

    def __init__(self, axes: Any, size: tuple[int, int], flat: Sequence[tuple[Array, Array]]) -> None:
        from matplotlib.patches import Rectangle

        self._flat = flat
        all_2 = np.concatenate([x2d_SJ2.reshape(-1, 2) for x2d_SJ2, _ in flat])
        low_2, high_2 = np.nanmin(all_2, axis=0), np.nanmax(all_2, axis=0)
        (x, y), half = (low_2 + high_2) / 2, MARGIN * max(float((high_2 - low_2).max()) / 2, 1.0)
        axes.add_patch(Rectangle((0, 0), *size, facecolor="#f7f7f7", edgecolor="#999999"))
        axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half), aspect="equal")
        axes.set_title("2D; red: filled", fontsize=8, color="#444444")
        axes.set_axis_off()
        self._lines = [bones(axes, WIDTH) for _ in flat]
        self._dots = [axes.plot([], [], "o", color=FILLED, markersize=3)[0] for _ in flat]

    def show(self, place: int) -> None:
        for (x2d_SJ2, filled_SJ2), lines, dots in zip(self._flat, self._lines, self._dots, strict=True):
            lines.set_segments(list(segments(x2d_SJ2[place])))
            dots.set_data(*filled_SJ2[place].T)


class _Room:
    """Everybody's 3D over a floor, around the middle of their roots, so that people stay in view wherever they go."""

    def __init__(self, axes: Any, placed_PSJ3: Array) -> None:
        from matplotlib.collections import LineCollection

        root_PS3 = placed_PSJ3[:, :, 0]
        there_PS1 = np.isfinite(root_PS3[..., :1])
        middle_S3 = np.where(there_PS1, root_PS3, 0).sum(axis=0) / np.maximum(there_PS1.sum(axis=0), 1)
        around_PSJ3 = placed_PSJ3 - middle_S3[:, None]
        self._up_PSJ3 = upright(around_PSJ3)
        low, high = (float(np.nanquantile(self._up_PSJ3[..., 2], share)) for share in (0.005, 0.995))
        wide = float(np.nanquantile(np.linalg.norm(self._up_PSJ3[..., :2], axis=-1), 0.995))
        half = max(wide, (high - low) / 2, TILE) * MARGIN
        middle = (low + high) / 2
        self._floor_L23 = _floor(low, math.ceil(half / TILE) * TILE)
        axes.set(xlim=(-half, half), ylim=(middle - half, middle + half), aspect="equal")
        axes.set_title("3D; blue: the left side", fontsize=8, color="#444444")
        axes.set_axis_off()
        self._floor = axes.add_collection(LineCollection([], colors="#cccccc", linewidths=0.7), autolim=False)
        self._lines = [bones(axes, WIDTH) for _ in placed_PSJ3]

    def show(self, place: int) -> None:
        azimuth = TURN * math.sin(2 * math.pi * place / RATE / TURN_SECONDS)
        self._floor.set_segments(viewed(self._floor_L23, azimuth))
        for up_SJ3, lines in zip(self._up_PSJ3, self._lines, strict=True):
            lines.set_segments(list(segments(viewed(up_SJ3[place], azimuth))))


def _floor(height: float, reach: float) -> Array:
    """The lines (L, 2, 3) of a floor of tiles."""
    at = np.arange(-reach, reach + TILE / 2, TILE)
    one, other = np.full_like(at, -reach), np.full_like(at, reach)
    along = np.stack([np.stack([at, one], -1), np.stack([at, other], -1)], axis=1)
    lines_L22 = np.concatenate([along, along[..., ::-1]])
    return np.concatenate([lines_L22, np.full((*lines_L22.shape[:2], 1), height)], axis=-1)
