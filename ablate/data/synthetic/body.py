"""A body, the angles of its joints over time, and forward kinematics to 17 joints standing on a floor.

Axes of the body: x forward, y left, z up. Angles are degrees. Where a side has an axis, left is 0 and right is 1.
Legend: T frames, S sides, J joints, E ends of a foot (heel, toes).
"""

from dataclasses import dataclass

import numpy as np

from ablate.data.arrays import Array
from ablate.data.synthetic.curves import FPS

SIDE_S = np.array([1.0, -1.0])
SOLE = 0.08  # metres from an ankle down to the floor
HEEL_TOES_E = np.array([-0.05, 0.14])  # metres from an ankle forward
SPRING = 0.04  # seconds over which the body takes up a step's height
BLUR = 0.012  # metres: how far above the lowest end of a foot another one still carries weight


@dataclass(frozen=True, kw_only=True)
class Body:
    """Bone lengths in metres; ``hip`` and ``shoulder`` are half widths."""

    hip: float
    thigh: float
    shin: float
    lower_back: float
    upper_back: float
    neck: float
    head: float
    shoulder: float
    upper_arm: float
    forearm: float


@dataclass(kw_only=True)
class Motion:
    """Joint angles over time. The trunk's parts each turn by (roll to the right, pitch forward, yaw to the left)
    against the part below, the pelvis against ``heading_T``; thighs and upper arms by (flexion forward, abduction
    outward, rotation inward); knees and elbows only bend. ``foot_TS`` is the foot's pitch against the floor, toes up.

    ``bounce_T`` metres lifts the body off the floor; ``glide`` seconds smooths its way over the floor, for gaits where
    no foot carries it all the time.
    """

    heading_T: Array
    pelvis_T3: Array
    spine_T3: Array
    chest_T3: Array
    head_T3: Array
    hip_TS3: Array
    knee_TS: Array
    foot_TS: Array
    shoulder_TS3: Array
    elbow_TS: Array
    bounce_T: Array
    glide: float = 0.03


def _turn(axis: int, degrees: Array) -> Array:
    """Rotations (..., 3, 3) about x, y or z."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((*cos.shape, 3, 3))
    turn[..., axis, axis] = 1
    turn[..., i, i] = turn[..., j, j] = cos
    turn[..., i, j], turn[..., j, i] = -sin, sin
    return turn


def _trunk(angles_T3: Array) -> Array:
    return _turn(2, angles_T3[..., 2]) @ _turn(1, angles_T3[..., 1]) @ _turn(0, angles_T3[..., 0])


def _limb(angles_TS3: Array) -> Array:
    flexion_TS, abduction_TS, rotation_TS = np.moveaxis(angles_TS3, -1, 0)
    return _turn(1, -flexion_TS) @ _turn(0, SIDE_S * abduction_TS) @ _turn(2, -SIDE_S * rotation_TS)


def _along(turn: Array, *vector: float) -> Array:
    direction: Array = turn @ (np.array(vector) / np.linalg.norm(vector))
    return direction


def _relative(body: Body, motion: Motion) -> tuple[Array, Array]:
    """Joints (T, 17, 3) around a root at the origin, and the pelvis' yaw rotation (T, 3, 3)."""
    yaw_T33 = _turn(2, motion.heading_T + motion.pelvis_T3[:, 2])
    pelvis = _turn(2, motion.heading_T) @ _trunk(motion.pelvis_T3)
    # The lower back bends half with the pelvis, half with the spine.
    spine = pelvis @ _trunk(motion.spine_T3 / 2)
    back = pelvis @ _trunk(motion.spine_T3)
    chest = back @ _trunk(motion.chest_T3)
    head = chest @ _trunk(motion.head_T3)
    joints = np.zeros((len(yaw_T33), 17, 3))
    joints[:, 7] = _along(spine, -0.02, 0, 1) * body.lower_back
    joints[:, 8] = joints[:, 7] + _along(back, -0.05, 0, 1) * body.upper_back
    joints[:, 9] = joints[:, 8] + _along(head, 0.45, 0, 0.9) * body.neck
    joints[:, 10] = joints[:, 9] + _along(head, -0.25, 0, 0.97) * body.head
    thigh = pelvis[:, None] @ _limb(motion.hip_TS3)
    shin = thigh @ _turn(1, motion.knee_TS)
    arm = _limb(motion.shoulder_TS3)
    raised_TS = np.degrees(np.arccos(np.clip(arm[..., 2, 2], -1, 1)))
    collar = chest[:, None] @ _turn(0, SIDE_S * 0.25 * np.maximum(raised_TS - 40, 0))
    arm = chest[:, None] @ arm
    forearm = arm @ _turn(1, -motion.elbow_TS)
    for side, (hip, shoulder) in enumerate(((4, 11), (1, 14))):
        joints[:, hip] = _along(pelvis, 0, SIDE_S[side], 0) * body.hip
        joints[:, hip + 1] = joints[:, hip] + _along(thigh[:, side], 0, 0, -1) * body.thigh
        joints[:, hip + 2] = joints[:, hip + 1] + _along(shin[:, side], 0, 0, -1) * body.shin
        joints[:, shoulder] = joints[:, 8] + _along(collar[:, side], 0, SIDE_S[side] * 0.98, -0.2) * body.shoulder
        joints[:, shoulder + 1] = joints[:, shoulder] + _along(arm[:, side], 0, 0, -1) * body.upper_arm
        joints[:, shoulder + 2] = joints[:, shoulder + 1] + _along(forearm[:, side], 0, 0, -1) * body.forearm
    return joints, yaw_T33


