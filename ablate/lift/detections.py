"""What a detector found, whatever file it came in: one flat list over all frames and people.

Legend: N detections, K keypoints.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ablate.data.arrays import Array
from ablate.data.windows import Index
from ablate.errors import DataError

FURTHEST = 1e6  # pixels: beyond, a number is no place in a picture


class Detection(NamedTuple):
    """One person in one frame: ``xy_K2`` with NaN where a keypoint was not found, ``score_K`` (0 where not found)."""

    frame: int
    track: str | None
    xy_K2: Array
    score_K: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """All detections of a file, in its order. ``xy_NK2`` float32: pixels, or shares of the picture's width and height
    where ``shares``. ``frame_N`` is the file's own count, ``track_N`` whom it says a detection is of, if it says so.
    ``score_NK`` float32 is 0 where a keypoint was not found, and else whatever the detector calls a score.

    ``layout``: the kind of file; ``fps``, ``size`` (width and height, pixels) and ``keypoints`` (the name of the list,
    see ablate.data.keypoints): what the file says of itself, None where it doesn't.
    """

    layout: str
    frame_N: Index
    track_N: tuple[str | None, ...]
    xy_NK2: Array
    score_NK: Array
    fps: float | None = None
    size: tuple[int, int] | None = None
    keypoints: str | None = None
    shares: bool = False


def detection(where: str, frame: int, track: str | None, points: Any, scores: Any = None) -> Detection:
    """A detection of a file's own numbers: ``points`` x, y or x, y, score for each keypoint, nested or flat.

    ``scores`` where these are apart. A keypoint that is null or NaN was not found. ``track`` becomes part of names of
    files and columns, so it keeps letters, digits, dots and dashes only. Raises DataError with the place.
    """
    track = None if track is None else re.sub(r"[^\w.-]+", "_", track)
    try:
        points_KC = np.asarray(points, np.float64)
        score_K = None if scores is None else np.asarray(scores, np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: its keypoints are no table of numbers ({error})") from None
    if points_KC.ndim == 1 and points_KC.size % (3 if score_K is None else 2) == 0:
        points_KC = points_KC.reshape(-1, 3 if score_K is None else 2)
    if points_KC.ndim != 2 or points_KC.shape[1] not in (2, 3) or len(points_KC) == 0:
        raise DataError(f"{where}: its keypoints have the shape {points_KC.shape}, not (keypoints, 2 or 3)")
    if score_K is None:
        score_K = points_KC[:, 2] if points_KC.shape[1] == 3 else np.ones(len(points_KC))
    if len(score_K) != len(points_KC):
        raise DataError(f"{where}: {len(points_KC)} keypoints, but {len(score_K)} scores")
    return Detection(frame, track, *checked(where, points_KC[:, :2], score_K))


def checked(where: str, xy_K2: Array, score_K: Array) -> tuple[Array, Array]:
    """As float32, with a score of 0 where anything is NaN. Raises DataError for infinite or absurd numbers."""
    if np.isinf(xy_K2).any() or np.isinf(score_K).any() or np.nanmax(np.abs(xy_K2), initial=0) > FURTHEST:
        raise DataError(
            f"{where}: a keypoint lies beyond {FURTHEST:g} pixels; mark what was not found by NaN or score 0"
        )
    lost_K = np.isnan(xy_K2).any(axis=-1) | ~(score_K > 0)
    return (
        np.where(lost_K[..., None], np.nan, xy_K2).astype(np.float32),
        np.where(lost_K, 0, score_K).astype(np.float32),
    )


def gathered(path: object, layout: str, found: Iterable[Detection], *, shares: bool = False) -> Detections:
    """All detections of a file end to end, but for those in which no keypoint was found.

    Raises DataError where none is left, or their lengths differ.
    """
    every = [one for one in found if one.score_K.any()]
    if not every:
        raise DataError(f"{path}: holds no detection of anybody (read as {layout})")
    count = len(every[0].xy_K2)
    for one in every:
        if len(one.xy_K2) != count:
            raise DataError(f"{path}: frame {one.frame} has {len(one.xy_K2)} keypoints, the first detection {count}")
    return Detections(
        layout=layout,
        frame_N=np.array([one.frame for one in every], np.int64),
        track_N=tuple(one.track for one in every),
        xy_NK2=np.stack([one.xy_K2 for one in every]),
        score_NK=np.stack([one.score_K for one in every]),
        shares=shares,
    )
