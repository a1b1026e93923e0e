"""BVH: the 17 joints as a skeleton with fixed bones, and the rotations that bring it into each pose.

Lengths are centimetres, y is up, the person faces +z when unturned. A file that holds only positions says nothing of a
bone's turn about itself: each joint takes the smallest turn from its parent's that points its bone the right way. The
hip and the thorax carry three bones each; their rotation is the rigid one that fits all three best, and the bones' rest
directions are the mean ones, so what is left between the file and the poses is what was not rigid in these.

Legend: T frames, J joints, C children of a joint.
"""

from collections.abc import Iterator
from typing import TextIO

import numpy as np

from ablate.data.arrays import Array
from ablate.data.skeleton import BONES, NAMES, PARENTS, bone_lengths

CENTIMETRES = 100.0
TO_Y_UP = np.array([1.0, -1.0, -1.0])  # camera axes (x right, y down, z forward) as x right, y up, z to the viewer
CHILDREN = {joint: [child for child, parent in enumerate(PARENTS) if parent == joint] for joint in range(len(NAMES))}
FORKS = tuple(joint for joint, children in CHILDREN.items() if len(children) > 1)
LEAVES = tuple(joint for joint, children in CHILDREN.items() if not children)
ROUNDS = 3  # of fitting a fork's rotations and its mean shape in turn

_UP, _DOWN, _LEFT, _RIGHT = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
# A T-pose that faces +z: the person's left is +x.
REST = {
    **dict.fromkeys(("right_hip", "right_shoulder", "right_elbow", "right_wrist"), _RIGHT),
    **dict.fromkeys(("left_hip", "left_shoulder", "left_elbow", "left_wrist"), _LEFT),
    **dict.fromkeys(("right_knee", "right_ankle", "left_knee", "left_ankle"), _DOWN),
    **dict.fromkeys(("spine", "thorax", "neck_nose", "head"), _UP),
}


def solve(placed_TJ3: Array) -> tuple[Array, Array]:
    """Offsets of the joints from their parents (17, 3), and each joint's own rotation (T, 17, 3, 3) against its
    parent's, of joints in camera axes; all in metres, y up."""
    joints_TJ3 = placed_TJ3.astype(np.float64) * TO_Y_UP
    offset_J3 = np.zeros((len(NAMES), 3))
    for (_, child), length in zip(BONES, bone_lengths(joints_TJ3).mean(axis=0), strict=True):
        offset_J3[child] = np.array(REST[NAMES[child]]) * length
    turn_TJ33 = np.broadcast_to(np.eye(3), (len(joints_TJ3), len(NAMES), 3, 3)).copy()
    for joint, parent in enumerate(PARENTS):  # a parent stands before its children
        children = CHILDREN[joint]
        bones_TC3 = joints_TJ3[:, children] - joints_TJ3[:, [joint]]
        if joint in FORKS:
            turn_TJ33[:, joint], offset_J3[children] = _fork(bones_TC3, offset_J3[children])
        elif children:
            before_T33 = turn_TJ33[:, parent]
            along_T3 = np.einsum("tij,j->ti", before_T33, offset_J3[children[0]])
            turn_TJ33[:, joint] = _shortest(along_T3, bones_TC3[:, 0]) @ before_T33
        else:
            turn_TJ33[:, joint] = turn_TJ33[:, parent]
    own_TJ33 = turn_TJ33.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            own_TJ33[:, joint] = turn_TJ33[:, parent].swapaxes(1, 2) @ turn_TJ33[:, joint]
    return offset_J3, own_TJ33


def _fork(bones_TC3: Array, rest_C3: Array) -> tuple[Array, Array]:
    """Rotations (T, 3, 3) of a joint with several bones, and the bones' mean offsets, of unchanged length."""
    length_C1 = np.linalg.norm(rest_C3, axis=-1, keepdims=True)
    for _ in range(ROUNDS):
        turn_T33 = _fitted(rest_C3, bones_TC3)
        mean_C3 = np.einsum("tji,tcj->ci", turn_T33, bones_TC3)
        size_C1 = np.linalg.norm(mean_C3, axis=-1, keepdims=True)
        rest_C3 = np.where(size_C1 > 0, mean_C3 / np.where(size_C1 > 0, size_C1, 1) * length_C1, rest_C3)
    return _fitted(rest_C3, bones_TC3), rest_C3