def _smooth(curve_TX: Array, width: float, *, onward: bool = False) -> Array:
    """A Gaussian average over time with deviation ``width`` seconds.

    Past its ends the curve stays as it is there, or goes on as it went (``onward``).
    """
    reach = max(1, round(3 * width * FPS))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (width * FPS)) ** 2)
    ends = ((reach, reach), (0, 0))
    padded = np.pad(curve_TX, ends, "reflect", reflect_type="odd") if onward else np.pad(curve_TX, ends, "edge")
    windows_TXR = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    smooth_TX: Array = windows_TXR @ (kernel / kernel.sum())
    return smooth_TX


def pose(body: Body, motion: Motion) -> Array:
    """World positions (T, 17, 3) in metres of a body that stands on the floor z = 0 and starts at the origin.

    The root has no path of its own: the lowest ends of the feet rest on the floor and stay where they are, so it is the
    legs that carry the body up, down and along.
    """
    joints_TJ3, yaw_T33 = _relative(body, motion)
    ankle_TS3 = joints_TJ3[:, [6, 3]]
    pitch_TS1 = np.radians(motion.foot_TS)[..., None]
    forward_TSE = np.cos(pitch_TS1) * HEEL_TOES_E + np.sin(pitch_TS1) * SOLE
    height_TSE = ankle_TS3[..., 2:] + np.sin(pitch_TS1) * HEEL_TOES_E - np.cos(pitch_TS1) * SOLE
    lowest_T11 = height_TSE.min(axis=(1, 2), keepdims=True)
    weight_TSE = np.exp((lowest_T11 - height_TSE) / BLUR)
    weight_TSE /= weight_TSE.sum(axis=(1, 2), keepdims=True)
    rolling_TSE3 = np.gradient(forward_TSE, axis=0)[..., None] * yaw_T33[:, None, None, :, 0]
    moving_TSE3 = np.gradient(ankle_TS3, axis=0)[:, :, None] + rolling_TSE3
    step_T2 = -(weight_TSE[..., None] * moving_TSE3).sum(axis=(1, 2))[:, :2]
    rise_T1 = motion.bounce_T[:, None] - (weight_TSE * height_TSE).sum(axis=(1, 2))[:, None]
    carried_T1 = np.exp(-motion.bounce_T / BLUR)[:, None]
    step_T2 = _smooth(carried_T1 * step_T2, motion.glide) / _smooth(carried_T1, motion.glide)
    root_T3 = np.concatenate([np.cumsum(step_T2, axis=0), _smooth(rise_T1, SPRING, onward=True)], axis=1)
    world_TJ3: Array = joints_TJ3 + root_T3[:, None]
    return world_TJ3
