"""Input as people's own videos have it: a COCO detector's keypoints, made into the 17 joints as `ablate lift` does.

A detector's keypoints are not a skeleton's joints: it finds a face and no head, hips a little beside the hips, and what
lies between is put together of others. A lifter that saw only projected joints is at a loss there, by more than noise.

Legend: T frames, J = 17 joints of Human3.6M, K = 17 keypoints of COCO, S sides.
"""

import numpy as np

from ablate.data import camera as optics
from ablate.data.arrays import Array
from ablate.data.keypoints import COCO, anchors
from ablate.data.noise import detector_noise
from ablate.data.recording import Camera
from ablate.data.skeleton import NAMES

#: As SIGMA_PX_J of noise.py, for COCO's keypoints: the face's are sharp, hips are nowhere in particular.
SIGMA_PX_K = np.array([2.5, 2.5, 2.5, 3.0, 3.0, 4.0, 4.0, 5.5, 5.5, 7.5, 7.5, 6.0, 6.0, 5.0, 5.0, 6.5, 6.5])
#: Standard deviation in metres of how far a keypoint lies from the joint of its name, the same for a whole recording.
BESIDE = 0.015
# Metres forward and up of the middle between the ears, and to each side of it: an adult's nose, eyes and ears.
NOSE, EYES, EARS = (0.1, -0.02, 0.0), (0.08, 0.025, 0.032), (0.0, 0.0, 0.075)
HEADS = (0.9, 1.1)  # how much smaller or larger a head is
BELOW = (0.0, 0.06)  # metres from the head's joint down to the middle between the ears

_BODY = [NAMES.index(name) for name in COCO[5:]]
_AT = {name: NAMES.index(name) for name in ("neck_nose", "head", "left_shoulder", "right_shoulder")}


def keypoints(points_TJ3: Array, rng: np.random.Generator) -> Array:
    """COCO's keypoints (T, 17, 3) of joints (T, 17, 3), metres, in the same right-handed axes.

    The face sits on the head, which here always looks where the shoulders do: the 17 joints don't say where it looks.
    """
    up_T3 = _unit(points_TJ3[:, _AT["head"]] - points_TJ3[:, _AT["neck_nose"]])
    across_T3 = points_TJ3[:, _AT["left_shoulder"]] - points_TJ3[:, _AT["right_shoulder"]]
    left_T3 = _unit(across_T3 - (across_T3 * up_T3).sum(axis=-1, keepdims=True) * up_T3)
    axes_T33 = np.stack([np.cross(left_T3, up_T3), up_T3, left_T3], axis=1)
    sides_S3 = np.array([NOSE, EYES, EYES, EARS, EARS]) * [[1, 1, 0], *([1, 1, 1], [1, 1, -1]) * 2]
    middle_T3 = points_TJ3[:, _AT["head"]] - rng.uniform(*BELOW) * up_T3
    face_TS3 = middle_T3[:, None] + rng.uniform(*HEADS) * sides_S3 @ axes_T33
    return np.concatenate([face_TS3, points_TJ3[:, _BODY]], axis=1)


def seen(points_TJ3: Array, camera: Camera, fps: float, rng: np.random.Generator) -> Array:
    """The 17 joints (T, 17, 2) in screen coordinates that come of a detector's keypoints of joints in camera axes."""
    xy_TK2 = optics.project(keypoints(points_TJ3, rng), camera)
    size_T = camera.intrinsic[0] / points_TJ3[:, 0, 2]
    xy_TK2 = xy_TK2 + size_T[:, None, None] * rng.normal(0, BESIDE, xy_TK2.shape[1:])
    xy_TK2 = xy_TK2 + detector_noise(size_T, fps, rng, SIGMA_PX_K)
    everywhere_TK = np.ones(xy_TK2.shape[:2])
    found = anchors("coco17", xy_TK2, everywhere_TK, everywhere_TK > 0)
    joints_TJ2: Array = np.einsum("JA,TAC->TJC", found.weight_JA.astype(np.float64), found.xy_TA2)
    return joints_TJ2


def _unit(vector_3: Array) -> Array:
    unit_3: Array = vector_3 / np.linalg.norm(vector_3, axis=-1, keepdims=True)
    return unit_3
