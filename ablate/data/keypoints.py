"""Which joint is which: what detectors call their keypoints, and Human3.6M's 17 joints made of them.

Every list of keypoints here holds COCO's 17; a table picks them. Of these twelve are joints of Human3.6M as they stand
(shoulders, elbows, wrists, hips, knees, ankles). The middle of the head is the mean of the ears, each counted by its
score, so that nothing jumps where one of them turns away; of the eyes and the nose where no ear was found. The nose is
the middle of the head where it wasn't found, as from behind. The rest:

| joint     | is                                                                                                     |
| --------- | ------------------------------------------------------------------------------------------------------ |
| hip       | the middle of the hips                                                                                 |
| thorax    | the middle of the shoulders                                                                            |
| spine     | the middle of those two                                                                                |
| neck_nose | the middle of the thorax, the nose and the middle of the head: below and behind the nose, as in        |
|           | Human3.6M and in captured motion, where it lies 13 cm above the shoulders and up to 6 cm before them   |
| head      | just above the middle of the head, seen from the thorax: neither set has it at the crown               |

Legend: T frames, N detections, K keypoints of a detector, A anchors (points of which joints are combined), J = 17
joints, H the two anchors on the head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import NAMES
from ablate.data.windows import Mask

COCO = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
ABOVE = 0.1  # of the way from the thorax to the middle of the head: how far beyond that the head lies
NOSE, EYES_AND_NOSE, EARS, BODY = slice(0, 1), slice(0, 3), slice(3, 5), slice(5, 17)
#: Share of a person's extent that COCO's first five keypoints, the face, stay within; Human3.6M's are hips and a leg.
FACE_EXTENT = 0.35

# Where COCO's 17 stand in the lists that have more keypoints.
PICKED: Mapping[str, tuple[int, ...]] = {
    "coco17": tuple(range(17)),
    "body25": (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11),
    "mediapipe33": (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28),
    "halpe26": tuple(range(17)),
    "wholebody133": tuple(range(17)),
    "halpe136": tuple(range(17)),
}
KEYPOINTS: Mapping[str, int] = {
    "coco17": 17,
    "h36m17": 17,
    "body25": 25,
    "mediapipe33": 33,
    "halpe26": 26,
    "wholebody133": 133,
    "halpe136": 136,
}
MIDDLE = "middle of the head"
ANCHORS = (*COCO[BODY], MIDDLE, "nose")

#: What of which anchors the joints are that no detector has.
COMBINED: Mapping[str, Mapping[str, float]] = {
    "hip": {"left_hip": 1 / 2, "right_hip": 1 / 2},
    "spine": {"left_hip": 1 / 4, "right_hip": 1 / 4, "left_shoulder": 1 / 4, "right_shoulder": 1 / 4},
    "thorax": {"left_shoulder": 1 / 2, "right_shoulder": 1 / 2},
    "neck_nose": {"left_shoulder": 1 / 6, "right_shoulder": 1 / 6, MIDDLE: 1 / 3, "nose": 1 / 3},
    "head": {"left_shoulder": -ABOVE / 2, "right_shoulder": -ABOVE / 2, MIDDLE: 1 + ABOVE},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Anchors:
    """What joints are combined of: ``names``; ``xy_TA2`` where ``seen_TA``, and ``weight_JA``, how much of each anchor
    each of the 17 joints is."""

    names: Sequence[str]
    xy_TA2: Array
    seen_TA: Mask
    weight_JA: Array


def anchors(keypoints: str, xy_TK2: Array, score_TK: Array, seen_TK: Mask) -> Anchors:
    """The anchors of keypoints of the list ``keypoints``; Human3.6M's joints are their own anchors."""
    if keypoints == "h36m17":
        return Anchors(names=NAMES, xy_TA2=xy_TK2, seen_TA=seen_TK, weight_JA=np.eye(len(NAMES), dtype=np.float32))
    picked = list(PICKED[keypoints])
    xy_TK2, weight_TK = xy_TK2[:, picked], np.where(seen_TK, score_TK, 0)[:, picked]
    head_TH2, found_TH = _head(xy_TK2, weight_TK)
    return Anchors(
        names=ANCHORS,
        xy_TA2=np.concatenate([xy_TK2[:, BODY], head_TH2], axis=1),
        seen_TA=np.concatenate([weight_TK[:, BODY] > 0, found_TH], axis=1),
        weight_JA=_weights(),
    )


def _head(xy_TK2: Array, weight_TK: Array) -> tuple[Array, Mask]:
    """The middle of the head and the nose (T, 2, 2), and in which frames anything of the head was found (T, 2)."""
    (ears_T2, ears_T1), (others_T2, others_T1), (nose_T2, nose_T1) = (
        _mean(xy_TK2[:, part], weight_TK[:, part]) for part in (EARS, EYES_AND_NOSE, NOSE)
    )
    middle_T2 = np.where(ears_T1, ears_T2, others_T2)
    found_T1 = ears_T1 | others_T1
    return np.stack([middle_T2, np.where(nose_T1, nose_T2, middle_T2)], 1), np.concatenate([found_T1, found_T1], 1)


def _mean(xy_TK2: Array, weight_TK: Array) -> tuple[Array, Mask]:
    """The weighted mean (T, 2), and where there is any weight (T, 1); what has none may be NaN."""
    total_T1 = weight_TK.sum(axis=1, keepdims=True)
    summed_T2 = (np.where(weight_TK[..., None] > 0, xy_TK2, 0) * weight_TK[..., None]).sum(axis=1)
    return summed_T2 / np.where(total_T1 > 0, total_T1, 1), total_T1 > 0


def _weights() -> Array:
    weight_JA = np.zeros((len(NAMES), len(ANCHORS)), np.float32)
    for joint, name in enumerate(NAMES):
        for anchor, weight in COMBINED.get(name, {name: 1.0}).items():
            weight_JA[joint, ANCHORS.index(anchor)] = weight
    return weight_JA


def list_of(xy_NK2: Array, seen_NK: Mask) -> str | None:
    """Which list so many keypoints are; None where there is none of that many.

    COCO's and Human3.6M's both have 17 and are told apart by their look: COCO's first five keypoints are the face,
    close together, where Human3.6M has both hips and a whole leg.
    """
    count = xy_NK2.shape[1]
    if count != len(NAMES):
        return next((name for name, keypoints in KEYPOINTS.items() if keypoints == count), None)
    whole_N = seen_NK.sum(axis=1) >= count // 2
    first_N, all_N = extent(xy_NK2[whole_N, :5], seen_NK[whole_N, :5]), extent(xy_NK2[whole_N], seen_NK[whole_N])
    return "h36m17" if len(all_N) and np.median(first_N) > FACE_EXTENT * np.median(all_N) else "coco17"


def extent(xy_NK2: Array, seen_NK: Mask) -> Array:
    """The longer side of the box around what was seen, (N,); 0 where nothing was."""
    low_N2 = np.where(seen_NK[..., None], xy_NK2, np.inf).min(axis=1)
    high_N2 = np.where(seen_NK[..., None], xy_NK2, -np.inf).max(axis=1)
    extent_N: Array = np.maximum((high_N2 - low_N2).max(axis=1), 0)
    return extent_N
