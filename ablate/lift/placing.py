"""The person in front of the camera: which camera, and where in its axes the root is.

Without a known focal length that of Human3.6M's cameras is assumed, 1145 pixels of a picture of 1000: the usual camera
of this field, and in the middle of what people's own have (a telephone 0.7 to 0.8 of the longer side, a long lens 1.5).
It changes nothing of the pose itself, only how far away it is: at half the true focal length a person is placed at half
the true distance.

Legend: T frames, J joints.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from ablate.data.arrays import Array
from ablate.data.rigs import FOCAL_PX, RESOLUTION
from ablate.data.windows import Mask
from ablate.errors import DataError
from ablate.placement import translation

FOCAL_SHARE = FOCAL_PX / RESOLUTION[0]
FILLED_WEIGHT = 0.1  # of an interpolated joint, against 1 of one that was seen
AT_ONCE = 16384  # frames
#: Standard deviations of the Gaussian that smooths the root's path, across the picture and away from the camera.
SMOOTH_SECONDS_3 = (0.05, 0.05, 0.2)


def assumed_focal(size: tuple[int, int]) -> float:
    """In pixels, for a picture of this width and height."""
    return FOCAL_SHARE * max(size)


def placed(
    pose_TJ3: Array, x2d_TJ2: Array, filled_TJ: Mask, *, focal: float, size: tuple[int, int], fps: float
) -> Array:
    """The root's path (T, 3), metres in camera axes: in each frame the translation that best reprojects the pose.

    ``x2d_TJ2`` is normalised by the picture's width, ``focal`` in pixels. Joints that were only interpolated count
    little. How far away somebody is shows in nothing but their size in the picture, so a detector's errors move it by
    centimetres from frame to frame: the path is smoothed, little across the picture and more away from the camera.
    Frames whose joints are all at one point are placed between the others; where there are no others DataError is
    raised.
    """
    scaled = 2 * focal / size[0]
    intrinsic_9 = torch.tensor([scaled, scaled, 0, 0, 0, 0, 0, 0, 0], dtype=torch.float64)
    root_T3 = np.empty((len(pose_TJ3), 3))
    for first in range(0, len(pose_TJ3), AT_ONCE):
        at = slice(first, first + AT_ONCE)
        weight_TJ = torch.from_numpy(np.where(filled_TJ[at], FILLED_WEIGHT, 1.0))
        pose, seen = (torch.from_numpy(array[at].astype(np.float64)) for array in (pose_TJ3, x2d_TJ2))
        root_T3[at] = translation(pose, seen, intrinsic_9, weight_TJ).numpy()
    told_T = np.isfinite(root_T3).all(axis=1)
    if not told_T.any():
        raise DataError("nobody can be placed: in every frame all joints are at one point of the picture")
    frame_T = np.arange(len(root_T3))
    path_T3 = np.empty((len(root_T3), 3), np.float32)
    for axis, deviation in enumerate(SMOOTH_SECONDS_3):
        whole_T = np.interp(frame_T, frame_T[told_T], root_T3[told_T, axis])
        path_T3[:, axis] = gaussian_filter1d(whole_T, deviation * fps, mode="nearest")
    return path_T3