def _fitted(rest_C3: Array, bones_TC3: Array) -> Array:
    """The rotations that bring ``rest`` nearest to each frame's bones, without reflection (Kabsch, 1976)."""
    left, _, right = np.linalg.svd(np.einsum("tci,cj->tij", bones_TC3, rest_C3))
    sign_T = np.sign(np.linalg.det(left @ right))
    left[..., -1] *= np.where(sign_T == 0, 1, sign_T)[:, None]
    turn_T33: Array = left @ right
    return turn_T33


def _shortest(from_T3: Array, to_T3: Array) -> Array:
    """The smallest rotations (T, 3, 3) that turn one direction into the other; none where either has no length."""
    a, b = (v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12) for v in (from_T3, to_T3))
    axis_T3, cosine_T = np.cross(a, b), (a * b).sum(axis=-1)
    opposite_T = cosine_T < -1 + 1e-9
    if opposite_T.any():  # any axis at a right angle serves: half a turn
        other = np.eye(3)[np.abs(a[opposite_T]).argmin(axis=-1)]
        half = np.cross(a[opposite_T], other)
        half /= np.linalg.norm(half, axis=-1, keepdims=True)
    cross_T33 = np.zeros((len(a), 3, 3))
    x, y, z = axis_T3.T
    cross_T33[:, 0, 1], cross_T33[:, 0, 2], cross_T33[:, 1, 2] = -z, y, -x
    cross_T33 -= cross_T33.swapaxes(1, 2)
    turn_T33: Array = np.eye(3) + cross_T33 + cross_T33 @ cross_T33 / np.maximum(1 + cosine_T, 1e-9)[:, None, None]
    if opposite_T.any():
        turn_T33[opposite_T] = 2 * half[:, :, None] * half[:, None, :] - np.eye(3)
    return turn_T33


def euler_zxy(turn_33: Array) -> Array:
    """Degrees about z, x and y (..., 3), applied in this order as BVH multiplies them: R = Rz Rx Ry."""
    sine = np.clip(turn_33[..., 2, 1], -1, 1)
    locked = np.abs(sine) > 1 - 1e-9  # x at a right angle: z and y turn about the same axis, and y is left at 0
    z = np.where(
        locked,
        np.arctan2(turn_33[..., 1, 0], turn_33[..., 0, 0]),
        np.arctan2(-turn_33[..., 0, 1], turn_33[..., 1, 1]),
    )
    y = np.where(locked, 0.0, np.arctan2(-turn_33[..., 2, 0], turn_33[..., 2, 2]))
    angles: Array = np.degrees(np.stack([z, np.arcsin(sine), y], axis=-1))
    return angles


def write(file: TextIO, placed_TJ3: Array, fps: float) -> None:
    """One person's joints (T, 17, 3), metres in camera axes, as BVH."""
    offset_J3, own_TJ33 = solve(placed_TJ3)
    file.write("HIERARCHY\n")
    order: list[int] = []
    file.writelines(f"{line}\n" for line in _joint(0, offset_J3 * CENTIMETRES, "", order))
    file.write(f"MOTION\nFrames: {len(placed_TJ3)}\nFrame Time: {1 / fps:.8f}\n")
    root_T3 = placed_TJ3[:, 0].astype(np.float64) * TO_Y_UP * CENTIMETRES
    angle_TJ3 = np.degrees(np.unwrap(np.radians(euler_zxy(own_TJ33[:, order])), axis=0))
    for root_3, angle_J3 in zip(root_T3, angle_TJ3, strict=True):
        file.write(" ".join(f"{value:.4f}" for value in (*root_3, *angle_J3.flat)) + "\n")


def _joint(joint: int, offset_J3: Array, indent: str, order: list[int]) -> Iterator[str]:
    """The lines of a joint and of all under it; ``order`` gets those that have channels, as these follow each other."""
    kind = "End Site" if joint in LEAVES else f"{'JOINT' if joint else 'ROOT'} {NAMES[joint]}"
    yield f"{indent}{kind}"
    yield f"{indent}{{"
    yield f"{indent}  OFFSET {' '.join(f'{value:.4f}' for value in offset_J3[joint])}"
    if joint not in LEAVES:
        order.append(joint)
        position = "" if joint else "Xposition Yposition Zposition "
        yield f"{indent}  CHANNELS {3 if joint else 6} {position}Zrotation Xrotation Yrotation"
        for child in CHILDREN[joint]:
            yield from _joint(child, offset_J3, f"{indent}  ", order)
    yield f"{indent}}}"
