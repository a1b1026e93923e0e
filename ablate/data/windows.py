"""Views, the 2D and 3D of one recording through one camera, and the windows of F frames that are cut from them.

Legend: B windows of a batch, W all windows, V views, T frames of a view, N frames of all views, F frames of a window,
J joints.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ablate import seeds
from ablate.data.arrays import Array
from ablate.data.recording import Camera
from ablate.data.skeleton import NAMES

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

JOINTS = len(NAMES)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What one camera saw of one recording.

    ``x2d_TJ2`` float32 (T, 17, 2) normalised screen coordinates; ``x3d_TJ3`` float32 (T, 17, 3) metres in camera axes,
    relative to the root, whose own row is exactly zero; ``root_T3`` float32 (T, 3) the root's path in camera axes.
    ``camera_index`` counts the cameras of the recording. ``valid_T`` bool (T,) is false where a frame is lifted like
    the others but must not enter a result; None: all of them may.
    """

    recording: str
    subject: str
    action: str
    camera: Camera
    camera_index: int
    x2d_TJ2: Array
    x3d_TJ3: Array
    root_T3: Array
    fps: float
    valid_T: Mask | None = None

    @property
    def label(self) -> str:
        return f"{self.recording} {self.camera.name}"

    def __len__(self) -> int:
        return len(self.x2d_TJ2)


class Batch(NamedTuple):
    """Windows as float32 arrays (see View); ``counted_BF`` is false where a frame must not enter a result.

    ``intrinsic_B9`` is each window's camera (see Camera), NaN where a dataset doesn't know it.
    """

    x2d_BFJ2: Array
    x3d_BFJ3: Array
    root_BF3: Array
    counted_BF: Mask
    intrinsic_B9: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """All views of a split end to end, so that a batch is one gather; the views are slices of the long arrays.

    ``made_by`` is a function and its arguments that give the same footage, which is how another process gets it: long
    arrays that lie in files are mapped again there and not copied.
    """

    views: tuple[View, ...]
    x2d_NJ2: Array
    x3d_NJ3: Array
    root_N3: Array
    valid_N: Mask
    made_by: tuple[Callable[..., "Footage"], tuple[Any, ...]]

    @cached_property
    def length_V(self) -> Index:
        return np.array([len(view) for view in self.views], np.int64)

    @cached_property
    def first_V(self) -> Index:
        return np.cumsum(self.length_V) - self.length_V

    def __reduce__(self) -> tuple[Callable[..., "Footage"], tuple[Any, ...]]:
        return self.made_by


def joined(views: Sequence[View]) -> Footage:
    """The footage of ``views``, in memory."""
    valid_N = _end_to_end([np.ones(len(v), np.bool_) if v.valid_T is None else v.valid_T for v in views], np.bool_)
    x2d_NJ2 = _end_to_end([view.x2d_TJ2 for view in views], np.float32, JOINTS, 2)
    x3d_NJ3 = _end_to_end([view.x3d_TJ3 for view in views], np.float32, JOINTS, 3)
    root_N3 = _end_to_end([view.root_T3 for view in views], np.float32, 3)
    end_V = np.cumsum([len(view) for view in views])
    spans = [slice(end - len(view), end) for end, view in zip(end_V, views, strict=True)]
    laid = tuple(
        replace(v, x2d_TJ2=x2d_NJ2[span], x3d_TJ3=x3d_NJ3[span], root_T3=root_N3[span], valid_T=valid_N[span])
        for v, span in zip(views, spans, strict=True)
    )
    long: dict[str, Any] = {"x2d_NJ2": x2d_NJ2, "x3d_NJ3": x3d_NJ3, "root_N3": root_N3, "valid_N": valid_N}
    return Footage(views=laid, made_by=(joined, (laid,)), **long)


def _end_to_end(arrays: Sequence[npt.NDArray[Any]], dtype: type, *shape: int) -> npt.NDArray[Any]:
    """Also of no array at all."""
    return np.concatenate([np.empty((0, *shape), dtype), *arrays])


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
        frame_BF, footage = self._frames(chosen_B), self.footage
        return Batch(
            footage.x2d_NJ2[frame_BF],
            footage.x3d_NJ3[frame_BF],
            footage.root_N3[frame_BF],
            self.counted_WF[chosen_B],
            self.intrinsics(chosen_B),
        )

    def poses(self, chosen_B: Index) -> tuple[Array, Array]:
        """The 2D and 3D poses of ``batch`` alone, which is all that training looks at."""
        frame_BF = self._frames(chosen_B)
        return self.footage.x2d_NJ2[frame_BF], self.footage.x3d_NJ3[frame_BF]

    def _frames(self, chosen_B: Index) -> Index:
        """(B, F): where in the footage these windows' frames lie."""
        view_B1 = self.view_W[chosen_B, None]
        frame_BF = self.start_W[chosen_B, None] + np.arange(self.frames)
        kept_BF: Index = np.clip(frame_BF, 0, self.footage.length_V[view_B1] - 1) + self.footage.first_V[view_B1]
        return kept_BF

    def intrinsics(self, chosen_B: Index) -> Array:
        """Those of these windows' cameras, see Batch; float32 as in the reference programs."""
        cameras = [self.views[view].camera.intrinsic for view in self.view_W[chosen_B]]
        return np.array(cameras, np.float32).reshape(-1, 9)

    def every_frame(self) -> Mask:
        """(W, F): where a window shows a valid frame of its view, be it one that the window before counts already."""
        return _index(self.footage, self.frames, self.view_W, self.start_W).counted_WF

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
    """As ``cut``, over views in memory."""
    return cut(joined(views), frames)


def cut(footage: Footage, frames: int) -> Windows:
    """Windows in which every valid frame of every view counts exactly once.

    They lie end to end; the last one ends with its view, and counts only the frames that the one before left over.
    """
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
    last_W1 = footage.length_V[view_W, None] - 1
    valid_WF = footage.valid_N[np.clip(frame_WF, 0, last_W1) + footage.first_V[view_W, None]]
    counted_WF = (frame_WF >= 0) & (frame_WF <= last_W1) & valid_WF
    return Windows(footage=footage, frames=frames, view_W=view_W, start_W=start_W, counted_WF=counted_WF)
