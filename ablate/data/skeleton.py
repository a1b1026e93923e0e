"""The 17 joints of Human3.6M, the order of every pose in this program.

Legend: J joints, C coordinates.
"""

import numpy as np

from ablate.data.arrays import Array

NAMES = (
    "hip",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "spine",
    "thorax",
    "neck_nose",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
LEFT = (4, 5, 6, 11, 12, 13)
RIGHT = (1, 2, 3, 14, 15, 16)
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)
MIRROR = tuple(dict(zip(LEFT + RIGHT, RIGHT + LEFT, strict=True)).get(joint, joint) for joint in range(len(NAMES)))


def mirror(poses_JC: Array) -> Array:
    """The poses (..., 17, 2 or 3) seen in a mirror: x changes its sign, left and right joints change places.

    It holds for normalised 2D and for camera-space 3D alike, because both have x = 0 on the optical axis.
    """
    mirrored_JC = poses_JC[..., list(MIRROR), :]
    mirrored_JC[..., 0] *= -1
    return mirrored_JC


def bone_lengths(poses_J3: Array) -> Array:
    """Lengths (..., 16) of ``BONES`` in the unit of the poses (..., 17, 3)."""
    parents, children = np.array(BONES).T
    lengths: Array = np.linalg.norm(poses_J3[..., children, :] - poses_J3[..., parents, :], axis=-1)
    return lengths
