"""What a detector did not see, filled by interpolation in time; and resampling to another rate and back.

Legend: T frames, S sampled frames, K keypoints, A anchors, J = 17 joints, X whatever a frame holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ablate.data.arrays import Array
from ablate.data.keypoints import anchors
from ablate.data.skeleton import NAMES
from ablate.data.windows import Mask
from ablate.errors import DataError
from ablate.lift.people import Person

LEAST = 0.2  # of a person's joints and frames that must have been seen


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """One person's 2D joints without gaps: ``x2d_TJ2`` float32 in the unit of the detections; ``filled_TJ`` where a
    joint, or what it is combined of, was not seen but interpolated. ``first``: the first frame by the file's count,
    ``lost``: in how many frames the person was not found at all, ``gap``: in how many frames in a row at most a joint
    was filled."""

    label: str
    first: int
    x2d_TJ2: Array
    filled_TJ: Mask
    lost: int
    gap: int

    @property
    def filled(self) -> float:
        """The share of joints and frames that was filled."""
        return float(self.filled_TJ.mean())

    @property
    def by_joint(self) -> Mapping[str, float]:
        """That share of each joint that was filled at all."""
        shares = zip(NAMES, self.filled_TJ.mean(axis=0).tolist(), strict=True)
        return {name: share for name, share in shares if share > 0}


def track(person: Person, keypoints: str, min_score: float) -> Track:
    """A person's keypoints, of the list ``keypoints``, as 17 joints in every frame.

    A keypoint counts as seen from ``min_score`` of the median of the person's scores on: detectors' scores have no
    common scale. What is not seen is linear in time between where it is, and stays before the first and after the last
    time. Raises DataError where a point was never seen, or hardly anything was.
    """
    scores = person.score_TK[person.score_TK > 0]
    seen_TK = (person.score_TK > 0) & (person.score_TK >= min_score * np.median(scores))
    found = anchors(keypoints, person.xy_TK2, person.score_TK, seen_TK)
    if never := [name for name, seen in zip(found.names, np.any(found.seen_TA, axis=0), strict=True) if not seen]:
        raise DataError(
            f"{', '.join(never)}: never seen, and whole bodies are lifted; --min-score 0 takes whatever the detector "
            "guessed, if it did"
        )
    filled_TJ = ~found.seen_TA @ (found.weight_JA != 0).T
    if filled_TJ.mean() > 1 - LEAST:
        raise DataError(
            f"almost nothing is seen: {100 * filled_TJ.mean():.0f} % of the joints would have to be made up"
        )
    whole_TA2 = _interpolated(found.xy_TA2, found.seen_TA)
    return Track(
        label=person.label,
        first=person.first,
        x2d_TJ2=np.einsum("ja,tac->tjc", found.weight_JA, whole_TA2),
        filled_TJ=filled_TJ,
        lost=int((~person.found_T).sum()),
        gap=max(_longest(filled_T) for filled_T in filled_TJ.T),
    )


def _interpolated(xy_TA2: Array, seen_TA: Mask) -> Array:
    whole_TA2 = xy_TA2.copy()
    time_T = np.arange(len(xy_TA2))
    for anchor, seen_T in enumerate(seen_TA.T):
        if not seen_T.all():
            for axis in range(2):
                known = xy_TA2[seen_T, anchor, axis]
                whole_TA2[~seen_T, anchor, axis] = np.interp(time_T[~seen_T], time_T[seen_T], known)
    return whole_TA2


def _longest(filled_T: Mask) -> int:
    """The length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled_T, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def grid(frames: int, fps: float, rate: float) -> Array:
    """At which of ``frames`` frames, in fractions of one, samples of ``rate`` a second lie; the last may be held."""
    samples = int(np.ceil((frames - 1) * rate / fps - 1e-9)) + 1
    at_S: Array = np.minimum(np.arange(samples) * (fps / rate), frames - 1)
    return at_S


def sampled(x_TX: Array, at_S: Array) -> Array:
    """Values (S, ...) at fractional frames, linear between frames; whole ones are copied as they are."""
    below_S = np.floor(at_S + 1e-9).astype(np.int64)
    part_S = np.maximum(at_S - below_S, 0).astype(x_TX.dtype).reshape(-1, *[1] * (x_TX.ndim - 1))
    part_S[part_S < 1e-6] = 0
    above_S = np.minimum(below_S + 1, len(x_TX) - 1)
    between_SX: Array = x_TX[below_S] * (1 - part_S) + x_TX[above_S] * part_S
    return between_SX
