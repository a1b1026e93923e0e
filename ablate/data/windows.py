"""Views, the 2D and 3D of one recording through one camera, and the windows of F frames that are cut from them.

Legend: B windows of a batch, W all windows, V views, T frames of a view, N frames of all views, F frames of a window,
J joints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.recording import Camera

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What one camera saw of one recording.

    ``x2d_TJ2`` float32 (T, 17, 2) normalised screen coordinates; ``x3d_TJ3`` float32 (T, 17, 3) metres in camera axes,
    relative to the root, whose own row is exactly zero; ``root_T3`` float32 (T, 3) the root's path in camera axes.
    ``camera_index`` counts the cameras of the recording.
    """

    recording: str
    subject: str
    action: str
    camera: Camera
    camera_index: int
    x2d_TJ2: Array
    x3d_TJ3: Array
    root_T3: Array

    @property
    def label(self) -> str:
        return f"{self.recording} {self.camera.name}"

    def __len__(self) -> int:
        return len(self.x2d_TJ2)


class Batch(NamedTuple):
    """Windows as float32 arrays (see View); ``counted_BF`` is false where a frame must not enter a result."""

    x2d_BFJ2: Array
    x3d_BFJ3: Array
    root_BF3: Array
    counted_BF: Mask


class Footage:
    """All views of a split end to end, so that a batch is one gather. The views become slices of the long arrays."""

    def __init__(self, views: Sequence[View]) -> None:
        self.length_V: Index = np.array([len(view) for view in views], np.int64)
        self.first_V: Index = np.cumsum(self.length_V) - self.length_V
        self.x2d_NJ2 = np.concatenate([view.x2d_TJ2 for view in views])
        self.x3d_NJ3 = np.concatenate([view.x3d_TJ3 for view in views])
        self.root_N3 = np.concatenate([view.root_T3 for view in views])
        spans = [slice(first, first + len(view)) for first, view in zip(self.first_V, views, strict=True)]
        self.views = tuple(
            replace(view, x2d_TJ2=self.x2d_NJ2[span], x3d_TJ3=self.x3d_NJ3[span], root_T3=self.root_N3[span])
            for view, span in zip(views, spans, strict=True)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """An index of windows over views: window w shows ``frames`` frames of view ``view_W[w]`` from ``start_W[w]`` on.

    A frame before a view's first or after its last one repeats that one and isn't counted; so a view shorter than a
    window is padded at both ends, with a negative start.
    """

    footage: Footage
    frames: int
    view_W: Index
    start_W: Index
    counted_WF: Mask

    @property
    def views(self) -> tuple[View, ...]:
        return self.footage.views

    def __len__(self) -> int:
        return len(self.view_W)

    def batch(self, indices: Sequence[int] | Index) -> Batch:
        """The windows at ``indices`` as fresh arrays."""
        chosen_B = np.asarray(indices, np.int64)
        view_B1 = self.view_W[chosen_B, None]
        frame_BF = self.start_W[chosen_B, None] + np.arange(self.frames)
        frame_BF = np.clip(frame_BF, 0, self.footage.length_V[view_B1] - 1) + self.footage.first_V[view_B1]
        footage = self.footage
        return Batch(
            footage.x2d_NJ2[frame_BF], footage.x3d_NJ3[frame_BF], footage.root_N3[frame_BF], self.counted_WF[chosen_B]
        )

    def training(self, seed: int, epoch: int) -> "Windows":
        """The windows of one training epoch over the same views, as many as evaluation has, in a drawn order.

        An even grid of starts spans each view and every start moves by up to half the grid's spacing, drawn at the
        address (seed, "windows", epoch): so all frames are seen over the epochs, and no two epochs are cut alike.
        """
        rng = seeds.stream(seed, "windows", epoch)
        view_W, place_W, count_W = _places(self.footage.length_V, self.frames)
        last_W = np.maximum(self.footage.length_V[view_W] - self.frames, 0)
        spacing_W = last_W / np.maximum(count_W - 1, 1)
        drawn_W = np.rint((place_W + rng.uniform(-0.5, 0.5, len(view_W))) * spacing_W).astype(np.int64)
        start_W = np.clip(drawn_W, 0, last_W) + _padding(self.footage.length_V[view_W], self.frames)
        order_W = rng.permutation(len(view_W))
        return _index(self.footage, self.frames, view_W[order_W], start_W[order_W])

    def first_cameras(self, count: int) -> "Windows":
        """For evaluation: only the windows of each recording's first ``count`` cameras. The views stay the same, and
        ``training`` would again draw from all of them."""
        kept_V = np.array([view.camera_index < count for view in self.views])
        kept_W = kept_V[self.view_W]
        return replace(
            self, view_W=self.view_W[kept_W], start_W=self.start_W[kept_W], counted_WF=self.counted_WF[kept_W]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """A dataset ready for use, split by subject.

    ``digest`` is the sha256 of every view's numbers in steps of 0.1 mm (2D: of 1e-4 of half the picture's width), so it
    changes when the data do, but hardly ever between processors that round the last bit of a sine differently.
    ``info`` holds plain values: what the data are, of whom, how much, and the licence or acknowledgement to show beside
    results.
    """

    train: Windows
    validation: Windows
    test: Windows
    digest: str
    info: Mapping[str, Any]


def evaluation(views: Sequence[View], frames: int) -> Windows:
    """Windows in which every frame of every view counts exactly once.

    They lie end to end; the last one ends with its view, and counts only the frames that the one before left over.
    """
    footage = Footage(views)
    view_W, place_W, _ = _places(footage.length_V, frames)
    length_W = footage.length_V[view_W]
    fresh_W = place_W * frames
    start_W = np.minimum(fresh_W, np.maximum(length_W - frames, 0)) + _padding(length_W, frames)
    windows = _index(footage, frames, view_W, start_W)
    frame_WF = start_W[:, None] + np.arange(frames)
    return replace(windows, counted_WF=windows.counted_WF & (frame_WF >= fresh_W[:, None]))


def _places(length_V: Index, frames: int) -> tuple[Index, Index, Index]:
    """Each window's view, its place among that view's windows, and how many these are: enough to hold all frames."""
    count_V = -(-length_V // frames)
    view_W = np.repeat(np.arange(len(length_V)), count_V)
    place_W = np.arange(len(view_W)) - np.repeat(np.cumsum(count_V) - count_V, count_V)
    return view_W, place_W, count_V[view_W]


def _padding(length_W: Index, frames: int) -> Index:
    """The (negative) start that centres a view shorter than a window; 0 for others."""
    return -(np.maximum(frames - length_W, 0) // 2)


def _index(footage: Footage, frames: int, view_W: Index, start_W: Index) -> Windows:
    frame_WF = start_W[:, None] + np.arange(frames)
    counted_WF = (frame_WF >= 0) & (frame_WF < footage.length_V[view_W, None])
    return Windows(footage=footage, frames=frames, view_W=view_W, start_W=start_W, counted_WF=counted_WF)
