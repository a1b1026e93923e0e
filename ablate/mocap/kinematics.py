"""A tree of joints that turn over time: where they are, and how they are at another frame rate.

Everything is computed in float64. Legend: T frames, N nodes of a tree, J joints of Human3.6M.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ablate.data.arrays import Array
from ablate.data.skeleton import PARENTS

#: The joints whose bone from the parent spans several captured bones, so that its length changes: spine, thorax, neck.
SPINE = (7, 8, 9)


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """What a capture file holds, whatever its format.

    ``parents`` of each node, each before its children, -1 for the first. ``offset_N3`` is where a node lies in its
    parent's axes, in the file's own unit; ``paths`` (T, 3) stands in its place for the root, and for other nodes that
    move. ``turns`` are rotations (T) against the parent; a node without one keeps its parent's axes. ``unit`` metres is
    None where the file doesn't say.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offset_N3: Array
    paths: Mapping[int, Array]
    turns: Mapping[int, Rotation]
    fps: float
    unit: float | None

    def __len__(self) -> int:
        return len(self.paths[0])


def positions(motion: Motion) -> Array:
    """Where all nodes are, (T, N, 3) in the file's unit and axes: forward kinematics."""
    where_TN3 = np.empty((len(motion), len(motion.names), 3))
    facing: list[Rotation] = []
    for node, parent in enumerate(motion.parents):
        step_T3 = motion.paths.get(node, motion.offset_N3[node])
        turn = motion.turns.get(node)
        if parent < 0:
            where_TN3[:, node] = step_T3
            facing.append(turn if turn is not None else Rotation.identity(len(motion)))
        else:
            where_TN3[:, node] = where_TN3[:, parent] + facing[parent].apply(step_T3)
            facing.append(facing[parent] * turn if turn is not None else facing[parent])
    return where_TN3


def resample(motion: Motion, fps: float) -> Motion:
    """The same motion at ``fps`` frames a second: rotations by slerp, paths linearly, from the first frame on."""
    if motion.fps == fps:
        return motion
    last = len(motion) - 1
    taken_T = times(len(motion), motion.fps, fps)
    below_T = np.minimum(np.floor(taken_T).astype(np.int64), max(last - 1, 0))
    share_T1 = (taken_T - below_T)[:, None]
    paths = {
        node: path_T3[below_T] * (1 - share_T1) + path_T3[np.minimum(below_T + 1, last)] * share_T1
        for node, path_T3 in motion.paths.items()
    }
    turns = motion.turns
    if last > 0:
        turns = {node: Slerp(np.arange(last + 1), turn)(taken_T) for node, turn in motion.turns.items()}
    return replace(motion, paths=paths, turns=turns, fps=fps)


def times(frames: int, source: float, target: float) -> Array:
    """The times, in frames of a recording at ``source`` a second, of all frames at ``target`` that it covers."""
    count = math.floor((frames - 1) * target / source + 1e-9) + 1
    taken_T: Array = np.minimum(np.arange(count) * source / target, frames - 1)
    return taken_T


def upright(points_3: Array) -> Array:
    """Points (..., 3) of a world whose y points up, in one whose z does: x stays, y becomes z."""
    x, y, z = np.moveaxis(points_3, -1, 0)
    return np.stack([x, -z, y], axis=-1)


def with_lengths(world_TJ3: Array, lengths: Mapping[int, float]) -> Array:
    """Poses (T, 17, 3) whose bones to these joints have these lengths; directions stay, what hangs on them moves along.

    ``lengths`` maps a joint to the length of the bone from its parent, in the poses' unit.
    """
    out_TJ3 = np.array(world_TJ3, np.float64)
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        bone_T3 = world_TJ3[:, joint] - world_TJ3[:, parent]
        if joint in lengths:
            bone_T3 = bone_T3 * (lengths[joint] / np.linalg.norm(bone_T3, axis=-1, keepdims=True))
        out_TJ3[:, joint] = out_TJ3[:, parent] + bone_T3
    return out_TJ3
